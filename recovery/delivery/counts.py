"""The conservation law: for every batch, target = sent + skipped + failed + unknown + still open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import sqlalchemy as sa

from contracts.errors import PermanentError
from recovery.delivery.words import DEAD_LETTERS, OPEN, Reason, TouchState
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """Where the touches of a batch stand.

    Attributes:
        batch_id: the batch.
        target: touches that the batch was made of, held-out ones included.
        by_state: touches per state and reason.
    """

    batch_id: str
    target: int
    by_state: Mapping[tuple[TouchState, str], int]

    def total(self, *states: TouchState) -> int:
        """Touches in any of the states."""
        return sum(count for (state, _), count in self.by_state.items() if state in states)

    @property
    def open(self) -> int:
        """Touches that are not settled."""
        return self.total(*OPEN)

    @property
    def dead_letters(self) -> int:
        """Failed touches that can be replayed."""
        return sum(
            count
            for (state, reason), count in self.by_state.items()
            if state is TouchState.FAILED and reason in DEAD_LETTERS
        )

    @property
    def is_conserved(self) -> bool:
        """Nobody was lost and nobody was added."""
        return sum(self.by_state.values()) == self.target


def count_batch(engine: sa.Engine, batch_id: str) -> BatchCounts:
    """Count the touches of a batch.

    Raises:
        PermanentError: there is no such batch.
    """
    touch, batch = tables.touches, tables.batches
    with reading(engine) as connection:
        row = connection.execute(
            sa.select(batch.c.planned, batch.c.held_out).where(batch.c.batch_id == batch_id)
        ).one_or_none()
        if row is None:
            raise PermanentError("There is no such batch.", where=batch_id, remedy="`recovery batches` names them.")
        counted: Sequence[tuple[str, str, int]] = connection.execute(
            sa.select(touch.c.state, touch.c.reason, sa.func.count())
            .where(touch.c.batch_id == batch_id)
            .group_by(touch.c.state, touch.c.reason)
            .order_by(touch.c.state, touch.c.reason)
        ).all()
    by_state = {(TouchState(state), reason): count for state, reason, count in counted}
    return BatchCounts(batch_id, row.planned + row.held_out, MappingProxyType(by_state))


@dataclass(frozen=True, slots=True)
class Waiting:
    """Approved touches of one channel and sink that wait to leave.

    Attributes:
        channel, sink: what and through whom.
        due: touches whose window is open.
        later: touches whose window opens later.
        opens: when the first of the later ones may leave, naive UTC; None where there are none.
    """

    channel: str
    sink: str
    due: int
    later: int
    opens: datetime | None


def count_waiting(engine: sa.Engine, *, now: datetime, batch_id: str | None = None) -> tuple[Waiting, ...]:
    """What a run would take up now or later, by channel and sink.

    Args:
        engine: of the ledger.
        now: naive UTC.
        batch_id: this batch only; None counts every batch that may be sent.
    """
    touch, batch = tables.touches, tables.batches
    sendable = sa.select(batch.c.batch_id).where(batch.c.state.in_(("approved", "running")))
    is_later = touch.c.not_before > now
    query = (
        sa.select(
            touch.c.channel,
            touch.c.sink,
            sa.func.sum(sa.case((is_later, 0), else_=1)),
            sa.func.sum(sa.case((is_later, 1), else_=0)),
            sa.func.min(sa.case((is_later, touch.c.not_before))),
        )
        .where(touch.c.state == sa.literal_column("'approved'"), touch.c.batch_id.in_(sendable))
        .group_by(touch.c.channel, touch.c.sink)
        .order_by(touch.c.channel, touch.c.sink)
    )
    if batch_id is not None:
        query = query.where(touch.c.batch_id == batch_id)
    with reading(engine) as connection:
        rows: Sequence[tuple[str, str, int, int, datetime | None]] = connection.execute(query).all()
    return tuple(Waiting(channel, sink, int(due), int(later), opens) for channel, sink, due, later, opens in rows)


def read_skipped(engine: sa.Engine, batch_id: str) -> frozenset[str]:
    """Touches of a batch that were to be made and are skipped."""
    touch = tables.touches
    query = sa.select(touch.c.touch_id).where(
        touch.c.batch_id == batch_id,
        touch.c.state == TouchState.SKIPPED.value,
        touch.c.reason != Reason.HELD_OUT.value,
    )
    with reading(engine) as connection:
        return frozenset(connection.execute(query).scalars())


def check_conservation(engine: sa.Engine, batch_id: str) -> BatchCounts:
    """Count, and refuse to go on when the law does not hold.

    Raises:
        PermanentError: touches are missing or too many.
    """
    counts = count_batch(engine, batch_id)
    if not counts.is_conserved:
        raise PermanentError(
            f"The batch was made of {counts.target:,} touches and {sum(counts.by_state.values()):,} are there.",
            where=batch_id,
            remedy="The ledger was changed from outside; compare its tables `touches` and `assignments`.",
        )
    return counts
