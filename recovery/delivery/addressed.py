"""Complaints, bounces and opt-outs that name an address alone belong to whatever was last sent to it before them.

Each is looked for once and the answer kept in `ledger_facts`, so that the breakers, which look many times a minute,
find it by key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from recovery.ledger import schema as tables
from recovery.ledger.engine import reading, writing
from recovery.ledger.plain import run, run_many

_WINDOW: Final = timedelta(days=7)
_REACH: Final = timedelta(days=30)
_AT_ONCE: Final = 500
_OPEN: Final = f"""
    select e.provider, e.event_id, e.address_hash, e.received_at
    from provider_events as e
    left join ledger_facts as f on f.name = 'addressed/' || e.provider || '/' || e.event_id
    where e.kind in ('hard_bounce', 'complaint', 'opt_out') and e.received_at >= ? and e.touch_id is null
        and e.address_hash is not null and f.name is null
    order by e.received_at
    limit {_AT_ONCE}
"""
_KEEP: Final = (
    "insert into ledger_facts (name, number, value) values (?, 0, ?) on conflict (name) do nothing"  # others look too
)


def attribute(engine: sa.Engine, *, now: datetime) -> int:
    """Find the touches of new events that name an address alone; returns how many events were looked for.

    Touches of batches of the last 30 days count, sent or unknown. An event without one stays without.

    Args:
        engine: of the ledger.
        now: naive UTC.
    """
    with reading(engine) as connection:
        events: Sequence[tuple[str, str, str, Any]] = run(connection, _OPEN, (now - _WINDOW,)).all()
        if not events:
            return 0
        made = _made(connection, {row[2] for row in events}, since=now - _REACH)
    found = []
    for provider, event_id, address_hash, received in events:
        # SQLite gives plain SQL its moments as text.
        moment = datetime.fromisoformat(received) if isinstance(received, str) else received
        earlier = [touch for touch in made.get(address_hash, []) if touch[0] <= moment]
        found.append((f"addressed/{provider}/{event_id}", max(earlier)[1] if earlier else ""))
    with writing(engine, "attribute") as connection:
        run_many(connection, _KEEP, found)
    return len(found)


def _made(connection: sa.Connection, addresses: set[str], *, since: datetime) -> dict[str, list[tuple[datetime, str]]]:
    """When each address was written to, and by which touch."""
    touch, batch = tables.touches, tables.batches
    recent = sa.select(batch.c.batch_id).where(batch.c.as_of_date >= since.date())
    rows: Sequence[tuple[str, datetime, str]] = connection.execute(
        sa.select(touch.c.address_hash, touch.c.settled_at, touch.c.touch_id).where(
            touch.c.batch_id.in_(recent),
            touch.c.state.in_(["sent", "unknown"]),
            touch.c.address_hash.in_(sorted(addresses)),
        )
    ).all()
    made = defaultdict(list)
    for address, moment, touch_id in rows:
        made[address].append((moment, touch_id))
    return made
