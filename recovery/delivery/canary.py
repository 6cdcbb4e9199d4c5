"""The first slice of a batch goes out alone and is judged before the rest follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from recovery.delivery.words import TouchState
from recovery.ledger import schema as tables


@dataclass(frozen=True, slots=True)
class Canary:
    """How a batch begins.

    Attributes:
        size: touches of the first slice; a batch of at most twice that size goes out as a whole.
        hold: how long the rest waits after the slice, for bounces and complaints to come in.
    """

    size: int = 200
    hold: timedelta = timedelta(minutes=30)


def room(
    connection: sa.Connection, batch: sa.Row[tuple[object, ...]], canary: Canary, *, now: datetime
) -> tuple[int | None, datetime | None]:
    """Touches that may be claimed before the slice is judged (None: no bound), and when the hold ends.

    Args:
        connection: inside a write transaction that has locked the batch's row.
        batch: row of `batches`.
        canary: the rule.
        now: naive UTC.
    """
    if batch.canary_passed_at is not None or batch.planned <= 2 * canary.size:
        return None, None
    # In this order: a group that is marked between the two questions is then counted twice, never not at all.
    in_hand = connection.execute(
        sa.select(sa.func.count()).where(
            tables.touches.c.batch_id == batch.batch_id, tables.touches.c.state == TouchState.CLAIMED.value
        )
    ).scalar_one()
    done = _tried(connection, batch.batch_id)
    if done < canary.size:
        return max(canary.size - done - in_hand, 0), None
    ended = _ended(connection, batch.batch_id, now)
    if now < ended + canary.hold:
        return 0, ended + canary.hold
    connection.execute(
        sa.update(tables.batches).where(tables.batches.c.batch_id == batch.batch_id).values(canary_passed_at=now)
    )
    return None, None


def _tried(connection: sa.Connection, batch_id: str) -> int:
    facts = tables.ledger_facts
    pattern = f"batch/{batch_id}/"
    query = sa.select(sa.func.coalesce(sa.func.sum(facts.c.number), 0)).where(
        facts.c.name >= pattern, facts.c.name < pattern + "~", facts.c.name.like("%/tried")
    )
    return int(connection.execute(query).scalar_one())


def _ended(connection: sa.Connection, batch_id: str, now: datetime) -> datetime:
    """When the slice was first seen to be complete."""
    name = f"canary/{batch_id}"
    facts = tables.ledger_facts
    seconds = int(now.replace(tzinfo=UTC).timestamp())
    statement = sa.text("insert into ledger_facts (name, number) values (:name, :number) on conflict (name) do nothing")
    connection.execute(statement, {"name": name, "number": seconds})
    known: int = connection.execute(sa.select(facts.c.number).where(facts.c.name == name)).scalar_one()
    return datetime.fromtimestamp(known, UTC).replace(tzinfo=None)
