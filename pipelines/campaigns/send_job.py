"""The job that sends; registered only where sending is allowed, and a dry run unless its launch says otherwise."""

from collections.abc import Mapping
from datetime import timedelta

import dagster as dg

from contracts.errors import BadInputError, RecoveryError
from pipelines.campaigns.inputs import open_day_ledger
from pipelines.campaigns.sending import Sending, approve_batch, complaint_warnings, standing_batches, summary_table
from pipelines.failures import readable
from pipelines.resources import Engine
from pipelines.runlock import UNLOCKED_TAG
from recovery.delivery.deliver import Order


class SendConfig(dg.Config):
    """What the launchpad asks.

    Attributes:
        send: false shows what would be sent and sends nothing.
        batch_id: this batch only; empty takes every approved one.
        approve_sha256: approve this batch first; the whole hash, or its first 16 digits or more.
        approved_by: who approves; an approval bears a name.
        wait_minutes: how long to wait for touches that are not due yet.
    """

    send: bool = False
    batch_id: str = ""
    approve_sha256: str = ""
    approved_by: str = ""
    wait_minutes: float = 0.0


@dg.op(tags={"stage": "campaigns"})
@readable
def send_approved_batches(context: dg.OpExecutionContext, engine: Engine, config: SendConfig) -> None:
    """Deliver approved batches through their sinks; without `send` only show what would go."""
    troubles: Mapping[str, RecoveryError] = {}
    with open_day_ledger(engine.settings) as ledger:
        if config.approve_sha256:
            approve_batch(engine, ledger, config.batch_id, sha256=config.approve_sha256, by=_named(config))
        if config.send:
            order = Order(batch_id=config.batch_id or None, patience=timedelta(minutes=config.wait_minutes))
            with Sending(engine, order.batch_id) as sending:
                troubles = sending.run(order).troubles
        table = summary_table(standing_batches(ledger)[:20])
        for words in complaint_warnings(engine, ledger):
            context.log.warning(words)
    context.add_output_metadata({"batches": dg.MetadataValue.md(table), "is_dry_run": not config.send})
    for name, trouble in troubles.items():
        context.log.error("%s: %s", name, trouble)
    if troubles:
        raise next(iter(troubles.values()))


def _named(config: SendConfig) -> str:
    name = config.approved_by.strip()
    if not name:
        raise BadInputError(
            "An approval bears the name of who gives it.",
            where="launchpad, approved_by",
            remedy="Write your name there and launch again.",
        )
    return name


@dg.job(
    description="Sends approved batches. A dry run unless the launchpad sets `send`.",
    executor_def=dg.in_process_executor,
    tags={UNLOCKED_TAG: "the ledger keeps its writers apart"},
)
def campaign_send_job() -> None:
    """One op: claims, re-checks, hands over and marks."""
    send_approved_batches()
