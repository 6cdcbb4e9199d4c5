"""What the last run of a dbt step was made from and how it ended, so that an unchanged step is not repeated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import duckdb

from pipelines.features.project import NodeResult
from pipelines.warehouse import Warehouse

_TABLE = "intermediate.step_states"


@dataclass(frozen=True)
class StepOutcome:
    """Results of one dbt selection and the rows of its tables.

    Attributes:
        nodes: what became of each node.
        rows: row count by `schema.table`, for tables.
        is_reused: nothing had changed since the step last ran.
    """

    nodes: tuple[NodeResult, ...]
    rows: dict[str, int]
    is_reused: bool = False


def read_outcome(
    connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, *, step: str, fingerprint: str
) -> StepOutcome | None:
    """Outcome of the last run of a step when it was made from the same fingerprint and all its tables are there."""
    if not warehouse.exists(connection, _TABLE):
        return None
    row = connection.execute(
        f"select nodes, row_counts from {_TABLE} where step = ? and fingerprint = ?", [step, fingerprint]
    ).fetchone()
    if row is None:
        return None
    rows = {str(name): int(count) for name, count in json.loads(row[1]).items()}
    if not all(warehouse.exists(connection, name) for name in rows):
        return None
    return StepOutcome(tuple(NodeResult(**one) for one in json.loads(row[0])), rows, is_reused=True)


def fingerprint_of(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, *, step: str) -> str | None:
    """What a step was last made from; None when it never ended well."""
    if not warehouse.exists(connection, _TABLE):
        return None
    row = connection.execute(f"select fingerprint from {_TABLE} where step = ?", [step]).fetchone()
    return str(row[0]) if row else None


def forget_outcome(connection: duckdb.DuckDBPyConnection, *, step: str) -> None:
    """Drop what is known of a step, before it runs."""
    connection.execute("create schema if not exists intermediate")
    connection.execute(
        f"create table if not exists {_TABLE} "
        "(step varchar primary key, fingerprint varchar, nodes varchar, row_counts varchar)"
    )
    connection.execute(f"delete from {_TABLE} where step = ?", [step])


def write_outcome(connection: duckdb.DuckDBPyConnection, outcome: StepOutcome, *, step: str, fingerprint: str) -> None:
    """Store the outcome of a step."""
    nodes = json.dumps([asdict(node) | {"seconds": 0.0} for node in outcome.nodes], sort_keys=True)
    connection.execute(
        f"insert or replace into {_TABLE} values (?, ?, ?, ?)",
        [step, fingerprint, nodes, json.dumps(outcome.rows, sort_keys=True)],
    )


def count_rows(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> dict[str, int]:
    """Rows by `schema.table`; views are left out, their count would run them."""
    counts: dict[str, int] = {}
    for name in tables:
        schema, table = name.split(".")
        found = connection.execute(
            "select table_type from information_schema.tables where table_schema = ? and table_name = ?",
            [schema, table],
        ).fetchone()
        if found and found[0] == "BASE TABLE":
            row = connection.execute(f"select count(*) from {name}").fetchone()
            counts[name] = int(row[0]) if row else 0
    return counts
