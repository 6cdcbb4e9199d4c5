"""Rule files are dated data; a broken one is told."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from contracts.errors import PermanentError
from recovery.permission.rules import RULES_DIR, load_rules


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(RULES_DIR, tmp_path / "rules")
    return tmp_path / "rules"


def test_rules_apply_from_their_day(folder: Path) -> None:
    rules = load_rules(folder)
    assert rules.pack("CA", date(2014, 7, 1)).name == "Canada"
    assert rules.pack("CA", date(2014, 6, 30)).name == "Everywhere else"
    assert rules.pack("XX", date(2026, 1, 1)).name == "Everywhere else"


def test_a_changed_rule_changes_the_version(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    path = other / "au.yml"
    path.write_text(path.read_text().replace("within_months: 12", "within_months: 6"))
    assert load_rules(other).sha256 != load_rules(folder).sha256


@pytest.mark.parametrize("damage", ["- not: [a pack", "- {countries: [US], name: x}", "just words"])
def test_a_broken_rule_file_is_told_by_name(folder: Path, damage: str) -> None:
    (folder / "us.yml").write_text(damage)
    with pytest.raises(PermanentError, match=r"us\.yml"):
        load_rules(folder)


def test_rules_for_everywhere_else_are_required(folder: Path) -> None:
    (folder / "elsewhere.yml").unlink()
    with pytest.raises(PermanentError, match="everywhere else"):
        load_rules(folder)
