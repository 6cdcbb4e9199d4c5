"""What became of unknown touches, where the far end can say; the others wait for a human."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from contracts.errors import PermanentError
from contracts.words import Channel
from recovery.delivery.claim import RETRIABLE
from recovery.delivery.handle import Hands
from recovery.delivery.words import DEAD_LETTERS, Reason, TouchState
from recovery.delivery.worker import Outcome, Worker
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import reading, writing
from recovery.ledger.store import BatchState
from recovery.sinks.protocol import ReceiptStatus

_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class UnknownTouch:
    """A touch of which nobody knows whether it arrived."""

    touch_id: str
    batch_id: str
    person_id: str
    sink: str
    reason: str
    since: datetime


def list_unknown(engine: sa.Engine, *, limit: int = 1_000) -> tuple[UnknownTouch, ...]:
    """Unknown touches, the oldest first."""
    touch = tables.touches
    query = (
        sa.select(
            touch.c.touch_id, touch.c.batch_id, touch.c.person_id, touch.c.sink, touch.c.reason,
            touch.c.settled_at.label("since"),
        )
        .where(touch.c.state == sa.literal_column("'unknown'"))
        .order_by(touch.c.settled_at, touch.c.touch_id)
        .limit(limit)
    )  # fmt: skip
    with reading(engine) as connection:
        return tuple(UnknownTouch(**row._mapping) for row in connection.execute(query))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A failed touch that certainly never reached the far end."""

    touch_id: str
    batch_id: str
    sink: str
    reason: str
    code: str
    attempts: int


def list_dead_letters(engine: sa.Engine, *, limit: int = 1_000) -> tuple[DeadLetter, ...]:
    """Dead letters with the code of their last try, the newest first."""
    touch, tried = tables.touches, tables.attempts
    query = (
        sa.select(
            touch.c.touch_id, touch.c.batch_id, touch.c.sink, touch.c.reason,
            sa.func.coalesce(tried.c.code, "").label("code"), touch.c.attempts,
        )
        .outerjoin(tried, sa.and_(tried.c.touch_id == touch.c.touch_id, tried.c.number == touch.c.attempts))
        .where(
            touch.c.batch_id.in_(sa.select(tables.batches.c.batch_id)),
            touch.c.state == TouchState.FAILED.value,
            touch.c.reason.in_([reason.value for reason in DEAD_LETTERS]),
        )
        .order_by(touch.c.settled_at.desc(), touch.c.touch_id)
        .limit(limit)
    )  # fmt: skip
    with reading(engine) as connection:
        return tuple(DeadLetter(**row._mapping) for row in connection.execute(query))


def reconcile(
    engine: sa.Engine, worker: Worker, hands: Hands, *, now: datetime, lease: timedelta, batch_id: str | None = None
) -> int:
    """Ask the sink about its unknown touches; returns how many are known now.

    Only touches whose worker must be gone are asked about. A far end with an idempotency key is given them again: it
    drops what it has. That is a send like any other, so that only batches take part that nobody stopped, within the
    rate limits; a touch without a clear answer stays unknown.

    Args:
        engine: of the ledger.
        worker: hands touches over again.
        hands: the sink, and the brakes.
        now: naive UTC.
        lease: a touch that became unknown later may still be in somebody's hands.
        batch_id: this batch only; None asks about all.
    """
    settled, after = 0, ""
    while not hands.must_stop():
        rows = _page(
            engine,
            hands.sink.name,
            before=now - lease,
            after=after,
            batch_id=batch_id,
            resend_at=now if hands.sink.has_idempotency_key else None,
        )
        if not rows:
            break
        after = rows[-1].touch_id
        if hands.sink.has_idempotency_key:
            count, goes_on = _hand_over_again(worker, rows)
            settled += count
            if not goes_on:
                break
            continue
        answers = hands.sink.look_up([row.touch_id for row in rows])
        if answers is None:
            break
        known = [(row, answers[row.touch_id]) for row in rows if row.touch_id in answers]
        settled += _write(engine, [(r, a) for r, a in known if a is not ReceiptStatus.UNKNOWN], now=now, by="look_up")
    return settled


def _hand_over_again(worker: Worker, rows: Sequence[sa.Row[Any]]) -> tuple[int, bool]:
    """How many are known now, and whether the sink's rate limits leave room for more."""
    settled = 0
    for batch_id in sorted({row.batch_id for row in rows}):
        of_batch = [row for row in rows if row.batch_id == batch_id]
        step = worker.ask_again(
            batch_id,
            [row.touch_id for row in of_batch],
            sender_id=of_batch[0].sender_id,
            channels=sorted({Channel(row.channel) for row in of_batch}),
        )
        settled += sum(found.state is not TouchState.UNKNOWN for found in step.settlements)
        if step.outcome is Outcome.WAITS:
            return settled, False
    return settled, True


