"""`python -m bench.bare`: the bare baseline, one plain script for the work of a first day.

The same CSV reader, normalisation, SQL, identity, fit, predict, contributions and reasons as the platform, without
Dagster, dbt, Great Expectations, Evidently, MLflow, landing, ledger, checks, published datasets,
plan, batch and report.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

import duckdb
import pyarrow as pa

from bench.bare_ingest import ingest
from bench.bare_model import score_everyone
from bench.compiled import LINKS, MODULUS_MARK, WAREHOUSE, Statement, read_statements
from contracts.settings import Settings
from pipelines.features.dates import sample_modulus
from pipelines.features.links import update_links
from recovery.access.activities import TOLD_SCHEMA
from recovery.ledger import ASSIGNMENTS_SCHEMA, LINKS_SCHEMA, Ledger
from recovery.ledger.feed import EVENTS_SCHEMA, SENT_SCHEMA

_SCHEMAS: Final = ("staging", "intermediate", "marts")


class Memory:
    """Person links of one run; what the ledger does without keeping anything."""

    def __init__(self) -> None:
        self._links = LINKS_SCHEMA.empty_table()

    def read_links(self) -> pa.Table:
        """All links."""
        return self._links

    def append_links(self, links: pa.Table) -> int:
        """Keep links; returns how many."""
        self._links = pa.concat_tables([self._links, links])
        return int(links.num_rows)


def run(state: Path, sources: Path, as_of: date, statements: list[Statement]) -> dict[str, Any]:
    """Do the work of a day; returns seconds by stage and counts."""
    settings = Settings()
    state.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    limits = {
        "memory_limit": settings.duckdb_memory,
        "threads": str(settings.duckdb_threads),
        "temp_directory": str(state / "spill"),
        "preserve_insertion_order": "false",
    }
    connection = duckdb.connect(str(state / WAREHOUSE), config=cast("dict[str, Any]", limits))
    try:
        connection.execute("set timezone = 'UTC'")
        with timed(seconds, "ingest"):
            memory, threads = settings.duckdb_memory, settings.duckdb_threads
            rows = ingest(connection, sources, state / "csv", memory=memory, threads=threads)
        with timed(seconds, "features"):
            build(connection, statements, as_of, settings)
        with timed(seconds, "model"):
            scored = score_everyone(connection, as_of, settings, state / "scores.parquet")
    finally:
        connection.close()
    return {"seconds": seconds, "facts": {"scored": scored, "rows_in": rows}}


def build(connection: duckdb.DuckDBPyConnection, statements: list[Statement], as_of: date, settings: Settings) -> None:
    """Run the compiled SQL, and link people to records where its turn comes."""
    for schema in _SCHEMAS:
        connection.execute(f"create schema if not exists {schema}")
    ledger = {
        "assignments": ASSIGNMENTS_SCHEMA, "told_activities": TOLD_SCHEMA, "touches": SENT_SCHEMA,
        "events": EVENTS_SCHEMA,
    }  # fmt: skip
    for name, schema in ledger.items():
        connection.register("nothing", schema.empty_table())
        connection.execute(f"create or replace table raw.ledger__{name} as select * from nothing")
    connection.execute("set preserve_insertion_order = false")
    modulus = 1
    for statement in statements:
        if statement.relation == LINKS:
            people = update_links(connection, cast("Ledger", Memory()), as_of=as_of).people
            modulus = sample_modulus(
                people=people, weeks=settings.training_weeks, limit=settings.max_training_snapshots
            )
            continue
        sql = statement.sql.replace(MODULUS_MARK, str(modulus))
        connection.execute(f"create or replace {statement.kind} {statement.relation} as {sql}")


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note the wall seconds of a block."""
    started = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - started, 3)


def main() -> int:
    """Command line; writes what was done as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    parser.add_argument("--sql", type=Path, required=True)
    given = parser.parse_args()
    found = run(given.state, given.sources, given.as_of, read_statements(given.sql))
    sys.stdout.write("\n" + json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
