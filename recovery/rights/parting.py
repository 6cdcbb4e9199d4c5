"""What people refused while they were one goes on to hold for each of them when they part."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from recovery.ledger import schema as tables
from recovery.permission.book import Entry, read_families, record_words
from recovery.permission.facts import Stance
from recovery.permission.sets import read_sets

# Of two rows with one moment nobody knows which was first, so the families of just before count too.
_TICK: Final = timedelta(microseconds=1)
Families = Mapping[str, frozenset[str]]


def share_refusals(connection: sa.Connection, before: Families, *, now: datetime) -> None:
    """Write what members of a family refused, or asked to restrict, on the record of everybody who left it.

    A refusal concerns everybody who was the same person when it was recorded, because nobody knows which of them
    spoke; whoever was joined later is not concerned.

    Args:
        connection: inside the transaction that has written the end of a merge.
        before: families as they were before it, by each of the people it names.
        now: naive UTC.
    """
    after = read_families(connection, {member for family in before.values() for member in family})
    for family in set(before.values()):
        if any(after[member] != family for member in family):
            _share(connection, family, after, now)


def _share(connection: sa.Connection, family: frozenset[str], after: Families, now: datetime) -> None:
    refusals, restrictions = _refusals(connection, family), _restrictions(connection, family)
    moments = {row.recorded_at for row in [*refusals, *restrictions]}
    then = {moment: _families_at(connection, family, moment) for moment in moments}
    entries = [
        Entry(
            row.channel, Stance.REFUSED, row.basis, "unmerge", person_id=other, sender_id=row.sender_id,
            since=row.since or row.recorded_at, expires_at=row.expires_at,
        )
        for row in refusals
        for other in then[row.recorded_at][row.person_id] - after[row.person_id]
    ]  # fmt: skip
    record_words(connection, entries, now=now)
    rows = [
        {
            "restriction_id": uuid.uuid4().hex, "person_id": other, "kind": row.kind, "reason": row.reason,
            "source": "unmerge", "since": row.since, "recorded_at": now,
        }
        for row in restrictions
        for other in then[row.recorded_at][row.person_id] - after[row.person_id]
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(tables.restrictions), rows)


def _families_at(connection: sa.Connection, people: Iterable[str], moment: datetime) -> dict[str, frozenset[str]]:
    """With whom each was one at a moment or just before it."""
    people = set(people)
    until = [read_families(connection, people, known_by=known_by) for known_by in (moment - _TICK, moment)]
    return {person: until[0][person] | until[1][person] for person in people}


def _refusals(connection: sa.Connection, family: Iterable[str]) -> list[Any]:
    said, closed = tables.permission_events.c, tables.suppressions.c
    words = sa.select(
        said.person_id, said.channel, said.basis, said.sender_id, said.since, said.expires_at, said.recorded_at
    ).where(said.person_id.in_(family), said.stance != Stance.ALLOWED.value)
    lists = sa.select(
        closed.person_id, closed.channel, closed.reason.label("basis"), closed.sender_id, closed.since,
        sa.null().label("expires_at"), closed.recorded_at,
    ).where(closed.person_id.in_(family))  # fmt: skip
    return [row for query in (words, lists) for row in connection.execute(query)]


def _restrictions(connection: sa.Connection, family: Iterable[str]) -> list[Any]:
    """The newest row of each person, where it restricts."""
    newest: dict[str, Any] = {}
    for row in read_sets(connection, tables.restrictions, {"person_id": frozenset(family)}):
        mine = (row.recorded_at, row.kind != "lift")
        held = newest.get(row.person_id)
        if held is None or mine >= (held.recorded_at, held.kind != "lift"):
            newest[row.person_id] = row
    return [row for row in newest.values() if row.kind != "lift"]