def _page(
    engine: sa.Engine,
    sink: str,
    *,
    before: datetime,
    after: str,
    batch_id: str | None,
    resend_at: datetime | None,
) -> Sequence[sa.Row[Any]]:
    """Unknown touches by touch_id; those that are handed over again only before they expire, of batches that may go."""
    touch, batch = tables.touches, tables.batches
    query = sa.select(touch).where(
        touch.c.state == sa.literal_column("'unknown'"),
        touch.c.sink == sink,
        touch.c.settled_at <= before,
        touch.c.touch_id > after,
    )
    if resend_at is not None:
        retriable = sa.select(batch.c.batch_id).where(batch.c.state.in_(RETRIABLE))
        query = query.where(touch.c.expires_at > resend_at, touch.c.batch_id.in_(retriable))
    if batch_id is not None:
        query = query.where(touch.c.batch_id == batch_id)
    with reading(engine) as connection:
        return connection.execute(query.order_by(touch.c.touch_id).limit(_PAGE)).all()


def _write(engine: sa.Engine, found: Sequence[tuple[sa.Row[Any], ReceiptStatus]], *, now: datetime, by: str) -> int:
    if not found:
        return 0
    touch = tables.touches
    with writing(engine, "reconcile") as connection:
        for row, status in found:
            is_sent = status is ReceiptStatus.SENT
            connection.execute(
                sa.update(touch)
                .where(touch.c.touch_id == row.touch_id, touch.c.state == TouchState.UNKNOWN.value)
                .values(
                    state=(TouchState.SENT if is_sent else TouchState.FAILED).value,
                    reason="" if is_sent else Reason.FOUND_NOT_SENT.value,
                    claim_id=None,
                    settled_at=now,
                )
            )
        content = {"touches": [[row.touch_id, status.value] for row, status in found]}
        append_audit(connection, [AuditEntry("touches_reconciled", by, content)], at=now)
    return len(found)


def resolve(engine: sa.Engine, touch_id: str, status: ReceiptStatus, *, by: str, now: datetime) -> None:
    """A human says what became of an unknown touch (`SENT`, or `PASSING` for certainly not).

    Raises:
        PermanentError: the touch is not unknown.
    """
    with reading(engine) as connection:
        row = connection.execute(
            sa.select(tables.touches).where(
                tables.touches.c.touch_id == touch_id, tables.touches.c.state == TouchState.UNKNOWN.value
            )
        ).one_or_none()
    if row is None:
        raise PermanentError(
            "No such touch is unknown.", where=touch_id, remedy="`recovery deliver --unknown` lists those that are."
        )
    _write(engine, [(row, status)], now=now, by=by)


def replay(engine: sa.Engine, batch_id: str, *, by: str, now: datetime, tries: int = 5) -> int:
    """Give the dead letters of a batch that have not expired another `tries`; returns how many.

    A refusal of the far end is among them, a hard bounce and an unclear answer never are.

    Raises:
        PermanentError: there is no such batch.
    """
    touch = tables.touches
    with writing(engine, "replay") as connection:
        known = sa.select(tables.batches.c.state).where(tables.batches.c.batch_id == batch_id)
        if connection.execute(known).first() is None:
            raise PermanentError("There is no such batch.", where=batch_id, remedy="`recovery batches` names them.")
        rows = connection.execute(
            sa.update(touch)
            .where(
                touch.c.batch_id == batch_id,
                touch.c.state == TouchState.FAILED.value,
                touch.c.reason.in_([reason.value for reason in DEAD_LETTERS]),
                touch.c.expires_at > now,
            )
            .values(
                state=TouchState.APPROVED.value,
                reason="replayed",
                not_before=now,
                retry_budget=touch.c.attempts + tries,
                settled_at=None,
                claim_id=None,
            )
            .returning(touch.c.touch_id)
        ).all()
        if rows:
            batch = tables.batches
            connection.execute(
                sa.update(batch)
                .where(batch.c.batch_id == batch_id, batch.c.state == BatchState.FINISHED.value)
                .values(state=BatchState.APPROVED.value, state_reason=f"replayed by {by}", state_at=now)
            )
            content = {"by": by, "touches": [row.touch_id for row in rows]}
            append_audit(connection, [AuditEntry("dead_letters_replayed", batch_id, content)], at=now)
    return len(rows)
