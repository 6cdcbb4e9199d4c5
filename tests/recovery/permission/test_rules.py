"""Rule files are dated data; a broken one is told."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from contracts.errors import PermanentError
from recovery.permission.hours import zone_of
from recovery.permission.rules import RULES_DIR, load_rules
from recovery.permission.united_states import area_of, state_code


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


@pytest.mark.parametrize(
    ("name", "told"),
    [("elsewhere.yml", "everywhere else"), ("hours.yml", "hours of email"), ("calling.yml", "calling hours of US")],
)
def test_a_missing_rule_file_is_told(folder: Path, name: str, told: str) -> None:
    (folder / name).unlink()
    with pytest.raises(PermanentError, match=told):
        load_rules(folder)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('hours: {mon-sun: "20:00-08:00"}', "empty"),
        ('hours: {someday: "08:00-20:00"}', "not in list|tuple.index"),
        ('hours: {mon: "08:61-20:00"}', "no time of day"),
        ("cap: {most: -1, within_hours: 24}", "greater than or equal"),
        ('hours: {mon: "08:00-20:00"}\n    cap: {most: 1, within_hours: 24}', "only one of them"),
        ("holidays: [US]\n    unless_recorded: [x]", "holidays belong to hours"),
        ("words_: x", "Extra inputs"),
    ],
)
def test_a_rule_of_a_place_that_says_nonsense_is_refused(folder: Path, wrong: str, told: str) -> None:
    entry = (
        "read_on: 2026-11-01\nrules:\n  - rule: us.xx.hours\n    place: US-XX\n    channels: [call]\n"
        "    valid_from: 2026-01-01\n    how_read: K\n    words: x\n    cites: [x]\n    "
    )
    (folder / "us_states.yml").write_text(entry + wrong)
    with pytest.raises(PermanentError, match=told):
        load_rules(folder)


def test_states_are_known_by_code_and_name_and_area_codes_by_place() -> None:
    assert [state_code(text) for text in ("tx", " Texas ", "US-TX", "Tejas", "")] == ["TX", "TX", "TX", None, None]
    assert state_code("District of Columbia") == "DC"
    assert area_of("+1212") == ("NY", ("America/New_York",))
    assert area_of("+1850") == ("FL", ("America/Chicago", "America/New_York"))
    assert area_of("+1202")[0] == "DC"
    assert area_of("+1206")[0] == "WA"
    assert area_of("+1416") == (None, ())  # Toronto
    assert area_of("+1800") == (None, ())
    assert area_of("+4930") == (None, ())


def test_zones_of_split_states_are_zones_and_states_are_states() -> None:
    for state, zones in load_rules().split_zones.items():
        assert state_code(state) == state
        assert len(zones) > 1
        assert all(zone_of(zone) for zone in zones)
