"""How often each key used each route: counted in memory, added to the ledger in small groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from recovery.ledger.engine import reading, writing
from recovery.ledger.schema_access import api_usage

UsageKey = tuple[str, date, str, str]


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Use of one key, day, route and outcome (ok, refused, limited, failed)."""

    key_id: str
    day: date
    route: str
    outcome: str
    requests: int
    items: int


def add_usage(engine: sa.Engine, counts: Mapping[UsageKey, tuple[int, int]]) -> None:
    """Add requests and items by (key id, day, route, outcome), in one transaction."""
    if not counts:
        return
    rows = [
        {"key_id": key, "day": day, "route": route, "outcome": outcome, "requests": requests, "items": items}
        for (key, day, route, outcome), (requests, items) in sorted(counts.items())
    ]
    insert: Any = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
    statement = insert(api_usage)
    added = {name: api_usage.c[name] + statement.excluded[name] for name in ("requests", "items")}
    statement = statement.on_conflict_do_update(index_elements=list(api_usage.primary_key.columns), set_=added)
    with writing(engine) as connection:
        connection.execute(statement, rows)


def read_usage(engine: sa.Engine, *, since: date, key_id: str | None = None) -> tuple[UsageRow, ...]:
    """Usage from a day on, of one key or of all, by key, day, route and outcome."""
    query = sa.select(api_usage).where(api_usage.c.day >= since)
    if key_id is not None:
        query = query.where(api_usage.c.key_id == key_id)
    with reading(engine) as connection:
        return tuple(UsageRow(**row._mapping) for row in connection.execute(query.order_by(*api_usage.primary_key)))
