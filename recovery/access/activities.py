"""Activities that applications tell: stored once, read by the server at once and by the next daily run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from recovery.ledger.bulk import read_rows
from recovery.ledger.engine import reading, writing
from recovery.ledger.schema_access import api_activities

TOLD_SCHEMA: Final = pa.schema(
    [
        ("activity_id", pa.string()),
        ("person_id", pa.string()),
        ("key_id", pa.string()),
        ("occurred_at", pa.timestamp("us")),
        ("observed_at", pa.timestamp("us")),
        ("kind", pa.string()),
        ("direction", pa.string()),
        ("actor", pa.string()),
        ("outcome_level", pa.int32()),
        ("reply_class", pa.string()),
        ("is_machine", pa.bool_()),
    ]
)
_WHO_AND_WHEN: Final = frozenset({"key_id", "observed_at"})


@dataclass(frozen=True, slots=True)
class ToldActivity:
    """One activity of a person, told by an application.

    Attributes:
        activity_id: the same for the same event, however often it is told.
        person_id: whose activity.
        key_id: of the key that told it first.
        occurred_at, observed_at: when it happened and when it was stored, naive UTC.
        kind, direction, actor, outcome_level, reply_class, is_machine: as in `marts.fct_activities`.
    """

    activity_id: str
    person_id: str
    key_id: str
    occurred_at: datetime
    observed_at: datetime
    kind: str
    direction: str
    actor: str
    outcome_level: int
    reply_class: str | None
    is_machine: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of told activities: how many are new, and the ids that were told before with another content."""

    new: int
    conflicts: tuple[str, ...]


def store_activities(engine: sa.Engine, told: Sequence[ToldActivity]) -> Stored:
    """Store activities in one transaction, all of them or, on a conflict, none."""
    insert: Any = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
    rows = {one.activity_id: one for one in reversed(told)}
    if not rows:
        return Stored(0, ())
    with writing(engine) as connection:
        query = sa.select(api_activities).where(api_activities.c.activity_id.in_(list(rows)))
        known = {row.activity_id: _activity(row) for row in connection.execute(query)}
        twice = {one.activity_id for one in told if _content(one) != _content(rows[one.activity_id])}
        other = {name for name, one in known.items() if _content(one) != _content(rows[name])}
        if twice | other:
            return Stored(0, tuple(sorted(twice | other)))
        added = [asdict(one) for name, one in rows.items() if name not in known]
        new = 0
        if added:
            statement = insert(api_activities).on_conflict_do_nothing().returning(api_activities.c.activity_id)
            new = len(connection.execute(statement, added).all())
    return Stored(new, ())


def told_since(engine: sa.Engine, since: datetime) -> tuple[ToldActivity, ...]:
    """Activities stored at or after a moment (naive UTC), in the order in which they were stored."""
    query = sa.select(api_activities).where(api_activities.c.observed_at >= since)
    order = (api_activities.c.observed_at, api_activities.c.activity_id)
    with reading(engine) as connection:
        return tuple(_activity(row) for row in connection.execute(query.order_by(*order)))


def told_before(engine: sa.Engine, before: datetime) -> pa.Table:
    """Activities stored before a moment (naive UTC), with `TOLD_SCHEMA`, in the order in which they were stored."""
    with reading(engine) as connection:
        return read_rows(
            connection,
            table=api_activities.name,
            schema=TOLD_SCHEMA,
            order=("observed_at", "activity_id"),
            where="observed_at < :before",
            values={"before": before.strftime("%Y-%m-%d %H:%M:%S.%f")},
        )


def _activity(row: sa.Row[Any]) -> ToldActivity:
    return ToldActivity(**row._mapping)


def _content(one: ToldActivity) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if name not in _WHO_AND_WHEN}
