"""A do-not-contact list holds at once, also on the day whose as-of date has begun."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from contracts.published import read_published
from pipelines.ingest.suppress import land_suppressions
from pipelines.run import run_day
from tests.e2e.installation import LAST, Installation, copy_state, make_engine, read_summary

pytestmark = pytest.mark.xdist_group("three_days")


def test_who_is_suppressed_after_midnight_is_not_planned_that_day(three_days: Installation, tmp_path: Path) -> None:
    batch = three_days.engine.settings.outbox_dir / str(three_days.summaries[LAST].batch.id)
    with (batch / "email.csv").open(newline="") as handle:
        chosen = next(csv.DictReader(handle))
    var_dir = tmp_path / "var"
    copy_state(three_days.eve, var_dir)
    stop = tmp_path / "stop.csv"
    stop.write_text(f"email\n{chosen['to_address']}\n")
    engine = make_engine(var_dir)
    land_suppressions(engine, stop, reason="objection")
    result = run_day(engine, LAST)
    assert result.ok, result.failures
    plan = read_published(engine.settings.published_dir, dataset="campaign_plan", as_of=LAST).to_pylist()
    [row] = [row for row in plan if row["person_id"] == chosen["person_id"]]
    assert row["decision"] == "skipped"
    assert read_summary(var_dir).batch.planned > 0
