"""The ledger's side of permission: statements written once, read in sets, never changed.

Refusals are kept by the keyed hash of the address, so that they outlive erasure and meet the same address again in any
later import. Everything can be read as it was known at a past moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from contracts.words import Basis, SuppressionReason
from recovery.ledger import schema as tables
from recovery.ledger.seals import insert_sealed
from recovery.permission.facts import Stance
from recovery.permission.history import Statement
from recovery.permission.sets import read_sets

_CONSENTS: Final = frozenset({Basis.EXPRESS_CONSENT.value, Basis.WRITTEN_CONSENT.value})


@dataclass(frozen=True, slots=True)
class Entry:
    """A statement to be written down.

    Attributes:
        channel: a `Channel` or `all`.
        stance: for or against.
        basis: value of `Basis` or `SuppressionReason`.
        source: who says so.
        address_hash: keyed hash of the address or number; None where only the person or the operator is meant.
        person_id: the person, where known.
        evidence: in which words or column; no personal data.
        since, expires_at: naive UTC.
        seller, disclosure_version: of a written consent.
        collected_during, is_optout_offered: see `recovery.permission.Fact`.
        declared_by: the operator who declares it; empty otherwise.
        sender_id: to whom permission is given.
    """

    channel: str
    stance: Stance
    basis: str
    source: str
    address_hash: str | None = None
    person_id: str | None = None
    evidence: str = ""
    since: datetime | None = None
    expires_at: datetime | None = None
    seller: str = ""
    disclosure_version: str = ""
    collected_during: str | None = None
    is_optout_offered: bool | None = None
    declared_by: str = ""
    sender_id: str = "main"


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger holds about some keys and people.

    Attributes:
        by_key: statements by address hash.
        by_person: statements by person; those of an address stand in both.
        restricted: people whose data must not be used.
        families: for each person everybody who is the same one, themselves included.
    """

    by_key: Mapping[str, Sequence[Statement]]
    by_person: Mapping[str, Sequence[Statement]]
    restricted: frozenset[str]
    families: Mapping[str, frozenset[str]]

    def of(self, person_id: str, keys: Collection[str]) -> list[Statement]:
        """Every statement that concerns a person who has these addresses, once."""
        found: dict[tuple[Any, ...], Statement] = {}
        lists = [self.by_key.get(key, ()) for key in keys]
        lists += [self.by_person.get(member, ()) for member in self.families.get(person_id, (person_id,))]
        for statement in (one for many in lists for one in many):
            found.setdefault((statement.key, statement.channel, statement.basis, statement.since, statement), statement)
        return list(found.values())


def record_import(connection: sa.Connection, entries: Iterable[Entry], *, now: datetime) -> int:
    """Write what a file, a CRM or the operator says; never as the person's own words, so that it lifts nothing.

    The same statement a second time changes nothing. Returns the new ones.

    Args:
        connection: inside a write transaction.
        entries: in any order.
        now: naive UTC.
    """
    return _record(connection, entries, now=now, is_lead_originated=False)


def record_words(connection: sa.Connection, entries: Iterable[Entry], *, now: datetime) -> int:
    """Write what the person told us themselves: a form, a reply, a click, a call. Returns the new ones."""
    return _record(connection, entries, now=now, is_lead_originated=True)


def _record(connection: sa.Connection, entries: Iterable[Entry], *, now: datetime, is_lead_originated: bool) -> int:
    refusals, others = [], []
    for entry in entries:
        if entry.stance is Stance.REFUSED and entry.address_hash is not None:
            refusals.append(_suppression(entry, now))
        else:
            others.append(_event(entry, now, is_lead_originated))
    return sum(
        # Two entries may say the same.
        insert_sealed(connection, table, list({row[key]: row for row in rows}.values()), at=now)
        for table, key, rows in (
            (tables.suppressions, "suppression_id", refusals),
            (tables.permission_events, "event_id", others),
        )
    )


def _suppression(entry: Entry, now: datetime) -> dict[str, Any]:
    source = f"{entry.source}: {entry.evidence}" if entry.evidence else entry.source
    content = (entry.address_hash, entry.person_id, entry.sender_id, entry.channel, entry.basis, source, entry.since)
    return {
        "suppression_id": _digest("suppression", *content),
        "address_hash": entry.address_hash,
        "person_id": entry.person_id,
        "sender_id": entry.sender_id,
        "channel": entry.channel,
        "reason": str(entry.basis),
        "source": source,
        "since": entry.since or now,
        "recorded_at": now,
    }


def _event(entry: Entry, now: datetime, is_lead_originated: bool) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(entry, name) for name in entry.__slots__}
    row |= {"stance": entry.stance.value, "basis": str(entry.basis), "is_lead_originated": is_lead_originated}
    # An expiry that changes is a new statement; the moment of the record is no part of it.
    return {"event_id": _digest("event", *(row[name] for name in sorted(row))), **row, "recorded_at": now}


