"""Wall seconds by stage, from Dagster's event log of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import dagster as dg

# Stage of an asset by its schema; the ledger's copy in `raw` is read by the feature stage.
_STAGES: Final = {
    "raw": "ingest",
    "staging": "features",
    "intermediate": "features",
    "marts": "features",
    "training": "training",
    "scores": "scoring",
    "campaigns": "campaigns",
    "feedback": "feedback",
}
_KINDS: Final = {
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
}


def stage_of(key: dg.AssetKey) -> str:
    """Stage that writes an asset."""
    if key.path[-1].startswith("ledger__"):
        return "features"
    return _STAGES.get(key.path[0], key.path[0])


def stage_seconds(instance: dg.DagsterInstance, run_id: str) -> dict[str, float]:
    """Durations of a run's successful steps, summed by stage; a step that still runs does not count.

    Call it once more after the run to have the last step too.

    Args:
        instance: holds the event log.
        run_id: the run.
    """
    records = instance.all_logs(run_id, of_type=_KINDS)
    return sum_stages(entry.dagster_event for entry in records if entry.dagster_event is not None)


def sum_stages(events: Iterable[dg.DagsterEvent]) -> dict[str, float]:
    """The same from the events themselves, in the order of the log."""
    stage_by_step: dict[str, str] = {}
    ended: dict[str, float] = {}
    for event in events:
        step = event.step_key
        if step is None:
            continue
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED and event.asset_key:
            stage_by_step.setdefault(step, stage_of(event.asset_key))
        elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            ended[step] = ended.get(step, 0.0) + event.step_success_data.duration_ms / 1000
    seconds: dict[str, float] = {}
    for step, spent in ended.items():
        stage = stage_by_step.get(step, "checks")
        seconds[stage] = seconds.get(stage, 0.0) + spent
    return {stage: round(spent, 3) for stage, spent in seconds.items()}
