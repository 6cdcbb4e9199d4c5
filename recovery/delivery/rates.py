"""Sliding-window limits of a sink, exact for every window and shared by all workers.

A group counts from the moment it is taken until one window after its last send has ended. So of any N + 1 sends in
one window, the group of the last was taken while the others still counted: at most N can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from recovery.ledger import schema as tables

_FAR: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` sends in any window of `seconds`."""

    count: int
    seconds: float


def allowance(
    connection: sa.Connection, *, sink: str, limits: Sequence[RateLimit], now: datetime
) -> tuple[int, datetime | None]:
    """How many sends may begin now, and when to ask again where none may; in the caller's write transaction."""
    if not limits:
        return _FAR, None
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.execute(sa.text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": f"rate:{sink}"})
    slot = tables.rate_slots
    longest = max(limit.seconds for limit in limits)
    connection.execute(sa.delete(slot).where(slot.c.sink == sink, slot.c.ended_at <= now - timedelta(seconds=longest)))
    taken: Sequence[tuple[int, datetime | None]] = connection.execute(
        sa.select(slot.c.count, slot.c.ended_at).where(slot.c.sink == sink)
    ).all()
    free, retry_at = _FAR, None
    for limit in limits:
        window = timedelta(seconds=limit.seconds)
        used = [(count, ended) for count, ended in taken if ended is None or ended > now - window]
        left = limit.count - sum(count for count, _ in used)
        free = min(free, left)
        if left <= 0:
            ends = [ended + window for _, ended in used if ended is not None]
            moment = min(ends, default=now + timedelta(seconds=1))
            retry_at = max(retry_at or moment, moment)
    return max(free, 0), retry_at


def take_slot(
    connection: sa.Connection, *, sink: str, claim_id: str, count: int, limits: Sequence[RateLimit], now: datetime
) -> None:
    """Reserve `count` sends for a claim."""
    if limits:
        row = {"claim_id": claim_id, "sink": sink, "count": count, "taken_at": now}
        connection.execute(sa.insert(tables.rate_slots).values(**row))


def end_slot(connection: sa.Connection, *, claim_id: str, count: int | None, now: datetime) -> None:
    """The claim's sends are over; `count` were begun (None: as many as were reserved)."""
    slot = tables.rate_slots
    change = sa.update(slot).where(slot.c.claim_id == claim_id)
    connection.execute(change.values(ended_at=now) if count is None else change.values(ended_at=now, count=count))
