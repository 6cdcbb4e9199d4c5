"""What became of unknown touches, where the far end can say; the others wait for a human."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from contracts.errors import PermanentError
from recovery.delivery.claim import COLUMNS, Claim, with_words
from recovery.delivery.words import DEAD_LETTERS, Reason, TouchState
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import reading, writing
from recovery.ledger.store import BatchState
from recovery.sinks.protocol import ReceiptStatus

if TYPE_CHECKING:
    from recovery.delivery.handle import Hands
    from recovery.delivery.worker import Worker

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


def reconcile(engine: sa.Engine, worker: Worker, hands: Hands, *, now: datetime, lease: timedelta) -> int:
    """Ask the sink about its unknown touches; returns how many are known now.

    Only touches whose worker must be gone are asked about. A far end with an idempotency key is given them again: it
    drops what it has.
    """
    settled, after = 0, ""
    while True:
        rows = _page(engine, hands.sink.name, before=now - lease, after=after)
        if not rows:
            return settled
        after = rows[-1].touch_id
        if hands.sink.has_idempotency_key:
            for batch_id in sorted({row.batch_id for row in rows}):
                claim = _claim_again(engine, hands.sink.name, batch_id, rows, now=now, lease=lease)
                settled += len(worker.work(claim).settlements) if claim.touches else 0
            continue
        answers = hands.sink.look_up([row.touch_id for row in rows])
        if answers is None:
            return settled
        known = [(row, answers[row.touch_id]) for row in rows if row.touch_id in answers]
        settled += _write(engine, [(r, a) for r, a in known if a is not ReceiptStatus.UNKNOWN], now=now, by="look_up")


def _page(engine: sa.Engine, sink: str, *, before: datetime, after: str) -> Sequence[sa.Row[Any]]:
    touch = tables.touches
    query = (
        sa.select(touch)
        .where(
            touch.c.state == sa.literal_column("'unknown'"),
            touch.c.sink == sink,
            touch.c.settled_at <= before,
            touch.c.touch_id > after,
        )
        .order_by(touch.c.touch_id)
        .limit(_PAGE)
    )
    with reading(engine) as connection:
        return connection.execute(query).all()


def _claim_again(
    engine: sa.Engine, sink: str, batch_id: str, rows: Sequence[sa.Row[Any]], *, now: datetime, lease: timedelta
) -> Claim:
    touch = tables.touches
    claim_id, until = uuid.uuid4().hex, now + lease
    wanted = [row.touch_id for row in rows if row.batch_id == batch_id and row.expires_at > now]
    with writing(engine, "claim_again") as connection:
        change = (
            sa.update(touch)
            .where(touch.c.touch_id.in_(wanted), touch.c.state == TouchState.UNKNOWN.value)
            .values(state=TouchState.CLAIMED.value, claim_id=claim_id, lease_until=until)
            .returning(*(touch.c[name] for name in COLUMNS))
        )
        taken = [tuple(row) for row in connection.execute(change)]
        return Claim(claim_id, sink, batch_id, with_words(connection, taken), until)


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
