"""Claiming a group of touches, and what becomes of groups whose worker is gone."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from contracts.words import Channel
from recovery.delivery.canary import Canary, room
from recovery.delivery.rates import RateLimit, allowance, end_slot, take_slot
from recovery.delivery.words import ClaimedTouch, Reason, TouchState
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import reading, writing
from recovery.ledger.store import BatchState

GROUP: Final = 50
_SENDABLE: Final = (BatchState.APPROVED.value, BatchState.RUNNING.value)
# A finished batch was never stopped: what became of its unknown touches may still be found out by asking again.
RETRIABLE: Final = (*_SENDABLE, BatchState.FINISHED.value)
_CHANNEL: Final = 5
_NOT_BEFORE: Final = 12
NO_CANARY: Final = Canary(size=1 << 40)
COLUMNS: Final = (
    "touch_id", "batch_id", "person_id", "account_id", "sender_id", "channel", "playbook", "step", "cycle",
    "address_hash", "content_sha256", "idempotency_key", "not_before", "expires_at", "attempts", "retry_budget",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a touch was unknown before it was claimed once more, and since when (naive UTC)."""

    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A group in one worker's hands.

    Attributes:
        claim_id: fences the group; a mark of another claim changes nothing.
        sink: name of the sink.
        batch_id: the batch.
        touches: at most `GROUP`.
        lease_until: when others may take the worker for dead, naive UTC.
        retry_at: when a rate limit or the hold after the first slice lets more go; None where neither binds.
        is_canary_full: the first slice is out and not yet judged.
        is_limited: the group counts against a rate limit.
        doubts: of touches that were unknown; they may have arrived, so they become sent or failed, else unknown again.
    """

    claim_id: str
    sink: str
    batch_id: str
    touches: tuple[ClaimedTouch, ...]
    lease_until: datetime
    retry_at: datetime | None = None
    is_canary_full: bool = False
    is_limited: bool = False
    doubts: Mapping[str, Doubt] = field(default_factory=dict)


def claim_group(
    engine: sa.Engine,
    *,
    sink: str,
    batch_id: str,
    now: datetime,
    lease: timedelta,
    size: int = GROUP,
    limits: Sequence[RateLimit] = (),
    canary: Canary = NO_CANARY,
    claim_id: str = "",
) -> Claim:
    """Take up to `size` due touches of a batch; one durable commit.

    Touches that are already past `expires_at` come along, so that the worker settles them.

    Args:
        engine: of the ledger.
        sink: whose touches.
        batch_id: must be approved or running, else the group is empty.
        now: naive UTC.
        lease: how long the group may stay in hand.
        size: most touches; never above `GROUP`.
        limits: of the sink; what they leave bounds the group.
        canary: how the batch begins.
        claim_id: name of the claim; empty draws one.
    """
    claim_id = claim_id or uuid.uuid4().hex
    lease_until = now + lease
    with writing(engine, "claim") as connection:
        batch = _batch(connection, batch_id, canary)
        if batch is None:
            return Claim(claim_id, sink, batch_id, (), lease_until)
        slice_room, held_until = room(connection, batch, canary, now=now)
        free, retry_at = allowance(connection, sink=sink, limits=limits, now=now)
        count = min(free, size, GROUP, GROUP if slice_room is None else slice_room)
        rows = _take(connection, sink, batch_id, now, claim_id, lease_until, count) if count > 0 else []
        if rows:
            take_slot(connection, sink=sink, claim_id=claim_id, count=len(rows), limits=limits, now=now)
            if batch.state == BatchState.APPROVED.value:
                _start(connection, batch_id, now)
        touches = with_words(connection, rows)
    waits = held_until or (retry_at if free <= 0 else None)
    return Claim(claim_id, sink, batch_id, touches, lease_until, waits, slice_room == 0, bool(limits))


def claim_unknown(
    engine: sa.Engine,
    *,
    sink: str,
    batch_id: str,
    touch_ids: Sequence[str],
    now: datetime,
    lease: timedelta,
    limits: Sequence[RateLimit] = (),
) -> Claim:
    """Take unknown touches once more, for a far end that drops what it has; one durable commit.

    Args:
        engine: of the ledger.
        sink: whose touches.
        batch_id: must be approved, running or finished, else the group is empty.
        touch_ids: which; those that expired or are known meanwhile are left out.
        now: naive UTC.
        lease: how long the group may stay in hand.
        limits: of the sink; what they leave bounds the group.
    """
    touch, batch = tables.touches, tables.batches
    claim_id, lease_until = uuid.uuid4().hex, now + lease
    with writing(engine, "claim_again") as connection:
        is_retriable = sa.select(batch.c.batch_id).where(batch.c.batch_id == batch_id, batch.c.state.in_(RETRIABLE))
        free, retry_at = allowance(connection, sink=sink, limits=limits, now=now)
        chosen = (
            touch.c.touch_id.in_(touch_ids),
            touch.c.state == TouchState.UNKNOWN.value,
            touch.c.batch_id.in_(is_retriable),
            touch.c.expires_at > now,
        )
        query = sa.select(touch.c.touch_id, touch.c.reason, touch.c.settled_at).where(*chosen)
        found = connection.execute(query.order_by(touch.c.touch_id).limit(min(free, GROUP)).with_for_update()).all()
        change = (
            sa.update(touch)
            .where(touch.c.touch_id.in_([row.touch_id for row in found]))
            .values(state=TouchState.CLAIMED.value, claim_id=claim_id, lease_until=lease_until)
            .returning(*(touch.c[name] for name in COLUMNS))
        )
        taken = [tuple(row) for row in connection.execute(change)] if found else []
        if taken:
            take_slot(connection, sink=sink, claim_id=claim_id, count=len(taken), limits=limits, now=now)
        touches = with_words(connection, taken)
    doubts = {row.touch_id: Doubt(row.reason, row.settled_at) for row in found}
    waits = retry_at if free <= 0 else None
    return Claim(claim_id, sink, batch_id, touches, lease_until, waits, False, bool(limits), doubts)


def _batch(connection: sa.Connection, batch_id: str, canary: Canary) -> sa.Row[tuple[object, ...]] | None:
    """Row of a batch that may be sent; locked while its first slice is not judged."""
    row = connection.execute(_SENDABLE_BATCH, {"of_batch": batch_id}).one_or_none()
    if row is not None and row.canary_passed_at is None and row.planned > 2 * canary.size:
        row = connection.execute(_LOCKED_BATCH, {"of_batch": batch_id}).one_or_none()
    return row


_TOUCH: Final = tables.touches
_DUE: Final = (
    sa.select(_TOUCH.c.touch_id)
    .where(
        _TOUCH.c.state == sa.literal_column("'approved'"),  # as text: only so is the partial index used
        _TOUCH.c.sink == sa.bindparam("of_sink"),
        _TOUCH.c.batch_id == sa.bindparam("of_batch"),
        _TOUCH.c.not_before <= sa.bindparam("now"),
    )
    .order_by(_TOUCH.c.not_before, _TOUCH.c.touch_id)
    .limit(sa.bindparam("most"))
    .with_for_update(skip_locked=True)
)
# Built once: composing a statement costs more than running it.
_TAKE: Final = (
    sa.update(_TOUCH)
    .where(_TOUCH.c.touch_id.in_(_DUE.scalar_subquery()))
    .values(state=sa.literal_column("'claimed'"), claim_id=sa.bindparam("by_claim"), lease_until=sa.bindparam("until"))
    .returning(*(_TOUCH.c[name] for name in COLUMNS))
)
_WORDS: Final = sa.select(
    *(tables.contents.c[name] for name in ("ref_id", "address", "subject", "text", "html", "extra"))
).where(tables.contents.c.kind == "touch", tables.contents.c.ref_id.in_(sa.bindparam("touches", expanding=True)))
_SENDABLE_BATCH: Final = sa.select(tables.batches).where(
    tables.batches.c.batch_id == sa.bindparam("of_batch"), tables.batches.c.state.in_(_SENDABLE)
)
_LOCKED_BATCH: Final = _SENDABLE_BATCH.with_for_update()


def _take(
    connection: sa.Connection,
    sink: str,
    batch_id: str,
    now: datetime,
    claim_id: str,
    lease_until: datetime,
    count: int,
) -> list[tuple[Any, ...]]:
    values = {
        "of_sink": sink,
        "of_batch": batch_id,
        "now": now,
        "most": count,
        "by_claim": claim_id,
        "until": lease_until,
    }
    rows = [tuple(row) for row in connection.execute(_TAKE, values)]
    return sorted(rows, key=lambda row: (row[_NOT_BEFORE], row[0]))


def _start(connection: sa.Connection, batch_id: str, now: datetime) -> None:
    batch = tables.batches
    connection.execute(
        sa.update(batch)
        .where(batch.c.batch_id == batch_id, batch.c.state == BatchState.APPROVED.value)
        .values(state=BatchState.RUNNING.value, state_at=now)
    )
    append_audit(connection, [AuditEntry("batch_started", batch_id, {})], at=now)


def with_words(connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> tuple[ClaimedTouch, ...]:
    """Claimed rows (columns `COLUMNS`) with their words from the erasable table."""
    if not rows:
        return ()
    found = connection.execute(_WORDS, {"touches": [row[0] for row in rows]})
    words: dict[str, tuple[Any, ...]] = {row[0]: tuple(row)[1:] for row in found}
    return tuple(_claimed(row, words.get(row[0], ())) for row in rows)


def _claimed(row: tuple[Any, ...], words: tuple[Any, ...]) -> ClaimedTouch:
    """Both in the order of the fields; without words the address stays None."""
    fields: tuple[Any, ...] = (*row[:_CHANNEL], Channel(row[_CHANNEL]), *row[_CHANNEL + 1 :], *words)
    return ClaimedTouch(*fields)


def next_due(engine: sa.Engine, *, sink: str, batch_id: str) -> datetime | None:
    """When the next approved touch of a batch may be claimed; None when there is none."""
    touch = tables.touches
    query = sa.select(sa.func.min(touch.c.not_before)).where(
        touch.c.state == sa.literal_column("'approved'"), touch.c.sink == sink, touch.c.batch_id == batch_id
    )
    with reading(engine) as connection:
        return connection.execute(query).scalar()


def reap(engine: sa.Engine, *, now: datetime, worker: str) -> int:
    """Make touches unknown whose lease has run out; returns how many.

    They may have been handed over, so nobody sends them again. A worker that is merely late still marks them.
    """
    touch = tables.touches
    expired = (touch.c.state == sa.literal_column("'claimed'"), touch.c.lease_until < now)
    with reading(engine) as connection:
        if connection.execute(sa.select(touch.c.touch_id).where(*expired).limit(1)).first() is None:
            return 0
    with writing(engine, "reap") as connection:
        query = sa.select(touch.c.touch_id, touch.c.claim_id, touch.c.attempts, touch.c.sink).where(*expired)
        rows = connection.execute(query.order_by(touch.c.touch_id).with_for_update(skip_locked=True)).all()
        if not rows:
            return 0
        connection.execute(
            sa.update(touch)
            .where(touch.c.touch_id == sa.bindparam("key"), *expired)
            .values(state=TouchState.UNKNOWN.value, reason=Reason.IN_FLIGHT.value, lease_until=None, settled_at=now)
            .values(attempts=touch.c.attempts + 1),
            [{"key": row.touch_id} for row in rows],
        )
        connection.execute(
            sa.insert(tables.attempts),
            [
                {
                    "touch_id": row.touch_id, "number": row.attempts + 1, "claim_id": row.claim_id, "worker": worker,
                    "sink": row.sink, "outcome": TouchState.UNKNOWN.value, "code": Reason.IN_FLIGHT.value, "at": now,
                }
                for row in rows
            ],
        )  # fmt: skip
        for claim_id in {row.claim_id for row in rows}:
            end_slot(connection, claim_id=claim_id, count=None, now=now)
        lost = {"lost": [[row.touch_id, row.claim_id] for row in rows]}
        append_audit(connection, [AuditEntry("leases_expired", worker, lost)], at=now)
    return len(rows)
