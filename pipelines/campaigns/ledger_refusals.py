"""Refusals that the ledger knows (unsubscribe page, replies, bounces, events, requests), for plan and scores."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from contracts.words import Channel
from pipelines.campaigns.address_hashes import hashes_of_people
from recovery.addresses import AddressKey
from recovery.ledger import Ledger
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading
from recovery.permission.book import Known, read_known, restriction_statement
from recovery.permission.facts import Fact, Stance
from recovery.permission.history import standing
from recovery.permission.refusals import closes

_NAMED_SQL: Final = "select person_id from marts.dim_people where is_dormant and person_id in (select unnest(?))"
_SAID: Final = (tables.suppressions, tables.permission_events, tables.restrictions, tables.person_aliases)
_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("person_id", "channel", "stance", "basis", "source", "evidence")),
        *((name, pa.date32()) for name in ("since", "expires_at")),
        ("collected_during", pa.string()),
        ("optout_offered_at_collection", pa.bool_()),
        ("has_full_record", pa.bool_()),
    ]
)


def refusals_digest(ledger: Ledger, *, known_by: datetime | None) -> list[int]:
    """Rows by table: they change whenever somebody says anything about permission up to a moment, for its tables only
    grow. The moments of recording are left out: a day that was killed records later and is the same day.
    """
    with reading(ledger.engine) as connection:
        return [int(connection.execute(_grown(table, known_by)).scalar_one()) for table in _SAID]


def _grown(table: sa.Table, known_by: datetime | None) -> sa.Select[int]:
    query = sa.select(sa.func.count()).select_from(table)
    return query if known_by is None else query.where(table.c.recorded_at <= known_by)


def ledger_refusals(
    warehouse: duckdb.DuckDBPyConnection,
    ledger: Ledger,
    address_key: AddressKey,
    *,
    at: datetime,
    known_by: datetime | None = None,
    bases: frozenset[str] = frozenset(),
) -> pa.Table:
    """What stands in the ledger against dormant people: columns of the plan's permissions, one row per refusal.

    Args:
        warehouse: with `marts.dim_people`.
        ledger: of the installation.
        address_key: of the addresses' hashes.
        at: the moment that is asked for, naive UTC.
        known_by: only what was recorded up to this moment, naive UTC; None = everything that stands.
        bases: values of `SuppressionReason` to look for; empty = every refusal.
    """
    with reading(ledger.engine) as connection:
        hashes, people = _concerned(connection, bases)
        if not hashes and not people:
            return _SCHEMA.empty_table()
        dormant = {person for (person,) in warehouse.execute(_NAMED_SQL, [sorted(people)]).fetchall()}
        keys = dict.fromkeys(dormant, frozenset[str]())
        keys |= hashes_of_people(warehouse, address_key, hashes=hashes, people=dormant)
        known = read_known(
            connection, keys={key for own in keys.values() for key in own}, people=set(keys), known_by=known_by
        )
    rows = [row for person, own in sorted(keys.items()) for row in _rows(person, own, known, at)]
    rows = [row for row in rows if not bases or row["basis"] in bases]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _concerned(connection: sa.Connection, bases: frozenset[str]) -> tuple[set[str], set[str]]:
    """Address hashes and people of whom something was said that may refuse on one of the grounds."""
    alias, suppression, event = tables.person_aliases, tables.suppressions, tables.permission_events
    refusing = {suppression: suppression.c.reason, event: event.c.basis}
    asked = {table: ground.in_(sorted(bases)) if bases else sa.true() for table, ground in refusing.items()}

    def named(column: str) -> list[sa.Select[Any]]:
        return [sa.select(table.c[column]).where(table.c[column].is_not(None), so) for table, so in asked.items()]

    hashes = sa.union(*named("address_hash"))
    people = sa.union(
        *named("person_id"),
        sa.select(tables.restrictions.c.person_id),
        sa.select(alias.c.person_id),
        sa.select(alias.c.canonical_id),
    )
    return set(connection.execute(hashes).scalars()), set(connection.execute(people).scalars())


def _rows(person: str, keys: frozenset[str], known: Known, now: datetime) -> Iterator[dict[str, Any]]:
    statements = known.of(person, keys)
    family = known.families.get(person, frozenset([person]))
    statements += [restriction_statement(member, at=now) for member in sorted(family & known.restricted)]
    for fact in sorted(standing(statements), key=repr):
        if fact.stance is Stance.REFUSED:
            for channel in _channels(fact):
                yield {
                    "person_id": person, "channel": channel, "stance": fact.stance.value, "basis": fact.basis,
                    "source": fact.source, "evidence": fact.evidence, "since": fact.since,
                    "expires_at": fact.expires_at, "collected_during": None, "optout_offered_at_collection": None,
                    "has_full_record": False,
                }  # fmt: skip


def _channels(fact: Fact) -> tuple[str, ...]:
    """The channel of a refusal; what a later consent reopened is taken out of it."""
    if not fact.not_for:
        return (fact.channel,)
    return tuple(channel.value for channel in Channel if closes(fact, channel))
