"""The job that keeps time: it lists, removes only where told to, and fails while a request is late."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from pipelines.definitions import defs
from pipelines.resources import Engine
from pipelines.rights.upkeep import rights_job
from recovery.ledger import schema as tables
from recovery.ledger.engine import make_engine, migrate, reading
from recovery.rights.asking import RequestKind
from recovery.rights.requests import complete, open_request

NOW = datetime(2026, 6, 2, 12)
YEARS = timedelta(days=731)


class Upkeep:
    """An installation with an old and a young batch, and an old and a young delivered file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.engine = Engine(root=str(root), overrides={"var_dir": "var"}, fixed_now=f"{NOW.isoformat()}+00:00")
        self.ledger = make_engine(self.engine.settings.ledger_sqlalchemy_url)
        migrate(self.ledger)
        for name, age in (("old", YEARS), ("young", timedelta(days=700))):
            folder = root / "var" / "outbox" / name
            (folder / "eml").mkdir(parents=True)
            (folder / "eml" / "touch.eml").write_text("Dear somebody")
            (folder / "manifest.json").write_text(json.dumps({"as_of_date": (NOW - age).date().isoformat()}))
            file = root / "var" / "delivered" / "email" / f"{name}.eml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("Dear somebody")
            moment = (NOW - age).replace(tzinfo=UTC).timestamp()
            os.utime(file, (moment, moment))
        foreign = root / "var" / "outbox" / "notes"
        foreign.mkdir()
        (foreign / "manifest.json").write_text("{}")

    def run(self, **config: bool) -> dg.ExecuteInProcessResult:
        asked = {"ops": {"retention": {"config": config}}}
        return rights_job.execute_in_process(run_config=asked, resources={"engine": self.engine}, raise_on_error=False)

    def files(self) -> set[str]:
        var = self.root / "var"
        found = (path for place in ("outbox", "delivered") for path in (var / place).rglob("*") if path.is_file())
        return {str(path.relative_to(var)) for path in found}


@pytest.fixture
def upkeep(tmp_path: Path) -> Iterator[Upkeep]:
    made = Upkeep(tmp_path)
    yield made
    made.ledger.dispose()


def told(result: dg.ExecuteInProcessResult) -> str:
    return str([event.event_specific_data for event in result.get_step_success_events()]) + str(
        [event.event_specific_data for event in result.filter_events(lambda one: one.is_successful_output)]
    )


def test_old_messages_are_listed_and_removed_only_where_told_to(upkeep: Upkeep) -> None:
    before = upkeep.files()
    listed = upkeep.run()
    assert listed.success
    assert all(f"| {what} | 730 | 1 |" in told(listed) for what in ("emitted batches", "delivered files"))
    assert upkeep.files() == before
    assert upkeep.run(apply=True).success
    assert {name for name in before if "old" in name} == before - upkeep.files()
    with reading(upkeep.ledger) as connection:
        noted = connection.execute(sa.select(tables.audit.c.payload).where(tables.audit.c.kind == "retention_applied"))
        assert json.loads(noted.scalar_one()) == {"delivered files": 1, "emitted batches": 1}


def test_a_late_request_fails_the_job_and_retention_is_kept_all_the_same(upkeep: Upkeep) -> None:
    late = open_request(upkeep.ledger, RequestKind.ERASE, "p1", by="dpo", received_at=NOW - timedelta(days=29))
    open_request(upkeep.ledger, RequestKind.EXPORT, "p2", by="dpo", received_at=NOW - timedelta(days=27))
    result = upkeep.run(apply=True)
    assert not result.success
    (failed,) = result.get_step_failure_events()
    assert failed.step_key == "statutory_clock"
    assert f"1 of 2 open requests of people are late. [erase {late}" in str(failed.step_failure_data)
    assert "outbox/old/manifest.json" not in upkeep.files()
    complete(upkeep.ledger, late, now=NOW)
    assert upkeep.run().success


@pytest.mark.parametrize("applies", [False, True])
def test_the_schedule_removes_only_where_the_setting_says_so(tmp_path: Path, applies: bool) -> None:
    schedule = defs.resolve_schedule_def("rights_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 17 * * *", "UTC")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    engine = Engine(root=str(tmp_path), overrides={"retention_applies": applies} if applies else {})
    moment = NOW.replace(tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=moment, resources={"engine": engine}) as context:
        request = schedule(context)
    assert request.run_key == "2026-06-02"
    assert request.run_config == {"ops": {"retention": {"config": {"apply": applies}}}}
