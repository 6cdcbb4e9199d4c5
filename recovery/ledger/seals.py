"""Statements about permission under the audit chain: each write of rows adds their sum of hashes to it.

The tables are append-only, so the sums of all entries equal the sum over the rows that stand: a row that was changed,
dropped or slipped in makes the two differ (compliance T-14).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.bulk import insert_rows

KIND: Final = "statements_recorded"
SEALED: Final = (tables.permission_events, tables.suppressions)
_MODULUS: Final = 1 << 256
_PAGE: Final = 20_000


@dataclass(frozen=True, slots=True)
class SealVerdict:
    """What `verify_seals` found in one table.

    Attributes:
        table: its name.
        rows: rows that stand.
        sealed: rows that the chain knows.
        is_whole: they are the same.
    """

    table: str
    rows: int
    sealed: int
    is_whole: bool


def insert_sealed(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]], *, at: datetime) -> int:
    """Write rows whose key the table does not have, and seal them; returns how many they were.

    Args:
        connection: inside a write transaction.
        table: one of `SEALED`.
        rows: every column of each but those that may be null.
        at: naive UTC.
    """
    if not rows:
        return 0
    (key,) = table.primary_key.columns
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
    statement = insert.on_conflict_do_nothing(index_elements=[key]).returning(*table.columns)
    blank = {column.name: None for column in table.columns if column.server_default is None}
    new = list(connection.execute(statement, [blank | row for row in rows]))
    _seal(connection, table.name, map(tuple, new), at)
    return len(new)


def insert_sealed_rows(connection: sa.Connection, table: sa.Table, rows: pa.Table, *, at: datetime) -> int:
    """The same for many rows.

    Args:
        connection: inside a write transaction.
        table: one of `SEALED`.
        rows: every column of the table, in its order.
        at: naive UTC.
    """
    (key,) = table.primary_key.columns
    known = pa.array(connection.execute(sa.select(key)).scalars().all(), pa.string())
    new = rows.filter(pc.invert(pc.is_in(rows[key.name], value_set=known)))
    if not new.num_rows:
        return 0
    count = insert_rows(connection, table=table.name, rows=new, skip_existing=False)
    columns = new.select(table.columns.keys()).to_batches(max_chunksize=_PAGE)
    _seal(connection, table.name, (row for batch in columns for row in _rows(batch)), at)
    return count


def seal_everything(connection: sa.Connection, *, at: datetime) -> None:
    """Seal the rows of a ledger that was written before there were seals."""
    for table in SEALED:
        _seal(connection, table.name, map(tuple, connection.execute(sa.select(table))), at)


def verify_seals(connection: sa.Connection) -> tuple[SealVerdict, ...]:
    """Compare every row with what the chain knows of it; the chain itself is `verify_chain`'s."""
    found = []
    for table in SEALED:
        entries: Iterable[str] = connection.execute(
            sa.select(tables.audit.c.payload).where(tables.audit.c.kind == KIND, tables.audit.c.subject == table.name)
        ).scalars()
        sealed = [json.loads(payload) for payload in entries]
        rows = connection.execution_options(yield_per=_PAGE).execute(sa.select(table))
        count, total = _sum(map(tuple, rows))
        known = sum(int(one["rows"]) for one in sealed)
        is_whole = count == known and total == sum(int(one["sum"], 16) for one in sealed) % _MODULUS
        found.append(SealVerdict(table.name, count, known, is_whole))
    return tuple(found)


def _seal(connection: sa.Connection, name: str, rows: Iterable[Sequence[Any]], at: datetime) -> None:
    count, total = _sum(rows)
    if count:
        append_audit(connection, [AuditEntry(KIND, name, {"rows": count, "sum": f"{total:064x}"})], at=at)


def _sum(rows: Iterable[Sequence[Any]]) -> tuple[int, int]:
    count = total = 0
    for row in rows:
        content = json.dumps(row, default=_as_text, ensure_ascii=False).encode("utf-8", "surrogatepass")
        total += int.from_bytes(hashlib.sha256(content).digest())
        count += 1
    return count, total % _MODULUS


def _as_text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _rows(batch: pa.RecordBatch) -> Iterable[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)
