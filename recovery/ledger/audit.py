"""The audit chain: every row's hash covers the row before it, and the head is kept apart.

A changed, dropped or swapped row breaks the chain where it happened; a cut tail disagrees with the head, which also
stands outside the database (see `recovery.delivery.generation`). Concurrent writers wait for one another at the head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from recovery.ledger import schema as tables
from recovery.ledger.plain import run, run_many

_HEAD: Final = "audit_head"
GENESIS: Final = "0" * 64
_READ_HEAD: Final = "select number, value from ledger_facts where name = ?"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One group of changes.

    Attributes:
        kind: what happened, a verb and a noun (`touches_marked`).
        subject: identifier of what it happened to.
        payload: ids, states and hashes; no address, no words.
    """

    kind: str
    subject: str
    payload: Any


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """What `verify_chain` found.

    Attributes:
        rows: rows that were read.
        broken_at: `seq` of the first row that does not follow from its predecessor; None when all do.
        is_head_right: the last row is the one that the head names.
        head: hash of the last row.
    """

    rows: int
    broken_at: int | None
    is_head_right: bool
    head: str

    @property
    def is_whole(self) -> bool:
        """Nothing was changed, dropped or swapped."""
        return self.broken_at is None and self.is_head_right


def append_audit(connection: sa.Connection, entries: Sequence[AuditEntry], *, at: datetime) -> str:
    """Append entries in the caller's transaction; returns the new head. `at` is naive UTC."""
    if not entries:
        return read_head(connection)[1]
    number, previous = _locked_head(connection)
    rows = []
    for entry in entries:
        number += 1
        payload = json.dumps(entry.payload, sort_keys=True, separators=(",", ":"))
        previous = _hash(previous, number, at, entry.kind, entry.subject, payload)
        rows.append((number, at, entry.kind, entry.subject, payload, previous))
    run_many(connection, "insert into audit (seq, at, kind, subject, payload, hash) values (?, ?, ?, ?, ?, ?)", rows)
    run(connection, "update ledger_facts set number = ?, value = ? where name = ?", (number, previous, _HEAD))
    return previous


def read_head(connection: sa.Connection) -> tuple[int, str]:
    """Number and hash of the newest row; 0 and zeros before the first."""
    row = run(connection, _READ_HEAD, (_HEAD,)).one_or_none()
    return (0, GENESIS) if row is None else (int(row[0]), str(row[1]))


def _locked_head(connection: sa.Connection) -> tuple[int, str]:
    query = _READ_HEAD if connection.dialect.name == "sqlite" else f"{_READ_HEAD} for update"  # SQLite has one writer
    row = run(connection, query, (_HEAD,)).one_or_none()
    if row is None:
        insert = "insert into ledger_facts (name, number, value) values (?, 0, ?) on conflict (name) do nothing"
        run(connection, insert, (_HEAD, GENESIS))
        row = run(connection, query, (_HEAD,)).one()
    return int(row[0]), str(row[1])


def _hash(previous: str, seq: int, at: datetime, kind: str, subject: str, payload: str) -> str:
    content = json.dumps([previous, seq, at.isoformat(timespec="microseconds"), kind, subject, payload])
    return hashlib.sha256(content.encode()).hexdigest()


def verify_chain(connection: sa.Connection) -> ChainVerdict:
    """Recompute the chain from its first row."""
    previous, count, broken = GENESIS, 0, None
    query = sa.select(tables.audit).order_by(tables.audit.c.seq)
    for row in connection.execution_options(stream_results=True).execute(query):
        count += 1
        right = _hash(previous, count, row.at, row.kind, row.subject, row.payload)
        if broken is None and (row.seq != count or row.hash != right):
            broken = int(row.seq)
        previous = row.hash
    return ChainVerdict(count, broken, read_head(connection) == (count, previous), previous)
