"""What a day's plan and batch need to know first: who sends, what holds the day, and what has left already.

Kept apart from planning and writing, so that a day without changes loads neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import pyarrow as pa

from contracts.errors import PermanentError, SettingError
from contracts.published import read_manifest
from contracts.settings import Settings
from contracts.words import Channel, SkipReason
from pipelines.resources import Engine
from recovery.control import is_paused
from recovery.delivery.claim import next_due
from recovery.drafting.facts import SenderFacts
from recovery.ledger import BatchRecord, BatchState, Ledger

OUTBOX: Final = "outbox"
SINK_NAMES: Final = (OUTBOX, "file", "smtp", "webhook")
TOUCH_COLUMNS: Final = (
    "batch_id", "assignment_id", "person_id", "account_id", "channel", "arm", "playbook", "step", "cycle", "not_before",
    "expires_at", "content_sha256", "propensity", "rank", "policy_version",
)  # fmt: skip
TOUCH_NAMES: Final = tuple("touch_id" if name == "assignment_id" else name for name in TOUCH_COLUMNS)


@dataclass(frozen=True)
class Released:
    """What stands for a day.

    Attributes:
        record: the batch, or None when nobody is contacted.
        outcome: what was done, in a word.
        note: a sentence for people, or empty.
    """

    record: BatchRecord | None
    outcome: str
    note: str = ""


def standing_batch(ledger: Ledger, settings: Settings, as_of: date) -> BatchRecord | None:
    """The batch of a day that has left the house, also when the run died before it could write that down."""
    record = ledger.batch_of(as_of=as_of, sender_id=settings.sender_id)
    if record is None:
        return None
    if record.state in (BatchState.RECORDED, BatchState.APPROVED):
        if not (settings.outbox_dir / record.path).exists():
            # An approved batch that other sinks deliver stands; one with files to write is finished by the next run.
            needs_files = has_touches(ledger, record.batch_id, sink=OUTBOX) or record.state is BatchState.RECORDED
            return None if needs_files else record
        ledger.mark_emitted(record.batch_id, sink=OUTBOX)
    return ledger.batch_of(as_of=as_of, sender_id=settings.sender_id)


def require_newest(engine: Engine, record: BatchRecord) -> None:
    """Let only the newest day release a batch.

    Raises:
        PermanentError: a later day was scored since the batch was made.
    """
    if not engine.is_newest(record.as_of_date):
        raise PermanentError(
            f"The batch of {record.as_of_date} is stale: a later day was scored, and only the newest releases a batch.",
            where=record.batch_id,
            remedy=f"Cancel it (`recovery batches --cancel {record.batch_id}`); `recovery plan` makes that of the "
            "newest day.",
        )


def has_touches(ledger: Ledger, batch_id: str, *, sink: str) -> bool:
    """Whether a sink still has approved touches of a batch."""
    return next_due(ledger.engine, sink=sink, batch_id=batch_id) is not None


def sinks_of(settings: Settings) -> dict[Channel, str]:
    """Name of the sink of every channel; the outbox where none is set.

    Raises:
        SettingError: a channel or sink has a name that is not known.
    """
    known = {channel.value for channel in Channel}
    for channel, sink in settings.sinks.items():
        if channel not in known or sink not in SINK_NAMES:
            raise SettingError(
                f"{channel}: {sink} names no channel or no sink.",
                where="RECOVERY_SINKS",
                remedy=f"Channels are {', '.join(sorted(known))}; sinks are {', '.join(SINK_NAMES)}.",
            )
    return {channel: settings.sinks.get(channel.value, OUTBOX) for channel in Channel}


def model_in_force(settings: Settings, as_of: date) -> str:
    """Fingerprint of the scores that stand for a day; empty where none are published."""
    scores = read_manifest(settings.published_dir, dataset="lead_scores", as_of=as_of)
    return str(scores.facts.get("fingerprint") or scores.sha256) if scores else ""


def sender_of(settings: Settings) -> SenderFacts:
    """Who writes, as declared; incomplete when a setting is missing."""
    return SenderFacts(
        name=settings.sender_name or "",
        postal_address=settings.sender_postal_address or "",
        from_address=settings.sender_from_address or "",
        unsubscribe_url=settings.unsubscribe_url or "",
    )


def holds_of(engine: Engine, as_of: date, silent: tuple[str, ...]) -> tuple[SkipReason, ...]:
    """Why nobody may be contacted today, the most final first.

    Args:
        engine: settings, clock and published facts.
        as_of: the day.
        silent: sources that fell silent.
    """
    settings = engine.settings
    drift = read_manifest(settings.published_dir, dataset="feature_drift", as_of=as_of)
    tests = (
        (not engine.is_newest(as_of), SkipReason.NOT_NEWEST_DATE),
        (is_paused(settings.var_dir) or not settings.nurturing_enabled, SkipReason.PAUSED),
        (not sender_of(settings).is_complete, SkipReason.SENDER_UNKNOWN),
        (bool(silent), SkipReason.SOURCE_SILENT),
        (bool(drift and drift.facts.get("severe")), SkipReason.SEVERE_DRIFT),
    )
    return tuple(reason for applies, reason in tests if applies)


def silent_sources(engine: Engine) -> tuple[str, ...]:
    """Sources without a new activity for `source_silent_days`."""
    warehouse = engine.warehouse
    with warehouse.open() as connection:
        if not warehouse.exists(connection, "marts.source_health"):
            return ()
        rows = connection.execute(
            "select source from marts.source_health "
            "where last_activity_observed_at is not null and silent_days >= ? order by source",
            [engine.settings.source_silent_days],
        ).fetchall()
    return tuple(str(row[0]) for row in rows)


def touches_of(ledger: Ledger, record: BatchRecord | None, as_of: date) -> pa.Table:
    """Touches of a batch as published: ids and hashes, in order of touch_id."""
    import pyarrow.compute as pc

    rows = ledger.read_assignments(since=as_of)
    rows = rows.filter(pc.equal(rows["batch_id"], record.batch_id if record else ""))
    return rows.select(list(TOUCH_COLUMNS)).rename_columns(list(TOUCH_NAMES))
