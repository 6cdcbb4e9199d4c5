"""Requests of people in the ledger: due dates, receipts, restriction, merging, and what the ledger itself holds."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from contracts.errors import BadInputError
from contracts.words import SuppressionReason
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import reading, writing
from recovery.ledger.schema_access import api_activities, api_answers
from recovery.ledger.seals import insert_sealed
from recovery.permission.book import Entry, read_families, record_words, standing_merges
from recovery.permission.facts import Stance
from recovery.rights.asking import RequestKind, write_request
from recovery.rights.ledger_texts import blot_mentions, chunks, delete_messages
from recovery.rights.matching import Identifiers
from recovery.rights.parting import share_refusals


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """One place that an erasure rewrote: place, item by name or id, hashes before and after, rows taken out."""

    place: str
    item: str
    sha256_before: str = ""
    sha256_after: str = ""
    rows: int = 0


def open_request(
    engine: sa.Engine,
    kind: RequestKind,
    person_id: str,
    *,
    by: str,
    received_at: datetime,
    law: str = "gdpr",
) -> str:
    """Write a request down with its due date; returns its identifier.

    Args:
        engine: of the ledger.
        kind: what is asked for.
        person_id: whose request.
        by: who took it; no personal data of the person.
        received_at: naive UTC.
        law: `gdpr` (28 days, within any month) or `ccpa` (45 days).
    """
    with writing(engine) as connection:
        return write_request(connection, kind, person_id, by=by, received_at=received_at, law=law)


def keep_receipts(engine: sa.Engine, request_id: str, receipts: Sequence[ErasureReceipt], *, now: datetime) -> None:
    """Append receipts of a request; they are never changed."""
    rows = [
        {"receipt_id": uuid.uuid4().hex, "request_id": request_id, "place": receipt.place, "item": receipt.item,
         "sha256_before": receipt.sha256_before, "sha256_after": receipt.sha256_after, "rows": receipt.rows,
         "erased_at": now}
        for receipt in receipts
    ]  # fmt: skip
    if rows:
        with writing(engine) as connection:
            connection.execute(sa.insert(tables.erasure_receipts), rows)


def complete(engine: sa.Engine, request_id: str, *, now: datetime) -> None:
    """Close a request; the audit tells how many receipts it has."""
    request, receipt = tables.rights_requests, tables.erasure_receipts
    count = sa.select(sa.func.count()).where(receipt.c.request_id == request_id)
    with writing(engine) as connection:
        kept = int(connection.execute(count).scalar_one())
        connection.execute(
            sa.update(request).where(request.c.request_id == request_id).values(completed_at=now, state="completed")
        )
        append_audit(connection, [AuditEntry("right_granted", request_id, {"receipts": kept})], at=now)


def open_requests(engine: sa.Engine) -> list[dict[str, Any]]:
    """Requests that wait for an answer, the most urgent first."""
    request = tables.rights_requests
    query = (
        sa.select(request.c.request_id, request.c.kind, request.c.person_id, request.c.received_at, request.c.due_at)
        .where(request.c.state == "open")
        .order_by(request.c.due_at, request.c.request_id)
    )
    with reading(engine) as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def waiting_request(engine: sa.Engine, kind: RequestKind, person_ids: Iterable[str]) -> str | None:
    """The most urgent open request of a kind by one of these people, as a reply may have begun it."""
    names = set(person_ids)
    return next(
        (row["request_id"] for row in open_requests(engine) if row["kind"] == kind and row["person_id"] in names), None
    )


def overdue(engine: sa.Engine, *, now: datetime, within: timedelta = timedelta(days=7)) -> list[dict[str, Any]]:
    """Open requests that are due within a week or late, the most urgent first."""
    return [row for row in open_requests(engine) if row["due_at"] <= now + within]


def restrict(engine: sa.Engine, person_id: str, *, kind: RequestKind, reason: str, by: str, now: datetime) -> None:
    """Restrict processing (GDPR Art. 18), or lift that; the newest row decides."""
    row = {
        "restriction_id": uuid.uuid4().hex,
        "person_id": person_id,
        "kind": kind.value,
        "reason": reason,
        "source": by,
        "since": now,
        "recorded_at": now,
    }
    with writing(engine) as connection:
        connection.execute(sa.insert(tables.restrictions), [row])
        append_audit(connection, [AuditEntry("person_restricted", person_id, {"kind": kind.value})], at=now)


def merge(
    engine: sa.Engine, person_id: str, canonical_id: str, *, kind: RequestKind, why: str, by: str, now: datetime
) -> None:
    """Say that two people are one, or are not; permission of both is kept, so the stricter wins (W7).

    An unmerge ends whatever merge of the two stands, in whichever order they were named then. What anybody refused
    while they were one goes on to hold for all who part (`share_refusals`).

    Raises:
        BadInputError: no merge of the two stands that could be ended.
    """
    ends = kind is RequestKind.UNMERGE
    with writing(engine) as connection:
        held = _rows_of(connection, person_id, canonical_id)
        pairs = _standing_pairs(held, person_id, canonical_id) if ends else [(person_id, canonical_id)]
        # A clock that stands still, or goes back, leaves the newest row in force.
        at = max([now, *(row.recorded_at + timedelta(microseconds=1) for row in held)])
        rows = [
            {"alias_id": uuid.uuid4().hex, "person_id": one, "canonical_id": other, "kind": kind.value, "why": why,
             "source": by, "since": at, "recorded_at": at}
            for one, other in pairs
        ]  # fmt: skip
        before = read_families(connection, {person_id, canonical_id}) if ends else {}
        connection.execute(sa.insert(tables.person_aliases), rows)
        share_refusals(connection, before, now=at)
        entries = [AuditEntry(f"person_{kind.value}d", one, {"into": other}) for one, other in pairs]
        append_audit(connection, entries, at=now)


def _rows_of(connection: sa.Connection, one: str, other: str) -> list[Any]:
    alias = tables.person_aliases
    query = sa.select(alias).where(alias.c.person_id.in_((one, other)), alias.c.canonical_id.in_((one, other)))
    return list(connection.execute(query))


def _standing_pairs(rows: Sequence[Any], one: str, other: str) -> list[tuple[str, str]]:
    """Merges of two ids that hold, each as it was written."""
    standing = standing_merges(rows)
    if not standing:
        raise BadInputError(
            "No merge of these two stands.",
            where=f"{one} and {other}",
            remedy="Give the two ids that were merged; `recovery explain` tells with whom somebody is one.",
        )
    return standing


def held_about(
    engine: sa.Engine, people: Identifiers, *, address_hashes: Iterable[str]
) -> dict[str, list[dict[str, Any]]]:
    """Rows of every table of the ledger about some people, for access (GDPR Art. 15)."""
    hashes, found = sorted(address_hashes), dict[str, list[dict[str, Any]]]()
    with reading(engine) as connection:
        for table in tables.metadata.sorted_tables:
            conditions = [
                (sa.func.lower(table.c[name]) if name == "address" else table.c[name]).in_(values)
                for name, values in (
                    ("person_id", sorted(people.person_ids)),
                    ("canonical_id", sorted(people.person_ids)),
                    ("touch_id", sorted(people.touch_ids)),
                    ("address", sorted(people.emails | people.numbers)),
                    ("address_hash", hashes),
                )
                if name in table.c and values
            ]
            if conditions:
                rows = connection.execute(sa.select(table).where(sa.or_(*conditions)))
                content = [json.loads(json.dumps(dict(row._mapping), default=str)) for row in rows]
                if content:
                    found[table.name] = content
    return found


def erase_from_ledger(
    engine: sa.Engine,
    people: Identifiers,
    *,
    suppress: Sequence[tuple[str, str]],
    sender_id: str,
    now: datetime,
) -> list[ErasureReceipt]:
    """Empty the erasable table of these people, blot them out of messages of others, cut their record links, and keep
    them blocked: their addresses by hash, themselves by id.

    Args:
        engine: of the ledger.
        people: who asked.
        suppress: (keyed hash, channel) of every address they are known by; ICO: suppress, do not merely delete.
        sender_id: whose suppressions.
        now: naive UTC.
    """
    links = tables.person_links
    receipts = []
    with writing(engine) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        receipts.append(ErasureReceipt("ledger", "contents", rows=delete_messages(connection, people)))
        receipts.append(ErasureReceipt("ledger", "mentions in contents", rows=blot_mentions(connection, people)))
        cut = 0
        for chunk in chunks(people.person_ids):
            cut += connection.execute(sa.delete(links).where(links.c.person_id.in_(chunk))).rowcount
        receipts.append(ErasureReceipt("ledger", "person_links", rows=cut))
        receipts += _erase_told(connection, people)
        rows = [
            {"suppression_id": uuid.uuid4().hex, "address_hash": hashed, "sender_id": sender_id, "channel": channel,
             "reason": "objection", "source": "erasure", "since": now, "recorded_at": now}
            for hashed, channel in suppress
        ]  # fmt: skip
        insert_sealed(connection, tables.suppressions, rows, at=now)
        record_words(connection, _objections(people, sender_id, now), now=now)
        entry = AuditEntry("people_erased", f"{len(people.person_ids)} people", {"people": sorted(people.person_ids)})
        append_audit(connection, [entry], at=now)
    _wipe_pages(engine)
    return receipts


def _objections(people: Identifiers, sender_id: str, now: datetime) -> list[Entry]:
    """A refusal by id: it holds where the only address that is left belongs to others too."""
    return [
        Entry(
            "all", Stance.REFUSED, SuppressionReason.OBJECTION, "erasure", person_id=one, sender_id=sender_id, since=now
        )
        for one in sorted(people.person_ids)
    ]


def _erase_told(connection: sa.Connection, people: Identifiers) -> list[ErasureReceipt]:
    """Take out what applications told of them, and kept answers that name them."""
    told = answered = 0
    for chunk in chunks(people.person_ids):
        told += connection.execute(sa.delete(api_activities).where(api_activities.c.person_id.in_(chunk))).rowcount
    for person in sorted(people.person_ids):
        named = api_answers.c.answer.contains(person, autoescape=True)
        answered += connection.execute(sa.delete(api_answers).where(named)).rowcount
    return [
        ErasureReceipt("ledger", "api_activities", rows=told), ErasureReceipt("ledger", "api_answers", rows=answered)
    ]  # fmt: skip


def _wipe_pages(engine: sa.Engine) -> None:
    """Rewrite the file, so that freed pages and the log hold nothing; PostgreSQL frees its own by vacuum."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("vacuum contents, person_links, api_activities, api_answers")
            return
        raw = connection.connection.dbapi_connection
        assert raw is not None
        connection.rollback()
        cursor = raw.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.close()
