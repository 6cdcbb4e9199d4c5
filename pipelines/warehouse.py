"""The warehouse: one DuckDB file, opened for one block of work and closed again. Only pipelines open it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from contracts.errors import BusyError

_OPEN_SECONDS = 60.0
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Warehouse:
    """Where the file is and what it may use.

    Args:
        path: DuckDB file; its folder is made when missing.
        memory: DuckDB memory limit, such as "6GB".
        threads: DuckDB threads.
    """

    path: Path
    memory: str = "6GB"
    threads: int = 2

    @contextmanager
    def open(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Connect, yield and close, also on error. Waits up to 60 s for another process to let go.

        Raises:
            BusyError: the file stays locked.
        """
        connection = self._connect(read_only=read_only)
        try:
            yield connection
        finally:
            connection.close()

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        spill = self.path.parent / "spill"
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self.memory,
            "threads": str(self.threads),
            "temp_directory": str(spill),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        waited = 0.0
        while True:
            try:
                connection = duckdb.connect(str(self.path), read_only=read_only, config=config)
                connection.execute("set timezone = 'UTC'")
                return connection
            except duckdb.IOException as error:
                if "lock" not in str(error).lower():
                    raise
                if waited >= _OPEN_SECONDS:
                    raise BusyError(
                        "The warehouse is open in another process.",
                        where=str(self.path),
                        remedy="Close the notebook or run that holds it, then run again; `recovery doctor` names it.",
                    ) from error
            time.sleep(_PAUSE_SECONDS)
            waited += _PAUSE_SECONDS

    def exists(self, connection: duckdb.DuckDBPyConnection, table: str) -> bool:
        """Whether `schema.name` exists as a table or view."""
        schema, name = table.split(".")
        row = connection.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            [schema, name],
        ).fetchone()
        return row is not None

    def replace_partition(
        self, connection: duckdb.DuckDBPyConnection, *, table: str, rows: pa.Table, as_of: date
    ) -> int:
        """Replace the rows of one as-of date in `schema.name` in one transaction; returns the rows written.

        The table is created from `rows` when missing and recreated when its columns changed. `rows` carries the
        column `as_of_date`.
        """
        schema, name = table.split(".")
        connection.register("incoming_rows", rows)
        try:
            connection.execute("begin")
            connection.execute(f"create schema if not exists {schema}")
            if self.exists(connection, table) and _columns(connection, table) != rows.column_names:
                connection.execute(f"drop table {schema}.{name}")
            connection.execute(f"create table if not exists {table} as select * from incoming_rows limit 0")
            connection.execute(f"delete from {table} where as_of_date = ?", [as_of])
            connection.execute(f"insert into {table} select * from incoming_rows")
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise
        finally:
            connection.unregister("incoming_rows")
        return int(rows.num_rows)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in connection.execute(f"select * from {table} limit 0").description or []]
