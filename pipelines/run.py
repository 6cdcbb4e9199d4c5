"""Runs one day in this process: the same job that the schedule launches, with progress and one clear result."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from contracts.heap import importing
from contracts.summary import RunSummary
from pipelines.resources import PROJECT_ROOT, Engine
from pipelines.runlock import DRIVER_TAG, take_run_lock

Progress = Callable[["StepProgress"], None]


@dataclass(frozen=True)
class StepProgress:
    """One step changed: `state` is started, done or failed; seconds are known when it ended."""

    step: str
    state: str
    done: int
    total: int
    seconds: float | None = None


@dataclass(frozen=True)
class DayResult:
    """What a run of a day did.

    Attributes:
        as_of: the partition.
        run_id: Dagster run.
        ok: the run ended and no blocking or error-level check failed.
        failures: one readable paragraph per failed step or check.
        warnings: one line per failed check of warning level.
        seconds: wall seconds by asset group.
    """

    as_of: date
    run_id: str
    ok: bool
    failures: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)


def dagster_home(var_dir: Path) -> Path:
    """Point Dagster at this installation; returns the folder of its store."""
    base = (var_dir / "dagster").absolute()
    base.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(PROJECT_ROOT)
    os.environ["RECOVERY_DAGSTER_DIR"] = str(base)
    return base


def run_day(engine: Engine, as_of: date, *, progress: Progress | None = None) -> DayResult:
    """Materialise every asset of `daily_recovery_job` for one as-of date.

    Raises:
        BusyError: another run of this installation is going on.
    """
    with importing():
        from pipelines.definitions import build_definitions

    var_dir = engine.settings.var_dir
    dagster_home(var_dir)
    with take_run_lock(var_dir, wait_seconds=0):
        job = build_definitions(engine).resolve_job_def("daily_recovery_job")
        with dg.DagsterInstance.get() as instance:
            _bury_dead_runs(instance)
            return _execute(job, instance, as_of=as_of, progress=progress, engine=engine)


def _execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    as_of: date,
    progress: Progress | None,
    engine: Engine,
) -> DayResult:
    run_id = str(uuid.uuid4())
    watcher = _Watcher(total=len(job.nodes), progress=progress)
    instance.add_event_listener(run_id, watcher)
    result = job.execute_in_process(
        partition_key=as_of.isoformat(),
        instance=instance,
        run_id=run_id,
        tags={DRIVER_TAG: "this process"},
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    failures, warnings = _verdicts(result.all_events)
    seconds = _seconds_by_group(job, result.all_events)
    finish_summary(engine, as_of=as_of, seconds=seconds)
    return DayResult(
        as_of=as_of,
        run_id=run_id,
        ok=result.success and not failures,
        failures=tuple(failures),
        warnings=tuple(warnings),
        seconds=seconds,
    )


def _bury_dead_runs(instance: dg.DagsterInstance) -> None:
    """Whoever holds the run lock knows that earlier runs of this driver are over: free what they held."""
    going = dg.RunsFilter(
        tags={DRIVER_TAG: "this process"}, statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
    )
    for run in instance.get_runs(filters=going):
        instance.report_run_failed(run, "The process of this run died; the day is run again.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


class _Watcher:
    """Turns Dagster's events of one run into progress calls."""

    def __init__(self, *, total: int, progress: Progress | None) -> None:
        self._total = total
        self._done = 0
        self._progress = progress

    def __call__(self, entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None or self._progress is None or event.step_key is None:
            return
        kind = event.event_type
        if kind == dg.DagsterEventType.STEP_START:
            self._progress(StepProgress(event.step_key, "started", self._done, self._total))
        elif kind in (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE):
            self._done += 1
            good = kind == dg.DagsterEventType.STEP_SUCCESS
            seconds = event.step_success_data.duration_ms / 1000 if good else None
            self._progress(StepProgress(event.step_key, "done" if good else "failed", self._done, self._total, seconds))


def _verdicts(events: Sequence[dg.DagsterEvent]) -> tuple[list[str], list[str]]:
    failures: list[str] = []
    warnings: list[str] = []
    for event in events:
        if event.is_step_failure:
            data = event.step_failure_data
            told = data.user_failure_data.description if data.user_failure_data else None
            text = told or (_innermost(data.error) if data.error else "unknown error")
            failures.append(f"{event.step_key}: {text}")
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if evaluation.passed:
                continue
            line = f"{evaluation.check_name} is not true: {evaluation.description or 'see the check in Dagster'}"
            target = failures if evaluation.severity == dg.AssetCheckSeverity.ERROR else warnings
            target.append(line)
    return failures, warnings


def _innermost(error: SerializableErrorInfo) -> str:
    while error.cause is not None:
        error = error.cause
    return error.message.strip()


def _seconds_by_group(job: dg.JobDefinition, events: Sequence[dg.DagsterEvent]) -> dict[str, float]:
    graph = job.asset_layer.asset_graph
    groups: dict[str, str] = {}
    for event in events:
        if event.is_step_materialization and event.step_key and event.asset_key:
            groups[event.step_key] = graph.get(event.asset_key).group_name or "default"
    seconds: dict[str, float] = {}
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_SUCCESS and event.step_key:
            group = groups.get(event.step_key, "checks")
            spent = event.step_success_data.duration_ms / 1000
            seconds[group] = round(seconds.get(group, 0.0) + spent, 3)
    return seconds


def finish_summary(engine: Engine, *, as_of: date, seconds: dict[str, float]) -> RunSummary | None:
    """Write the measured seconds into `summary.json`; returns it, or None when this day wrote none."""
    from contracts.files import write_atomic

    path = engine.settings.var_dir / "summary.json"
    if not path.exists():
        return None
    raw = json.loads(path.read_text())
    if raw.get("as_of_date") != as_of.isoformat():
        return None
    summary = RunSummary.model_validate(raw | {"seconds": seconds})
    write_atomic(path, summary.model_dump_json(indent=2).encode() + b"\n")
    return summary
