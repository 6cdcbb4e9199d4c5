"""Moves of a batch: approved, paused, resumed, stopped, cancelled, finished; each with a reason and in the audit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from contracts.errors import PermanentError
from recovery.delivery.words import OPEN, Reason, TouchState
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import writing
from recovery.ledger.store import BatchState

# Which state a batch may come from.
MOVES: Final[Mapping[BatchState, tuple[BatchState, ...]]] = {
    BatchState.APPROVED: (BatchState.RECORDED, BatchState.PAUSED, BatchState.STOPPED, BatchState.FINISHED),
    BatchState.RUNNING: (BatchState.APPROVED,),
    BatchState.PAUSED: (BatchState.APPROVED, BatchState.RUNNING),
    BatchState.STOPPED: (BatchState.APPROVED, BatchState.RUNNING, BatchState.PAUSED),
    BatchState.FINISHED: (BatchState.APPROVED, BatchState.RUNNING),
    BatchState.REJECTED: (BatchState.RECORDED, BatchState.APPROVED, BatchState.PAUSED, BatchState.STOPPED),
}


def move_batch(connection: sa.Connection, batch_id: str, to: BatchState, *, reason: str, now: datetime) -> bool:
    """Move a batch in the caller's transaction; False when it stands elsewhere already."""
    batch = tables.batches
    moved = connection.execute(
        sa.update(batch)
        .where(batch.c.batch_id == batch_id, batch.c.state.in_([state.value for state in MOVES[to]]))
        .values(state=to.value, state_reason=reason, state_at=now)
    ).rowcount
    if moved:
        append_audit(connection, [AuditEntry(f"batch_{to.value}", batch_id, {"reason": reason})], at=now)
    return bool(moved)


def stop_batch(engine: sa.Engine, batch_id: str, *, reason: str, now: datetime) -> bool:
    """The breaker: nothing more of this batch leaves until somebody resumes it."""
    with writing(engine, "stop") as connection:
        return move_batch(connection, batch_id, BatchState.STOPPED, reason=reason, now=now)


def pause_batch(engine: sa.Engine, batch_id: str, *, reason: str, now: datetime) -> None:
    """Hold a batch by hand.

    Raises:
        PermanentError: it is neither approved nor running.
    """
    _move(engine, batch_id, BatchState.PAUSED, reason=reason, now=now)


def resume_batch(engine: sa.Engine, batch_id: str, *, reason: str, now: datetime) -> None:
    """Let a paused or stopped batch go on.

    Raises:
        PermanentError: it is neither paused nor stopped.
    """
    _move(engine, batch_id, BatchState.APPROVED, reason=reason, now=now, only=(BatchState.PAUSED, BatchState.STOPPED))


def cancel_batch(engine: sa.Engine, batch_id: str, *, reason: str, now: datetime) -> int:
    """End a batch: what has not left is skipped. Returns how many touches.

    Raises:
        PermanentError: it is running (pause it first) or over.
    """
    touch = tables.touches
    with writing(engine, "cancel") as connection:
        if not move_batch(connection, batch_id, BatchState.REJECTED, reason=reason, now=now):
            raise _cannot(connection, batch_id, BatchState.REJECTED)
        return int(
            connection.execute(
                sa.update(touch)
                .where(
                    touch.c.batch_id == batch_id,
                    touch.c.state.in_([TouchState.PLANNED.value, TouchState.APPROVED.value]),
                )
                .values(state=TouchState.SKIPPED.value, reason=Reason.BATCH_REJECTED.value, settled_at=now)
            ).rowcount
        )


def finish_batch(engine: sa.Engine, batch_id: str, *, now: datetime) -> bool:
    """Close a batch that has no open touch left."""
    touch = tables.touches
    with writing(engine, "finish") as connection:
        is_open = sa.select(touch.c.touch_id).where(
            touch.c.batch_id == batch_id, touch.c.state.in_([state.value for state in OPEN])
        )
        if connection.execute(is_open.limit(1)).first() is not None:
            return False
        return move_batch(connection, batch_id, BatchState.FINISHED, reason="every touch is settled", now=now)


def _move(
    engine: sa.Engine,
    batch_id: str,
    to: BatchState,
    *,
    reason: str,
    now: datetime,
    only: tuple[BatchState, ...] | None = None,
) -> None:
    with writing(engine, "move") as connection:
        state = _state(connection, batch_id)
        if (only is not None and state not in only) or not move_batch(connection, batch_id, to, reason=reason, now=now):
            raise _cannot(connection, batch_id, to)


def _state(connection: sa.Connection, batch_id: str) -> BatchState | None:
    query = sa.select(tables.batches.c.state).where(tables.batches.c.batch_id == batch_id)
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else BatchState(found)


def _cannot(connection: sa.Connection, batch_id: str, to: BatchState) -> PermanentError:
    state = _state(connection, batch_id)
    if state is None:
        return PermanentError("There is no such batch.", where=batch_id, remedy="`recovery batches` names them.")
    return PermanentError(
        f"The batch is {state.value} and cannot become {to.value}.",
        where=batch_id,
        remedy="`recovery batches` shows where each batch stands; a running batch is paused first.",
    )
