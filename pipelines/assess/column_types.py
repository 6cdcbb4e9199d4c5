"""Types of the columns of a text table, from all its values: number, date or text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import duckdb

from contracts.errors import BadInputError
from pipelines.ingest.dates import read_dates
from pipelines.ingest.reading import quoted, text

Kind = Literal["number", "date", "text"]
NOTHING: Final = ("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", ".", "nil", "(null)", "\\n")
_SHARE: Final = 0.995  # of the filled values that must be numbers or dates
_AT_ONCE: Final = 60
_US: Final = r"[$€£]?\s?-?[$€£]?\d{1,3}(,\d{3})*(\.\d+)?\s?[%$€£]?|[$€£]?\s?-?\d+(\.\d+)?\s?[%$€£]"
_EU: Final = r"[€£$]?\s?-?\d{1,3}(\.\d{3})*(,\d+)?\s?[%€£$]?|[€£$]?\s?-?\d+(,\d+)?\s?[%€£$]?"
_DATE: Final = (
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T,].*)?|(?:[A-Za-z]{3,9},? )?\d{1,2}[- ][A-Za-z]{3,9}[- ,]+\d{4}.*"
    r"|[A-Za-z]{3,9} \d{1,2},? \d{4}.*"
)


@dataclass(frozen=True)
class ColumnType:
    """Type of a column and the SQL that makes it: DOUBLE, TIMESTAMP or trimmed text, null where there is nothing."""

    name: str
    kind: Kind
    sql: str
    note: str = ""


def find_types(connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]) -> dict[str, ColumnType]:
    """Type of every column, looked at over all rows.

    Args:
        connection: sees `relation`.
        relation: table with tidy text columns (see `tidy`).
        columns: their names.
    """
    found: dict[str, ColumnType] = {}
    for start in range(0, len(columns), _AT_ONCE):
        found |= _types(connection, relation, columns[start : start + _AT_ONCE])
    return found


def read_time(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, *, declared: str | None, where: str
) -> ColumnType:
    """How the time column is read: an order number or a date, in a declared or a proven format.

    Raises:
        BadInputError: it is neither, or the order of day and month is not proven.
    """
    name = quoted(column)
    known = find_types(connection, relation, [column])[column]
    if known.kind == "number" and declared is None:
        return known
    try:
        formats = {} if declared is None else {column: declared}
        reading = read_dates(connection, relation, (column,), declared=formats, time_zone="UTC", where=where)[column]
    except BadInputError as error:
        raise BadInputError(
            error.what, where=where, remedy='Declare it, for example --date-format "%d/%m/%Y" when the day comes first.'
        ) from error
    unread = _one(
        connection,
        f"select count(*) filter ({name} is not null and {reading.sql} is null), count({name}) from {relation}",
    )
    if unread[1] == 0 or unread[0] > 0.02 * unread[1]:
        sample = _one(connection, f"select any_value({name}) from {relation}")[0]
        raise BadInputError(
            f"The time column '{column}' is not a time: {unread[0]:,} of {unread[1]:,} values are no date "
            f"and no order number (one of them says {str(sample)[:40]!r})."
            if unread[1]
            else f"The time column '{column}' is empty.",
            where=where,
            remedy='Name another column, or declare its format with --date-format "%d/%m/%Y".',
        )
    return ColumnType(column, "date", reading.sql, f"dates of '{column}' read as {reading.how}")


def tidy(column: str) -> str:
    """SQL of the trimmed text of a raw column, null where it says nothing.

    One look-up in a list instead of a chain of comparisons: the memory of an expression counts for every column.
    """
    words = ", ".join(text(word) for word in NOTHING)
    name = f"trim({quoted(column)})"
    return f"case when list_contains([{words}], lower({name})) then null else {name} end as {quoted(column)}"


def _types(connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]) -> dict[str, ColumnType]:
    parts = []
    for column in columns:
        value = quoted(column)
        parts += [
            f"count({value})",
            f"count(try_cast({value} as double)) filter (isfinite(try_cast({value} as double)))",
            f"any_value({value})",
        ]
    row = _one(connection, f"select {', '.join(parts)} from {relation}")
    found: dict[str, ColumnType] = {}
    for place, column in enumerate(columns):
        count, numbers, sample = row[3 * place : 3 * place + 3]
        value = quoted(column)
        if count and numbers >= _SHARE * count:
            number = f"try_cast({value} as double)"
            found[column] = ColumnType(
                column, "number", f"(case when isfinite({number}) then {number} end)", _stray(column, count - numbers)
            )
        else:
            found[column] = _other(connection, relation, column, int(count), str(sample))
    return found


def _other(connection: duckdb.DuckDBPyConnection, relation: str, column: str, count: int, sample: str) -> ColumnType:
    value = quoted(column)
    plain = ColumnType(column, "text", value)
    if not count:
        return plain
    if any(sign.isdigit() for sign in sample):
        us, eu, dates = _one(
            connection,
            f"select count(*) filter (regexp_full_match(v, {text(_US)})), "
            f"count(*) filter (regexp_full_match(v, {text(_EU)})), "
            f"count(*) filter (regexp_full_match(v, {text(_DATE)})) "
            f"from (select {value} as v from {relation})",
        )
        strip = f"regexp_replace({value}, '[€£$%\\s]', '', 'g')"
        if us >= _SHARE * count:
            sql = f"try_cast(replace({strip}, ',', '') as double)"
            return ColumnType(column, "number", sql, f"'{column}' read as amounts with thousands separators or signs")
        if eu >= _SHARE * count:
            sql = f"try_cast(replace(replace({strip}, '.', ''), ',', '.') as double)"
            return ColumnType(column, "number", sql, f"'{column}' read as numbers with a decimal comma")
        if dates >= _SHARE * count:
            return _date(connection, relation, column)
    return plain


def _date(connection: duckdb.DuckDBPyConnection, relation: str, column: str) -> ColumnType:
    try:
        reading = read_dates(connection, relation, (column,), declared={}, time_zone="UTC", where=column)[column]
    except BadInputError as error:
        return ColumnType(column, "text", quoted(column), f"'{column}' kept as text: {error.what}")
    return ColumnType(column, "date", reading.sql)


def _stray(column: str, count: int) -> str:
    return f"{count:,} values of '{column}' are no numbers and count as missing" if count else ""


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    row = connection.execute(sql).fetchone()
    if row is None:
        raise AssertionError("an aggregate has one row")
    return row
