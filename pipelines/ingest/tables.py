"""Schemas of the raw tables; all of them exist always, if empty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import duckdb

from contracts.words import Crm
from pipelines.ingest.aliases import Kind, ObjectSpec, alias_table
from pipelines.ingest.people import DERIVED
from pipelines.ingest.reading import quoted
from pipelines.ingest.typing_sql import raw_type

LINEAGE: Final = {
    "_source": "varchar",
    "_landing_id": "varchar",
    "_row_number": "bigint",
    "_exported_at": "timestamp",
}

LANDINGS: Final = {
    "landing_id": "varchar",
    "source": "varchar",
    "crm": "varchar",
    "object": "varchar",
    "market": "varchar",
    "file_name": "varchar",
    "file_sha256": "varchar",
    "exported_at": "timestamp",
    "mode": "varchar",
    "is_history": "boolean",
    "assumed_lag_hours": "integer",
    "encoding": "varchar",
    "delimiter": "varchar",
    "compression": "varchar",
    "rows_in": "bigint",
    "rows_loaded": "bigint",
    "rows_rejected": "bigint",
    "supersedes": "varchar",
    "is_superseded": "boolean",
    "has_opt_out_column": "boolean",
    "has_phone_opt_out_column": "boolean",
    "alias_version": "integer",
    "columns_unmapped": "varchar[]",
    "columns_missing": "varchar[]",
    "judge_fingerprint": "varchar",
    "newest_observed_at": "timestamp",
    "oldest_occurred_at": "timestamp",
}

_PROBLEM_ROWS: Final = {
    "landing_id": "varchar",
    "source": "varchar",
    "object": "varchar",
    "file_name": "varchar",
    "row_number": "bigint",
    "column_name": "varchar",
    "reason": "varchar",
}

# Tables about the ingest itself, beside those of the objects.
BOOKS: Final[dict[str, dict[str, str]]] = {
    "landings": LANDINGS,
    "rejects": _PROBLEM_ROWS,
    "field_issues": _PROBLEM_ROWS,
    "sources": {
        "source": "varchar",
        "crm": "varchar",
        "market": "varchar",
        "time_zone": "varchar",
        "sender_id": "varchar",
        "owner_id": "varchar",
        "team_id": "varchar",
        "declared_country": "varchar",
        "declared_by": "varchar",
        "declared_at": "date",
        "declaration_words": "varchar",
        "declared_basis": "varchar",
        "history_until": "date",
        "has_suppressions": "boolean",
        "assumed_lag_hours": "integer",
    },
    "coverage": {
        "source": "varchar",
        "object": "varchar",
        "column_name": "varchar",
        "rows": "bigint",
        "filled": "bigint",
    },
    "landing_coverage": {
        "landing_id": "varchar",
        "column_name": "varchar",
        "rows": "bigint",
        "filled": "bigint",
    },
    "validations": {
        "landing_id": "varchar",
        "expectation": "varchar",
        "column_name": "varchar",
        "is_met": "boolean",
        "checked": "bigint",
        "unexpected": "bigint",
    },
    "refused_landings": {
        "landing_id": "varchar",
        "source": "varchar",
        "crm": "varchar",
        "object": "varchar",
        "file_name": "varchar",
        "judge_fingerprint": "varchar",
        "what": "varchar",
        "place": "varchar",
        "remedy": "varchar",
        "rows_in": "bigint",
        "rows_rejected": "bigint",
    },
    "problems": {
        "source": "varchar",
        "crm": "varchar",
        "object": "varchar",
        "what": "varchar",
        "place": "varchar",
        "remedy": "varchar",
    },
    "findings": {"fingerprint": "varchar", "place": "integer", "content": "varchar"},
    "column_types": {
        "source": "varchar",
        "object": "varchar",
        "column_name": "varchar",
        "type": "varchar",
    },
}


def raw_columns(spec: ObjectSpec) -> dict[str, str]:
    """Columns of an object's raw table with their DuckDB types, in order."""
    columns = {name: raw_type(column.kind) for name, column in spec.columns.items()}
    columns |= {f"{name}_country": "varchar" for name in spec.of_kind(Kind.PHONE)}
    if spec.is_people:
        columns |= DERIVED
    return columns | LINEAGE


def object_tables(crms: Iterable[Crm]) -> dict[str, ObjectSpec]:
    """Raw table name -> object, for some CRMs."""
    return {spec.table: spec for crm in crms for spec in alias_table(crm).objects.values()}


def ensure_tables(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Make every raw table that is missing; one whose columns changed is made anew.

    Returns:
        Names of the tables that were made anew: what landed for them must be loaded again.
    """
    connection.execute("create schema if not exists raw")
    wanted = {name: raw_columns(spec) for name, spec in object_tables(Crm).items()} | BOOKS
    found: dict[str, list[tuple[str, str]]] = {}
    for name, column, kind in connection.execute(
        "select table_name, column_name, lower(data_type) from information_schema.columns "
        "where table_schema = 'raw' order by table_name, ordinal_position"
    ).fetchall():
        found.setdefault(name, []).append((column, kind))
    anew = []
    for name, columns in wanted.items():
        if name in found:
            if found[name] == list(columns.items()):
                continue
            connection.execute(f"drop table raw.{quoted(name)}")
        fields = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())
        connection.execute(f"create table raw.{quoted(name)} ({fields})")
        anew.append(name)
    return tuple(anew)
