"""Whole tables between the ledger and Arrow, fast at millions of rows on both databases."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from itertools import islice
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import sqlalchemy as sa

_CHUNK: Final = 100_000

LINKS_SCHEMA: Final = pa.schema(
    [
        ("record_key", pa.string()),
        ("person_id", pa.string()),
        ("since", pa.timestamp("us")),
        ("why", pa.string()),
        ("as_of_date", pa.date32()),
    ]
)
ASSIGNMENTS_SCHEMA: Final = pa.schema(
    [
        ("assignment_id", pa.string()),
        ("batch_id", pa.string()),
        ("as_of_date", pa.date32()),
        ("person_id", pa.string()),
        ("account_id", pa.string()),
        ("sender_id", pa.string()),
        ("channel", pa.string()),
        ("playbook", pa.string()),
        ("step", pa.int32()),
        ("cycle", pa.int32()),
        ("arm", pa.string()),
        ("propensity", pa.float64()),
        ("rank", pa.int32()),
        ("policy_version", pa.string()),
        ("not_before", pa.timestamp("us")),
        ("expires_at", pa.timestamp("us")),
        ("content_sha256", pa.string()),
    ]
)
TOUCHES_SCHEMA: Final = pa.schema(
    [
        ("touch_id", pa.string()),
        ("batch_id", pa.string()),
        ("person_id", pa.string()),
        ("account_id", pa.string()),
        ("sender_id", pa.string()),
        ("channel", pa.string()),
        ("playbook", pa.string()),
        ("step", pa.int32()),
        ("cycle", pa.int32()),
        ("rank", pa.int32()),
        ("address_hash", pa.string()),
        ("content_sha256", pa.string()),
        ("idempotency_key", pa.string()),
        ("sink", pa.string()),
        ("state", pa.string()),
        ("reason", pa.string()),
        ("not_before", pa.timestamp("us")),
        ("expires_at", pa.timestamp("us")),
        ("retry_budget", pa.int32()),
        ("settled_at", pa.timestamp("us")),
    ]
)
CONTENTS_SCHEMA: Final = pa.schema(
    [
        ("kind", pa.string()),
        ("ref_id", pa.string()),
        ("person_id", pa.string()),
        ("address", pa.string()),
        ("subject", pa.string()),
        ("text", pa.string()),
        ("html", pa.string()),
        ("extra", pa.string()),
        ("created_at", pa.timestamp("us")),
    ]
)


def insert_rows(connection: sa.Connection, *, table: str, rows: pa.Table, skip_existing: bool) -> int:
    """Insert `rows` (cast to the table's schema) and return how many are new.

    Args:
        connection: inside a write transaction.
        table: name of a ledger table.
        rows: Arrow table whose columns are columns of `table`.
        skip_existing: leave rows whose key exists; else a clash raises `sqlalchemy.exc.IntegrityError`.
    """
    if connection.dialect.name == "postgresql":
        return _copy_in(connection, table, rows, skip_existing)
    before = _count(connection, table)
    verb = "insert or ignore" if skip_existing else "insert"
    marks = ", ".join("?" * rows.num_columns)
    statement = f"{verb} into {table} ({', '.join(rows.column_names)}) values ({marks})"
    tuples = _tuples(rows)
    while chunk := list(islice(tuples, _CHUNK)):
        connection.exec_driver_sql(statement, chunk)
    return _count(connection, table) - before


def _count(connection: sa.Connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"select count(*) from {table}").scalar_one())


def _tuples(rows: pa.Table) -> Iterator[tuple[Any, ...]]:
    for batch in rows.to_batches(max_chunksize=_CHUNK):
        yield from zip(*(_as_text(column).to_pylist() for column in batch.columns), strict=True)


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column.cast(pa.timestamp("us")), "%Y-%m-%d %H:%M:%S")
    if pa.types.is_date(column.type):
        return pc.strftime(column.cast(pa.timestamp("us")), "%Y-%m-%d")
    return column


def _copy_in(connection: sa.Connection, table: str, rows: pa.Table, skip_existing: bool) -> int:
    names = ", ".join(rows.column_names)
    cursor = connection.connection.cursor()
    try:
        cursor.execute(f"create temporary table incoming_rows (like {table} including defaults) on commit drop")
        with cursor.copy(f"copy incoming_rows ({names}) from stdin (format csv)") as sink:
            for batch in rows.to_batches(max_chunksize=_CHUNK):
                buffer = io.BytesIO()
                pv.write_csv(batch, buffer, pv.WriteOptions(include_header=False))
                sink.write(buffer.getvalue())
        clash = "on conflict do nothing" if skip_existing else ""
        # Through SQLAlchemy, so that a clash arrives as its IntegrityError.
        inserted = connection.exec_driver_sql(
            f"insert into {table} ({names}) select {names} from incoming_rows {clash}"
        ).rowcount
        connection.exec_driver_sql("drop table incoming_rows")
        return int(inserted)
    finally:
        cursor.close()


def read_rows(
    connection: sa.Connection,
    *,
    table: str,
    schema: pa.Schema,
    order: tuple[str, ...],
    where: str = "",
    values: Mapping[str, Any] | None = None,
) -> pa.Table:
    """Rows of a table in byte order of `order`, as Arrow with `schema`.

    Args:
        connection: inside a transaction.
        table: name of a ledger table.
        schema: columns to read and their types.
        order: columns that make the order total.
        where: SQL condition with named parameters, or empty.
        values: values of these parameters.
    """
    ordering = ", ".join(name + _byte_order(connection, schema, name) for name in order)
    condition = f"where {where}" if where else ""
    query = f"select {', '.join(schema.names)} from {table} {condition} order by {ordering}"
    if connection.dialect.name == "postgresql":
        return _copy_out(connection, query, values or {}, schema)
    return _fetch(connection, query, values or {}, schema)


def _fetch(connection: sa.Connection, query: str, values: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    # Past SQLAlchemy: its rows cost more than SQLite's.
    cursor = connection.connection.cursor()
    try:
        cursor.execute(query, dict(values))
        batches = []
        while chunk := cursor.fetchmany(_CHUNK):
            batches.append(_to_batch(chunk, schema))
    finally:
        cursor.close()
    return pa.Table.from_batches(batches, schema=schema)


def as_stored(value: object) -> object:
    """A moment or day as SQLite keeps it: text."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return value.isoformat() if isinstance(value, date) else value


def _byte_order(connection: sa.Connection, schema: pa.Schema, name: str) -> str:
    is_text = pa.types.is_string(schema.field(name).type)
    return ' collate "C"' if is_text and connection.dialect.name == "postgresql" else ""


def _to_batch(chunk: Any, schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*chunk, strict=True)
    return pa.RecordBatch.from_arrays(
        [_typed(list(values), field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )


def _typed(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return pa.array(values, pa.string()).cast(kind)
    if pa.types.is_boolean(kind):
        return pa.array([None if value is None else bool(value) for value in values], kind)
    return pa.array(values, kind)


def _copy_out(connection: sa.Connection, query: str, values: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    bound = query
    for name in values:
        bound = bound.replace(f":{name}", f"%({name})s")
    buffer = io.BytesIO()
    cursor = connection.connection.cursor()
    try:
        with cursor.copy(f"copy ({bound}) to stdout (format csv)", dict(values) or None) as source:
            for piece in source:
                buffer.write(piece)
    finally:
        cursor.close()
    if buffer.tell() == 0:
        return schema.empty_table()
    buffer.seek(0)
    return pv.read_csv(
        buffer,
        read_options=pv.ReadOptions(column_names=schema.names),
        parse_options=pv.ParseOptions(newlines_in_values=True),
        convert_options=pv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
