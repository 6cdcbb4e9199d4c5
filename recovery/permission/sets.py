"""Reading rows of the ledger whose column is in a set: one statement whatever the set's size, on both databases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson
import sqlalchemy as sa

_SQLITE: Final = "{column} in (select value from json_each(:{name}))"
_POSTGRES: Final = "{column} = any(cast(:{name} as text[]))"


def read_sets(
    connection: sa.Connection,
    table: sa.Table,
    sets: Mapping[str, Collection[str]],
    *,
    where: str = "",
    columns: tuple[str, ...] = (),
    moments: Mapping[str, datetime] | None = None,
) -> list[Any]:
    """Rows of a table that are in at least one of the sets, each once.

    Args:
        connection: inside a transaction.
        table: of the ledger.
        sets: values by column; each column must be indexed. Empty sets are left out.
        where: SQL that must hold as well; its parameters are `moments`.
        columns: what to read; empty = every column.
        moments: naive UTC, for the parameters of `where`.
    """
    named = {name: values for name, values in sets.items() if values}
    if not named:
        return []
    moments = moments or {}
    names = columns or tuple(column.name for column in table.columns)
    dialect = connection.dialect.name
    statement = _statement(dialect, table, tuple(named), where, names, tuple(moments))
    parameters: dict[str, Any] = {f"set_{name}": _listed(dialect, values) for name, values in named.items()}
    return list(connection.execute(statement, parameters | dict(moments)))


@lru_cache(maxsize=256)
def _statement(
    dialect: str,
    table: sa.Table,
    sets: tuple[str, ...],
    where: str,
    names: tuple[str, ...],
    moments: tuple[str, ...],
) -> sa.TextualSelect:
    form = _SQLITE if dialect == "sqlite" else _POSTGRES
    condition = f" and ({where})" if where else ""
    # A union, so that each part goes by its own index; it also drops rows that are in several sets.
    parts = (
        f"select {', '.join(names)} from {table.name} where {form.format(column=name, name=f'set_{name}')}{condition}"
        for name in sets
    )
    typed = [sa.bindparam(name, type_=sa.DateTime) for name in moments]
    return sa.text(" union ".join(parts)).bindparams(*typed).columns(*(table.c[name] for name in names))


def _listed(dialect: str, values: Collection[str]) -> object:
    return orjson.dumps(sorted(values)).decode() if dialect == "sqlite" else sorted(values)
