"""Jobs and schedules. A job that sends is registered only where sending is allowed."""

from __future__ import annotations

from typing import Final

import dagster as dg

from contracts.settings import Settings
from pipelines.campaigns.send_job import campaign_send_job
from pipelines.clock import cron_of

daily_recovery_job: Final = dg.define_asset_job(
    name="daily_recovery_job",
    description=(
        "One day: exports, people, snapshots, model, drift, scores, plan, batch, report. "
        "The partition is the as-of date; a rerun gives the same bytes."
    ),
    selection=dg.AssetSelection.all(),
    executor_def=dg.in_process_executor,
    tags={"dagster/max_retries": "2"},
)


def _daily_schedule(run_at: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="daily_recovery_schedule",
        job=daily_recovery_job,
        cron_schedule=cron_of(run_at),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Runs the newest as-of date every day at {run_at} UTC (RECOVERY_RUN_AT).",
    )
    def daily_recovery_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.date().isoformat()
        return dg.RunRequest(run_key=day, partition_key=day)

    return daily_recovery_schedule


JOBS: Final = [daily_recovery_job]
SENDING_JOBS: Final = [campaign_send_job]
SCHEDULES: Final = [_daily_schedule(Settings().run_at)]
