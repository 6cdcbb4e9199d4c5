"""Plain SQL for the few statements that run for every group: the same text on both databases, without per-row cost.

SQLAlchemy's own `executemany` costs about 30 us a row here, more than the row costs the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

# As SQLAlchemy stores a moment; SQLite's own default leaves out microseconds of zero and would not compare.
sqlite3.register_adapter(datetime, lambda moment: moment.isoformat(sep=" ", timespec="microseconds"))


def run(connection: sa.Connection, sql: str, values: Sequence[Any] = ()) -> sa.CursorResult[*tuple[Any, ...]]:
    """Run a statement with `?` marks; moments are naive UTC."""
    return connection.exec_driver_sql(_for(connection, sql), tuple(values))


def run_many(connection: sa.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Run a statement once per row; returns the rows that it changed."""
    if not rows:
        return 0
    return int(connection.exec_driver_sql(_for(connection, sql), list(rows)).rowcount)


def _for(connection: sa.Connection, sql: str) -> str:
    return sql if connection.dialect.name == "sqlite" else _marked(sql)


@lru_cache(maxsize=64)
def _marked(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")
