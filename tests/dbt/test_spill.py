"""A build that spills to disk goes on: DuckDB forbids to name the spill folder again once it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import yaml

from pipelines.resources import PROJECT_ROOT


def _profile() -> dict[str, dict[str, Any]]:
    text = Path(PROJECT_ROOT / "dbt" / "profiles.yml").read_text()
    return dict(yaml.safe_load(text)["recovery"]["outputs"]["embedded"])


def test_the_spill_folder_is_named_once_a_connection_and_not_once_a_model() -> None:
    profile = _profile()
    assert "RECOVERY_SPILL" in profile["config_options"]["temp_directory"]
    assert "temp_directory" not in profile["settings"]


def test_the_settings_of_a_model_can_be_made_again_after_a_spill(tmp_path: Path) -> None:
    given = {"memory_limit": "40MB", "threads": 1, "temp_directory": str(tmp_path / "spill")}
    profile = _profile()
    options = {name: given.get(name, value) for name, value in profile["config_options"].items()}
    settings = {name: given.get(name, value) for name, value in profile["settings"].items()}
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), config=options) as connection:
        for _ in ("before the spill", "after it"):
            for name, value in settings.items():
                connection.execute(f"set {name} = '{value}'")
            connection.execute(
                "create or replace temp table wide as "
                "select hash(range) as place, repeat(hash(range)::varchar, 4) as words from range(1_000_000) order by 1"
            )
            assert list((tmp_path / "spill").iterdir())
