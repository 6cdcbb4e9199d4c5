"""The weekly grid, the summary's own arithmetic, and settings."""

from __future__ import annotations

import itertools
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.errors import PassingError, PermanentError, RecoveryError
from contracts.settings import Settings
from contracts.summary import RunSummary
from contracts.times import grid_dates, midnight


@given(st.dates(date(2012, 1, 1), date(2100, 1, 1)), st.integers(1, 60))
def test_the_grid_is_mondays_not_after_the_day(day: date, weeks: int) -> None:
    grid = grid_dates(day, weeks)
    assert len(grid) == weeks
    assert all(monday.weekday() == 0 for monday in grid)
    assert grid[-1] <= day
    assert (day - grid[-1]).days < 7
    assert all((later - earlier).days == 7 for earlier, later in itertools.pairwise(grid))


def test_midnight_is_utc() -> None:
    assert midnight(date(2026, 6, 1)).isoformat() == "2026-06-01T00:00:00+00:00"


def _summary(rows: int, unscored: dict[str, int], dormant: int) -> RunSummary:
    return RunSummary.model_validate(
        {
            "as_of_date": "2026-06-01", "people": 10, "dormant": dormant, "contactable": 1, "rows_in": 1,
            "rows_rejected": 0,
            "champion": dict.fromkeys(("version", "roc_auc", "pr_auc", "brier", "ece", "base_rate"))
            | {"name": "resurrection", "score_kind": "rules"},
            "drift": {"share_drifted": None, "report": None},
            "scores": {"rows": rows, "unscored": unscored, "path": None},
            "batch": {
                "id": None, "sha256": None, "planned": 0, "held_out": 0, "skipped": {}, "path": None,
                "power": {"controls": 0, "smallest_visible_effect": None},
            },
            "report": None, "seconds": {},
        }
    )  # fmt: skip


def test_every_dormant_person_is_scored_or_counted() -> None:
    assert _summary(7, {"objected": 2, "no_model": 1}, 10).dormant == 10
    with pytest.raises(ValidationError, match="dormant is 10"):
        _summary(7, {"objected": 2}, 10)


def test_settings_work_without_any_environment() -> None:
    settings = Settings()
    assert settings.sender_name is None
    assert settings.warehouse_path == Path("var/warehouse/recovery.duckdb")
    assert settings.ledger_sqlalchemy_url.startswith("sqlite:////")
    assert settings.tracking_uri.startswith("sqlite:////")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOVERY_LEDGER_URL", "postgresql+psycopg://localhost/test")
    monkeypatch.setenv("NURTURING_AGENT_ENABLED", "false")
    settings = Settings()
    assert settings.ledger_sqlalchemy_url == "postgresql+psycopg://localhost/test"
    assert settings.nurturing_enabled is False
    assert "localhost" not in repr(settings)


def test_an_impossible_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOVERY_BATCH_HOLDOUT", "1.5")
    with pytest.raises(ValidationError, match="batch_holdout"):
        Settings()


def test_an_error_tells_what_where_and_remedy() -> None:
    error = PermanentError("The file is empty.", where="a.csv", remedy="Export it again.")
    assert str(error) == "The file is empty. [a.csv] Export it again."
    assert isinstance(error, RecoveryError)
    assert not isinstance(error, PassingError)
