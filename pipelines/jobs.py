"""Jobs and schedules. A job that sends is registered only where sending is allowed."""

from __future__ import annotations

from typing import Final

import dagster as dg

from contracts.settings import Settings
from pipelines.partitions import daily

daily_recovery_job: Final = dg.define_asset_job(
    name="daily_recovery_job",
    description=(
        "One day: exports, people, snapshots, model, drift, scores, plan, batch, report. "
        "The partition is the as-of date; a rerun gives the same bytes."
    ),
    selection=dg.AssetSelection.all(),
    partitions_def=daily,
    executor_def=dg.in_process_executor,
    tags={"dagster/max_retries": "2"},
)


def _daily_schedule(run_at: str) -> dg.ScheduleDefinition | dg.UnresolvedPartitionedAssetScheduleDefinition:
    hour, minute = (int(part) for part in run_at.split(":"))
    return dg.build_schedule_from_partitioned_job(
        daily_recovery_job,
        name="daily_recovery_schedule",
        description=f"Runs the newest as-of date every day at {run_at} UTC (RECOVERY_RUN_AT).",
        hour_of_day=hour,
        minute_of_hour=minute,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )


JOBS: Final = [daily_recovery_job]
SCHEDULES: Final = [_daily_schedule(Settings().run_at)]
