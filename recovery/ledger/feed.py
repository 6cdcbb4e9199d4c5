"""Whole sets that the day reads from the ledger: what left, what was told, whom earlier batches reach."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

import pyarrow as pa
import sqlalchemy as sa

from recovery.ledger.bulk import as_stored, read_rows
from recovery.ledger.engine import reading

# Sinks that write files for people: whether and when such a touch was made, the CRM tells.
FILE_SINKS: Final = ("outbox", "file")

SENT_SCHEMA: Final = pa.schema(
    [
        ("touch_id", pa.string()),
        ("person_id", pa.string()),
        ("channel", pa.string()),
        ("sink", pa.string()),
        ("sent_at", pa.timestamp("us")),
        ("recorded_at", pa.timestamp("us")),
        ("not_before", pa.timestamp("us")),
        ("expires_at", pa.timestamp("us")),
    ]
)
EVENTS_SCHEMA: Final = pa.schema(
    [
        ("provider", pa.string()),
        ("event_id", pa.string()),
        ("touch_id", pa.string()),
        ("person_id", pa.string()),
        ("channel", pa.string()),
        ("kind", pa.string()),
        ("is_machine", pa.int8()),
        ("occurred_at", pa.timestamp("us")),
        ("recorded_at", pa.timestamp("us")),
    ]
)
CONTACTS_SCHEMA: Final = pa.schema(
    [
        ("touch_id", pa.string()),
        ("person_id", pa.string()),
        ("account_id", pa.string()),
        ("address_hash", pa.string()),
        ("channel", pa.string()),
        ("at", pa.timestamp("us")),
    ]
)
# A receipt counts from its own moment; what a far end or a human found out later counts from then, and is dated to the
# last unclear try.
_SENT: Final = f"""(
    select
        t.touch_id, t.person_id, t.channel, t.sink, t.not_before, t.expires_at,
        coalesce(s.at, u.at, t.settled_at) as sent_at, coalesce(s.at, t.settled_at) as recorded_at
    from touches as t
    left join (select touch_id, min(at) as at from attempts where outcome = 'sent' group by touch_id) as s
        on t.touch_id = s.touch_id
    left join (select touch_id, max(at) as at from attempts where outcome = 'unknown' group by touch_id) as u
        on t.touch_id = u.touch_id
    where (s.at is not null or t.state = 'sent') and t.sink not in ({", ".join(f"'{name}'" for name in FILE_SINKS)})
) as sent"""
# An answer that names no touch belongs to whoever was last written to at that address before it came.
_EVENTS: Final = """(
    with addressed as (
        select
            e.provider, e.event_id, t.person_id, t.channel,
            row_number() over (
                partition by e.provider, e.event_id order by t.settled_at desc, t.touch_id
            ) as place
        from provider_events as e
        join touches as t on e.address_hash = t.address_hash and t.state = 'sent' and t.settled_at <= e.received_at
        where e.touch_id is null and e.person_id is null
    )
    select
        e.provider, e.event_id, e.touch_id, coalesce(e.person_id, a.person_id) as person_id,
        coalesce(t.channel, a.channel) as channel, e.kind, case when e.is_machine then 1 else 0 end as is_machine,
        e.occurred_at, e.received_at as recorded_at
    from provider_events as e
    left join touches as t on e.touch_id = t.touch_id
    left join addressed as a on e.provider = a.provider and e.event_id = a.event_id and a.place = 1
) as events"""

# As it stood at the moment: what was settled by then counts from when it was made, what was still open from when it
# could be. Held-out touches count like the others, so that both arms are planned alike.
_CONTACTS: Final = """(
    select
        t.touch_id, t.person_id, t.account_id, t.address_hash, t.channel,
        case when t.settled_at < :before and t.reason <> 'held_out' then t.settled_at else t.not_before end as at
    from touches as t
    join batches as b on t.batch_id = b.batch_id
    where
        b.as_of_date < :day
        and (
            t.reason = 'held_out'
            or (t.settled_at < :before and t.state in ('sent', 'unknown'))
            or ((t.settled_at is null or t.settled_at >= :before) and t.expires_at > :before)
        )
) as contacts"""


def read_sent(engine: sa.Engine, *, before: datetime) -> pa.Table:
    """Touches that left through a sink of our own, as `SENT_SCHEMA` in order of touch_id.

    Args:
        engine: of the ledger.
        before: only what was recorded strictly before this moment, naive UTC.
    """
    return _read(engine, _SENT, SENT_SCHEMA, ("touch_id",), before)


def read_events(engine: sa.Engine, *, before: datetime) -> pa.Table:
    """What providers, mail servers and people told, as `EVENTS_SCHEMA` in order of provider and event.

    Args:
        engine: of the ledger.
        before: only what was recorded strictly before this moment, naive UTC.
    """
    return _read(engine, _EVENTS, EVENTS_SCHEMA, ("provider", "event_id"), before)


def read_contacts(engine: sa.Engine, *, as_of: date, before: datetime, since: datetime) -> pa.Table:
    """Touches of earlier days' batches that were made or may be, as `CONTACTS_SCHEMA` in order of touch_id.

    Args:
        engine: of the ledger.
        as_of: batches of earlier as-of dates only.
        before: as it stood at this moment, naive UTC.
        since: contacts at or after this moment, naive UTC.
    """
    more = {"day": as_of, "since": since}
    return _read(engine, _CONTACTS, CONTACTS_SCHEMA, ("touch_id",), before, where="at >= :since", more=more)


def _read(
    engine: sa.Engine,
    table: str,
    schema: pa.Schema,
    order: tuple[str, ...],
    before: datetime,
    *,
    where: str = "recorded_at < :before",
    more: Mapping[str, date] = MappingProxyType({}),
) -> pa.Table:
    values: dict[str, object] = {"before": before, **more}
    if engine.dialect.name == "sqlite":  # stored as text
        values = {name: as_stored(value) for name, value in values.items()}
    with reading(engine) as connection:
        return read_rows(connection, table=table, schema=schema, order=order, where=where, values=values)