def _digest(*parts: object) -> str:
    text = "\x1f".join("" if part is None else str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_known(
    connection: sa.Connection, *, keys: Collection[str], people: Collection[str], known_by: datetime | None = None
) -> Known:
    """Everything that concerns these addresses and people, in few queries whatever their number.

    Args:
        connection: inside a transaction.
        keys: address hashes.
        people: person ids; whoever is the same person is included.
        known_by: only what was recorded up to this moment, naive UTC; None = everything.
    """
    families = read_families(connection, people, known_by=known_by)
    everybody = {member for family in families.values() for member in family}
    by_key: dict[str, list[Statement]] = {}
    by_person: dict[str, list[Statement]] = {}
    for table, read in ((tables.suppressions, _of_suppression), (tables.permission_events, _of_event)):
        sets = {"address_hash": keys, "person_id": everybody}
        for row in read_sets(connection, table, sets, **_until(known_by)):
            statement = read(row)
            by_key.setdefault(statement.key, []).append(statement)
            if row.person_id is not None:
                by_person.setdefault(row.person_id, []).append(statement)
    return Known(by_key, by_person, _restricted(connection, everybody, known_by), families)


def read_families(
    connection: sa.Connection, people: Collection[str], *, known_by: datetime | None = None
) -> dict[str, frozenset[str]]:
    """For each person everybody who is the same one: merges are followed until nobody is new."""
    ties: dict[str, set[str]] = {}
    seen: set[str] = set()
    fresh = set(people)
    while fresh:
        sets = {"person_id": fresh, "canonical_id": fresh}
        seen |= fresh
        for one, other in standing_merges(read_sets(connection, tables.person_aliases, sets, **_until(known_by))):
            ties.setdefault(one, set()).add(other)
            ties.setdefault(other, set()).add(one)
        fresh = {member for person in fresh for member in ties.get(person, ())} - seen
    return {person: _reached(person, ties) for person in people}


def standing_merges(rows: Iterable[Any]) -> list[tuple[str, str]]:
    """Pairs whose newest row is a merge, each as it was written; of two with one moment the merge holds.

    Args:
        rows: of `person_aliases`, in any order.
    """
    newest: dict[tuple[str, str], tuple[datetime, datetime, bool]] = {}
    for row in rows:
        mine = (row.recorded_at, row.since, row.kind == "merge")
        pair = (row.person_id, row.canonical_id)
        newest[pair] = max(newest.get(pair, mine), mine)
    return [pair for pair, (_, _, holds) in newest.items() if holds]


def _reached(person: str, ties: Mapping[str, set[str]]) -> frozenset[str]:
    found, edge = {person}, [person]
    while edge:
        new = ties.get(edge.pop(), set()) - found
        found |= new
        edge += new
    return frozenset(found)


def _until(known_by: datetime | None) -> dict[str, Any]:
    return {} if known_by is None else {"where": "recorded_at <= :known_by", "moments": {"known_by": known_by}}


def _of_suppression(row: Any) -> Statement:
    return Statement(
        key=row.address_hash,
        channel=row.channel,
        stance=Stance.REFUSED,
        basis=row.reason,
        source=row.source,
        evidence="suppression",
        since=row.since,
        expires_at=None,
        recorded_at=row.recorded_at,
    )


def _of_event(row: Any) -> Statement:
    is_full = all((row.address_hash, row.seller, row.disclosure_version, row.since, row.source, row.evidence))
    return Statement(
        key=row.address_hash or f"person:{row.person_id}",
        channel=row.channel,
        # Anything but a clear yes is a no.
        stance=Stance.ALLOWED if row.stance == Stance.ALLOWED.value else Stance.REFUSED,
        basis=row.basis,
        source=row.source,
        evidence=row.evidence,
        since=row.since,
        expires_at=row.expires_at,
        recorded_at=row.recorded_at,
        is_lead_originated=bool(row.is_lead_originated),
        collected_during=row.collected_during,
        is_optout_offered=row.is_optout_offered,
        has_full_record=bool(is_full) and row.basis in _CONSENTS,
    )


def _restricted(connection: sa.Connection, people: Collection[str], known_by: datetime | None) -> frozenset[str]:
    table = tables.restrictions
    newest: dict[str, tuple[datetime, bool, str]] = {}
    for row in read_sets(connection, table, {"person_id": people}, **_until(known_by)):
        mine = (row.recorded_at, row.kind != "lift", row.restriction_id)
        newest[row.person_id] = max(newest.get(row.person_id, mine), mine)
    return frozenset(person for person, (_, is_on, _) in newest.items() if is_on)


def restriction_statement(person_id: str, *, at: datetime) -> Statement:
    """A restriction as a statement that closes every channel (GDPR art. 18)."""
    return Statement(
        key=f"person:{person_id}",
        channel="all",
        stance=Stance.REFUSED,
        basis=SuppressionReason.RESTRICTION,
        source="restrictions",
        evidence="restriction",
        since=at,
        expires_at=None,
        recorded_at=at,
    )
