"""The delivery's shell: settings to routes, terms and re-check; used by the job and by `recovery deliver`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

import sqlalchemy as sa

from contracts.errors import PermanentError, SettingError
from contracts.settings import Settings
from pipelines.campaigns.rechecking import recheck_of
from pipelines.campaigns.sinks import rates_of, sink_opener
from pipelines.campaigns.standing import OUTBOX, sender_of, sinks_of
from pipelines.resources import Engine
from recovery.control import is_paused
from recovery.delivery.approval import Sample, approve, verify_content
from recovery.delivery.canary import Canary
from recovery.delivery.counts import BatchCounts, count_batch
from recovery.delivery.deliver import Delivery, Order, Report, Route
from recovery.delivery.words import TouchState
from recovery.delivery.worker import Terms
from recovery.ledger import BatchRecord, BatchState, Ledger
from recovery.ledger.engine import make_engine
from recovery.sinks.protocol import Mailbox

SENDABLE: Final = (BatchState.APPROVED, BatchState.RUNNING)
FINAL_ORDER: Final = (TouchState.SENT, TouchState.SKIPPED, TouchState.FAILED, TouchState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one batch stands."""

    record: BatchRecord
    counts: BatchCounts


def standing_batches(ledger: Ledger) -> tuple[Standing, ...]:
    """Every batch with its counts, the newest first."""
    return tuple(Standing(record, count_batch(ledger.engine, record.batch_id)) for record in reversed(ledger.batches()))


def make_delivery(engine: Engine, ledger_engine: sa.Engine) -> Delivery:
    """A delivery over the sinks that the settings name.

    Raises:
        SettingError: nobody is named as sender, or a sink's settings are incomplete.
    """
    settings = engine.settings
    facts = sender_of(settings)
    if not facts.is_complete:
        raise SettingError(
            "It is not said who writes.",
            where="RECOVERY_SENDER_NAME, _POSTAL_ADDRESS, _FROM_ADDRESS, RECOVERY_UNSUBSCRIBE_URL",
            remedy="Set all four; `recovery init` asks for them.",
        )
    names = sorted(set(sinks_of(settings).values()) - {OUTBOX})
    return Delivery(
        engine=ledger_engine,
        routes=[_route(name, settings) for name in names],
        recheck=lambda: recheck_of(settings, ledger_engine),
        sender=Mailbox(facts.name, facts.from_address),
        control_dir=settings.var_dir / "control",
        is_paused=lambda: is_paused(settings.var_dir) or not settings.nurturing_enabled,
        clock=lambda: naive_now(engine),
    )


def naive_now(engine: Engine) -> datetime:
    """Current time, naive UTC, as the ledger keeps it."""
    return engine.now().replace(tzinfo=None)


def _route(name: str, settings: Settings) -> Route:
    terms = Terms(
        lease=timedelta(seconds=settings.delivery_lease_seconds),
        rates=rates_of(name, settings),
        canary=Canary(settings.canary_size, timedelta(minutes=settings.canary_minutes)),
    )
    return Route(name, sink_opener(name, settings), terms=terms, workers=settings.delivery_workers)


class Sending:
    """One delivery run: opens the ledger, refuses what changed since approval, lets go at the end.

    Args:
        engine: the installation.
        batch_id: this batch only; None takes every approved one.

    Raises:
        SettingError: sending is not allowed here.
        PermanentError: a batch is not what was approved.
    """

    def __init__(self, engine: Engine, batch_id: str | None = None) -> None:
        settings = engine.settings
        if not settings.sending_allowed:
            raise SettingError(
                "Sending is not allowed on this installation.",
                where="RECOVERY_SENDING_ALLOWED",
                remedy="Set it to true where sending is meant; without --send the command only shows what would go.",
            )
        connections = 2 + 2 * settings.delivery_workers
        self._ledger = make_engine(settings.ledger_sqlalchemy_url, connections=connections)
        try:
            apply_approved(self._ledger, batch_id)
            self.delivery = make_delivery(engine, self._ledger)
            self.open_touches = sum(
                standing.counts.open
                for standing in standing_batches(Ledger(self._ledger))
                if standing.record.state in SENDABLE and batch_id in (None, standing.record.batch_id)
            )
        except BaseException:
            self._ledger.dispose()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ledger.dispose()

    def run(self, order: Order) -> Report:
        """See `Delivery.run`."""
        return self.delivery.run(order)


def apply_approved(ledger_engine: sa.Engine, batch_id: str | None) -> None:
    """Refuse to begin a batch whose recipients, words, windows or rules are not those that were approved."""
    ledger = Ledger(ledger_engine)
    for record in ledger.batches():
        wanted = batch_id in (None, record.batch_id) and record.state is BatchState.APPROVED
        if wanted:
            verify_content(ledger_engine, record.batch_id, rules=rules_in_force())
        elif batch_id == record.batch_id and record.state not in SENDABLE:
            raise PermanentError(
                f"The batch is {record.state.value}; only an approved one is sent.",
                where=record.batch_id,
                remedy="`recovery batches` shows where each batch stands.",
            )


def rules_in_force() -> str:
    """Fingerprint of the permission rules of this release."""
    from pipelines.campaigns.planning import books

    return books()[1].sha256


def approve_batch(
    engine: Engine, ledger: Ledger, batch_id: str, *, sha256: str, by: str, sample: Sample | None = None
) -> BatchRecord:
    """Approve a batch that waits, and write the files of the outbox.

    Raises:
        PermanentError: it changed, or does not wait.
    """
    from pipelines.campaigns.assets import publish_batch

    approve(
        ledger.engine,
        batch_id,
        sha256=sha256,
        by=by,
        method="sample" if sample else "whole",
        now=naive_now(engine),
        sample=sample,
        most_defects=engine.settings.approve_defect_rate,
        rules=rules_in_force(),
    )
    record = next(batch for batch in ledger.batches() if batch.batch_id == batch_id)
    publish_batch(engine, record.as_of_date)
    return record


def summary_table(batches: Sequence[Standing]) -> str:
    """Batches and where their touches stand, as Markdown."""
    names = ("target", "sent", "skipped", "failed", "unknown", "open")
    lines = [f"| batch | state | {' | '.join(names)} |", "|---|---|" + "---:|" * len(names)]
    for batch in batches:
        counts = batch.counts
        numbers = [counts.target, *(counts.total(state) for state in FINAL_ORDER), counts.open]
        cells = " | ".join(f"{number:,}" for number in numbers)
        lines.append(f"| {batch.record.batch_id} | {batch.record.state.value} | {cells} |")
    return "\n".join(lines)
