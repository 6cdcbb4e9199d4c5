"""The job that keeps time: what is over its retention, and requests of people that are over their date."""

from typing import Final

import dagster as dg

from contracts.errors import PermanentError
from contracts.settings import Settings
from pipelines.clock import cron_of, later
from pipelines.failures import readable
from pipelines.resources import Engine
from pipelines.rights.retention import apply_retention, list_expired
from recovery.ledger import open_ledger
from recovery.rights.requests import open_requests

_RETENTION: Final = "retention"
_APART: Final = 12  # hours from the daily run, which holds the same lock


class RetentionConfig(dg.Config):
    """What the launchpad asks.

    Attributes:
        apply: false lists what is over its time and removes nothing.
    """

    apply: bool = False


@dg.op(name=_RETENTION, tags={"stage": "rights"})
@readable
def keep_retention(context: dg.OpExecutionContext, engine: Engine, config: RetentionConfig) -> None:
    """List what is older than its retention allows; remove it where told to."""
    now = engine.now().replace(tzinfo=None)
    with open_ledger(engine.settings.ledger_sqlalchemy_url) as ledger:
        handle = apply_retention if config.apply else list_expired
        found = handle(engine.settings, ledger.engine, now=now)
    rows = [f"| {item.what} | {item.days} | {item.count:,} |" for item in found]
    table = "\n".join(["| what | days | number |", "| --- | ---: | ---: |", *rows])
    context.add_output_metadata({"over their time": dg.MetadataValue.md(table), "is_dry_run": not config.apply})


@dg.op(tags={"stage": "rights"})
@readable
def statutory_clock(context: dg.OpExecutionContext, engine: Engine) -> None:
    """Fail while a request of a person is past its due date (GDPR Art. 12(3), 11 CCR 7021)."""
    now = engine.now().replace(tzinfo=None)
    with open_ledger(engine.settings.ledger_sqlalchemy_url) as ledger:
        requests = open_requests(ledger.engine)
    late = [row for row in requests if row["due_at"] < now]
    context.add_output_metadata({"open": len(requests), "late": len(late)})
    if late:
        raise PermanentError(
            f"{len(late)} of {len(requests)} open requests of people are late.",
            where=", ".join(f"{row['kind']} {row['request_id']}, due {row['due_at']:%Y-%m-%d}" for row in late[:5]),
            remedy="Answer them now; `recovery person requests` lists all with their dates.",
        )


@dg.job(
    description=(
        "Lists what is over its retention and removes it only where the launchpad sets `apply`, or the schedule under "
        "RECOVERY_RETENTION_APPLIES. Fails while a request of a person is late."
    ),
    executor_def=dg.in_process_executor,
)
def rights_job() -> None:
    """Two ops that know nothing of each other."""
    keep_retention()
    statutory_clock()


def _rights_schedule(run_at: str) -> dg.ScheduleDefinition:
    time = later(run_at, _APART)

    @dg.schedule(
        name="rights_schedule",
        job=rights_job,
        cron_schedule=cron_of(time),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Retention and the dates of requests every day at {time} UTC, {_APART} hours after "
        "RECOVERY_RUN_AT. Removes only under RECOVERY_RETENTION_APPLIES.",
    )
    def rights_schedule(context: dg.ScheduleEvaluationContext, engine: Engine) -> dg.RunRequest:
        day = context.scheduled_execution_time.date().isoformat()
        config = {"ops": {_RETENTION: {"config": {"apply": engine.settings.retention_applies}}}}
        return dg.RunRequest(run_key=day, run_config=config)

    return rights_schedule


JOBS: Final = [rights_job]
SCHEDULES: Final = [_rights_schedule(Settings().run_at)]
