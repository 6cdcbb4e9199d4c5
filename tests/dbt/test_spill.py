"""A build that spills to disk goes on: DuckDB forbids to name the spill folder again once it is used."""

from __future__ import annotations

from pathlib import Path

import yaml

from pipelines.resources import PROJECT_ROOT


def _profile() -> dict[str, dict[str, str]]:
    text = Path(PROJECT_ROOT / "dbt" / "profiles.yml").read_text()
    return dict(yaml.safe_load(text)["recovery"]["outputs"]["embedded"])


def test_the_spill_folder_is_named_once_a_connection_and_not_once_a_model() -> None:
    profile = _profile()
    assert "RECOVERY_SPILL" in profile["config_options"]["temp_directory"]
    assert "temp_directory" not in profile["settings"]
