"""The delivery's shell: settings to routes, terms and re-check; used by the job and by `recovery deliver`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

import sqlalchemy as sa

from contracts.errors import PassingError, PermanentError, RecoveryError, SettingError
from contracts.settings import Settings
from contracts.words import Channel
from pipelines.campaigns.rechecking import recheck_of
from pipelines.campaigns.sinks import far_end, rates_of, sink_opener
from pipelines.campaigns.standing import OUTBOX, model_in_force, require_newest, sender_of, sinks_of
from pipelines.resources import Engine
from recovery.control import is_paused, paused_because
from recovery.delivery.addressed import attribute
from recovery.delivery.approval import Sample, approve, verify_content
from recovery.delivery.canary import Canary
from recovery.delivery.control import pause_batch
from recovery.delivery.counts import BatchCounts, count_batch
from recovery.delivery.deliver import Delivery, Order, Report, Route
from recovery.delivery.figures import DEFAULT_LIMITS, read_figures, warn
from recovery.delivery.words import TouchState
from recovery.delivery.worker import Terms
from recovery.ledger import BatchRecord, BatchState, Ledger
from recovery.ledger.engine import make_engine, migrate, reading
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
    opener = sink_opener(name, settings)
    return Route(name, opener, terms, settings.delivery_workers, far_end(name, settings))


class Sending:
    """One delivery run: opens the ledger, refuses what changed since approval, lets go at the end.

    Args:
        engine: the installation.
        batch_id: this batch only; None takes every approved one.

    Raises:
        SettingError: sending is not allowed here, or a sink's settings are incomplete.
        PassingError: the installation is paused.
        PermanentError: the batch that was asked for may not be sent.
    """

    def __init__(self, engine: Engine, batch_id: str | None = None) -> None:
        settings = engine.settings
        _require_leave(settings)
        connections = 2 + 2 * settings.delivery_workers
        self._ledger = make_engine(settings.ledger_sqlalchemy_url, connections=connections)
        try:
            migrate(self._ledger)
            self.delivery = make_delivery(engine, self._ledger)
            self._refusals = apply_approved(engine, self._ledger, batch_id)
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
        """See `Delivery.run`; batches that were refused are among the troubles."""
        report = self.delivery.run(order)
        return replace(report, troubles={**self._refusals, **report.troubles})


def _require_leave(settings: Settings) -> None:
    if not settings.sending_allowed:
        raise SettingError(
            "Sending is not allowed on this installation.",
            where="RECOVERY_SENDING_ALLOWED",
            remedy="Set it to true where sending is meant; without --send the command only shows what would go.",
        )
    if not settings.nurturing_enabled:
        raise SettingError(
            "Contacting people is switched off.", where="NURTURING_AGENT_ENABLED", remedy="Set it to true."
        )
    reason = paused_because(settings.var_dir)
    if reason is not None:
        raise PassingError(
            f"The installation is paused: {reason}.",
            where=str(settings.var_dir / "control" / "paused.json"),
            remedy="`recovery resume` lets it send again.",
        )


def apply_approved(engine: Engine, ledger_engine: sa.Engine, batch_id: str | None) -> dict[str, RecoveryError]:
    """Pause every approved batch that is not what was approved, so that the others go on; errors by batch.

    Args:
        engine: the installation.
        ledger_engine: of its ledger.
        batch_id: this batch only; None takes every approved one.

    Raises:
        PermanentError: the one batch that was asked for does not exist, is not approved, or changed.
    """
    from pipelines.campaigns.preflight import require_bulk_rules

    refusals: dict[str, RecoveryError] = {}
    ledger = Ledger(ledger_engine)
    for record in _wanted(ledger, batch_id):
        try:
            verify_content(
                ledger_engine,
                record.batch_id,
                rules=rules_in_force(),
                model=model_in_force(engine.settings, record.as_of_date),
            )
            require_bulk_rules(engine.settings, ledger, record)
        except PermanentError as error:
            pause_batch(ledger_engine, record.batch_id, reason=error.what, now=naive_now(engine))
            refusals[record.batch_id] = error
    if batch_id is not None and batch_id in refusals:
        raise refusals[batch_id]
    return refusals


def _wanted(ledger: Ledger, batch_id: str | None) -> list[BatchRecord]:
    """Batches that nobody has begun to send."""
    batches = ledger.batches()
    if batch_id is None:
        return [record for record in batches if record.state is BatchState.APPROVED]
    record = next((record for record in batches if record.batch_id == batch_id), None)
    if record is None:
        raise PermanentError("There is no such batch.", where=batch_id, remedy="`recovery batches` names them.")
    if record.state not in SENDABLE:
        raise PermanentError(
            f"The batch is {record.state.value}; only an approved one is sent.",
            where=batch_id,
            remedy="`recovery batches` shows where each batch stands and what it waits for.",
        )
    return [record] if record.state is BatchState.APPROVED else []


def complaint_warnings(engine: Engine, ledger: Ledger) -> tuple[str, ...]:
    """A sentence per channel whose complaints of seven days come near the limit."""
    now, sender = naive_now(engine), engine.settings.sender_id
    attribute(ledger.engine, now=now)
    told = []
    with reading(ledger.engine) as connection:
        for channel in Channel:
            figures = read_figures(connection, batch_id="", sender_id=sender, channel=channel, now=now)
            told.append(warn(figures, channel, DEFAULT_LIMITS))
    return tuple(words for words in told if words is not None)


def rules_in_force() -> str:
    """Fingerprint of the permission rules of this release."""
    from pipelines.campaigns.planning import books

    return books()[1].sha256


def approve_batch(
    engine: Engine, ledger: Ledger, batch_id: str, *, sha256: str, by: str, sample: Sample | None = None
) -> BatchRecord:
    """Approve a batch that waits, and write the files of the outbox.

    Raises:
        PermanentError: it changed, does not wait, or a later day was scored.
    """
    from pipelines.campaigns.assets import publish_batch
    from pipelines.campaigns.preflight import require_bulk_rules

    known = next((batch for batch in ledger.batches() if batch.batch_id == batch_id), None)
    if known is not None and known.state is BatchState.RECORDED:
        require_newest(engine, known)
    if known is not None:
        require_bulk_rules(engine.settings, ledger, known)
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
        model=model_in_force(engine.settings, known.as_of_date) if known else "",
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
