"""Dates: the format of every column is declared or proven from all its values, never guessed.

Unambiguous shapes (ISO 8601, epoch seconds or milliseconds, year first, month by name) need no proof. Day and month as
numbers do: a day above 12 somewhere in the column proves the order; both orders or no proof is an error that asks for a
declaration. Times become naive UTC; one without an offset needs the source's zone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import duckdb

from contracts.errors import BadInputError
from pipelines.ingest.reading import quoted, text

_STRAY_SHARE: Final = 0.01  # up to this share, dates of an unproven shape are bad values, not the column's format
EARLIEST: Final = "1990-01-01"  # an older stamp is a default of some system, not an event of a lead

_TIME: Final = r"(?:[ T]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)"
_OFFSET: Final = r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))"
_ISO: Final = rf"\d{{4}}-\d{{1,2}}-\d{{1,2}}(?:{_TIME}{_OFFSET}?)?"
_YEAR_FIRST: Final = rf"\d{{4}}[/.]\d{{1,2}}[/.]\d{{1,2}}{_TIME}?"
_PARTS: Final = r"(\d{1,2})[/.-](\d{1,2})[/.-]\d{4}(?:,? +\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp][Mm])?)?"
_SHORT_YEAR: Final = r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2}(?:[ ,].*)?"
_NAMED: Final = r".*[A-Za-z]{3,}.*"
_OTHER_SHAPES: Final = {
    "is_offset": _ISO,
    "is_year_first": _YEAR_FIRST,
    "is_epoch": r"\d{9,10}|\d{12,13}",
    "is_numeric": _PARTS,
    "is_short": _SHORT_YEAR,
    "is_named": _NAMED,
}
# Usual notations as LIKE patterns; what fits one and is a time needs no regular expression.
_PLAIN_OUTLINES: Final = ("____-__-__ __:__", "____-__-__ __:__:__", "____-__-__T__:__:__", "____-__-__")
_UTC_OUTLINES: Final = ("____-__-__T__:__:__Z", "____-__-__T__:__:__.___Z", "____-__-__T__:__:__.___+0000")
_CLOCKS: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p")
_NAMED_DAYS: Final = ("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%d-%b-%Y", "%a %d %b %Y")


class Order(StrEnum):
    """How the numbers of a date follow each other."""

    NONE = "none"
    DAY_FIRST = "day_first"
    MONTH_FIRST = "month_first"
    AMBIGUOUS = "ambiguous"
    CONTRADICTORY = "contradictory"


@dataclass(frozen=True)
class DateProfile:
    """Counts over all filled values of one column."""

    filled: int
    plain_iso: int
    iso_offset: int
    year_first: int
    epoch: int
    numeric: int
    day_first_proofs: int
    month_first_proofs: int
    short_year: int
    named: int

    @property
    def order(self) -> Order:
        """Order of day and month that the column proves."""
        if not self.numeric:
            return Order.NONE
        if self.day_first_proofs and self.month_first_proofs:
            return Order.CONTRADICTORY
        if self.day_first_proofs:
            return Order.DAY_FIRST
        return Order.MONTH_FIRST if self.month_first_proofs else Order.AMBIGUOUS

    @property
    def reads_numeric(self) -> bool:
        """Whether day and month as numbers are a format of the column, not stray values that stay unread."""
        is_proven = self.order in (Order.DAY_FIRST, Order.MONTH_FIRST)
        return is_proven or self.numeric > _STRAY_SHARE * self.filled

    @property
    def has_naive(self) -> bool:
        """Whether any value carries neither offset nor epoch."""
        return bool(self.plain_iso or self.year_first or self.numeric or self.named)


@dataclass(frozen=True)
class DateReading:
    """How one column is read: `sql` turns its text into a naive UTC timestamp, null where a value does not fit."""

    column: str
    sql: str
    how: str


def profile_dates(connection: duckdb.DuckDBPyConnection, relation: str, column: str) -> DateProfile:
    """Look at every value of a text column of a relation (table name or parenthesised query)."""
    name = quoted(column)
    plain = rf"regexp_full_match(v, '\d{{4}}-\d{{1,2}}-\d{{1,2}}{_TIME}?')"
    # One pass: the usual notations by their outline, plain ISO by one expression, and the others only for the rest.
    others = ", ".join(
        f"case when shape is null then regexp_full_match(v, {text(pattern)}) end as {flag}"
        for flag, pattern in _OTHER_SHAPES.items()
    )
    row = connection.execute(
        f"""
        with filled as (select {name} as v from {relation} where {name} is not null),
        outlined as (select v, {_outline("v")} as outline from filled),
        flagged as (
            select v, case when outline is not null then outline when {plain} then 'plain' end as shape from outlined
        ),
        other as (select v, shape, {others} from flagged),
        parts as (
            select *,
                   case when is_numeric then try_cast(regexp_extract(v, {text(_PARTS)}, 1) as integer) end as a,
                   case when is_numeric then try_cast(regexp_extract(v, {text(_PARTS)}, 2) as integer) end as b
            from other
        )
        select count(*), count(*) filter (shape = 'plain'), count(*) filter (shape = 'offset' or is_offset),
               count(*) filter (is_year_first), count(*) filter (is_epoch),
               count(*) filter (is_numeric),
               count(*) filter (is_numeric and a > 12 and a <= 31 and b between 1 and 12),
               count(*) filter (is_numeric and b > 12 and b <= 31 and a between 1 and 12),
               count(*) filter (is_short and not is_numeric),
               count(*) filter (is_named and not is_offset and not is_numeric and not is_short)
        from parts
        """
    ).fetchone()
    if row is None:
        raise AssertionError("an aggregate has one row")
    return DateProfile(*(int(value) for value in row))


def read_dates(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    columns: tuple[str, ...],
    *,
    declared: Mapping[str, str],
    time_zone: str | None,
    where: str,
) -> dict[str, DateReading]:
    """Decide for each text column how its dates are read.

    Args:
        connection: DuckDB connection that sees `relation`.
        relation: table name or parenthesised query with the columns as text, blanks as null.
        columns: timestamp columns.
        declared: DuckDB strptime formats by column, `*` for all.
        time_zone: zone of values without an offset.
        where: file, for errors.

    Raises:
        BadInputError: an order of day and month is neither declared nor proven, or naive times have no zone.
    """
    return {
        column: _read_column(
            connection,
            relation,
            column,
            declared=declared.get(column, declared.get("*")),
            time_zone=time_zone,
            where=where,
        )
        for column in columns
    }


def _read_column(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    column: str,
    *,
    declared: str | None,
    time_zone: str | None,
    where: str,
) -> DateReading:
    profile = profile_dates(connection, relation, column)
    name = quoted(column)
    if declared is not None:
        _check_format(connection, declared, where)
        has_offset = "%z" in declared
        is_naive = not has_offset or bool(profile.plain_iso)
        zone = _zone(is_naive and profile.filled > 0, time_zone, column, where)
        parsed = f"try_strptime({name}, {text(declared)})"
        own = f"timezone('UTC', {parsed})" if has_offset else _to_utc(parsed, zone)
        fallback = _unambiguous(name, profile, zone) if _has_unambiguous(profile) else "null"
        return DateReading(column, f"coalesce({own}, {fallback})", f"declared {declared}")
    _check_order(profile, column, where)
    zone = _zone(profile.has_naive, time_zone, column, where)
    parts = [_unambiguous(name, profile, zone)] if _has_unambiguous(profile) or not profile.reads_numeric else []
    if profile.reads_numeric:
        parts.append(_to_utc(_numeric(name, profile.order), zone))
    how = profile.order.value if profile.reads_numeric else "iso"
    sql = parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})"
    return DateReading(column, sql, how)


def _check_order(profile: DateProfile, column: str, where: str) -> None:
    remedy = (
        f'Declare it in sources.yml, for example `date_format: {{<object>.{column}: "%d/%m/%Y"}}` '
        "when the day comes first."
    )
    if profile.order is Order.AMBIGUOUS and profile.reads_numeric:
        raise BadInputError(
            f"The dates of '{column}' may be day first or month first: no day above 12 proves the order.",
            where=where,
            remedy=remedy,
        )
    if profile.order is Order.CONTRADICTORY and profile.reads_numeric:
        raise BadInputError(
            f"The dates of '{column}' mix both orders: {profile.day_first_proofs:,} are day first, "
            f"{profile.month_first_proofs:,} month first.",
            where=where,
            remedy=remedy,
        )
    if profile.short_year > _STRAY_SHARE * profile.filled:
        raise BadInputError(
            f"{profile.short_year:,} dates of '{column}' have years of two digits, whose order cannot be proven.",
            where=where,
            remedy=remedy.replace("%Y", "%y"),
        )


def _zone(is_needed: bool, time_zone: str | None, column: str, where: str) -> str:
    if time_zone is None and is_needed:
        raise BadInputError(
            f"The times of '{column}' carry no offset and the source declares no zone.",
            where=where,
            remedy="Set `time_zone` of the source in sources.yml, for example UTC.",
        )
    return time_zone or "UTC"


def _check_format(connection: duckdb.DuckDBPyConnection, declared: str, where: str) -> None:
    try:
        connection.execute(f"select try_strptime('x', {text(declared)})").fetchall()
    except duckdb.Error as error:
        raise BadInputError(
            f"The declared date format '{declared}' is none that DuckDB's strptime knows.",
            where=where,
            remedy="Write it with %d, %m, %Y, %H, %M, %S.",
        ) from error


def _has_unambiguous(profile: DateProfile) -> bool:
    return bool(profile.plain_iso or profile.iso_offset or profile.year_first or profile.epoch or profile.named)


def _to_utc(sql: str, zone: str) -> str:
    """Naive local timestamp as naive UTC."""
    return sql if zone == "UTC" else f"timezone('UTC', timezone({text(zone)}, {sql}))"


def _unambiguous(name: str, profile: DateProfile, zone: str) -> str:
    """Shapes that need no proof; only those that occur are tried."""
    choices = []
    dotted = f"case when contains({name}, ',') then replace({name}, ',', '.') else {name} end"
    plain = f"case when {name} like '____-%' then try_cast({dotted} as timestamp) end"
    if profile.plain_iso or not _has_unambiguous(profile):
        naive = "true"
        if profile.iso_offset:
            naive = (
                f"case when {_outline(name)} is not null then {_outline(name)} = 'plain' "
                f"else regexp_full_match({name}, {text(_ISO)}) and not {_has_offset(name)} end"
            )
        choices.append(f"case when {naive} then {_to_utc(plain, zone)} end")
    if profile.iso_offset:
        zulu = f"regexp_replace({name}, ' ?(UTC|GMT|Z)$', '+00:00')"
        tidy = f"regexp_replace({zulu}, ' ?([+-]\\d\\d):?(\\d\\d)$', '\\1:\\2')"
        choices.append(
            f"case when {_fits(name, _UTC_OUTLINES)} then try_cast({name} as timestamp) "
            f"when {_has_offset(name)} then timezone('UTC', try_cast({tidy} as timestamptz)) end"
        )
    if profile.epoch:
        number = f"try_cast({name} as bigint)"
        choices.append(
            f"case when regexp_full_match({name}, '\\d{{12,13}}') then make_timestamp({number} * 1000) "
            f"when regexp_full_match({name}, '\\d{{9,10}}') then make_timestamp({number} * 1000000) end"
        )
    if profile.year_first:
        dashed = f"regexp_replace({name}, '^(\\d{{4}})[/.](\\d{{1,2}})[/.](\\d{{1,2}})', '\\1-\\2-\\3')"
        case = f"case when regexp_full_match({name}, {text(_YEAR_FIRST)}) then try_cast({dashed} as timestamp) end"
        choices.append(_to_utc(case, zone))
    if profile.named:
        formats = ", ".join(text(day + clock) for day, clock in itertools.product(_NAMED_DAYS, _CLOCKS))
        tidy = f"regexp_replace(replace({name}, ',', ' '), '\\s+', ' ', 'g')"
        choices.append(_to_utc(f"try_strptime({tidy}, [{formats}])", zone))
    return choices[0] if len(choices) == 1 else f"coalesce({', '.join(choices)})"


def _fits(name: str, outlines: tuple[str, ...]) -> str:
    """Whether a value has one of the outlines and is a time; the first digit keeps years before Christ out."""
    likes = " or ".join(f"{name} like {text(outline)}" for outline in outlines)
    return f"{name}[1] between '0' and '9' and ({likes}) and try_cast({name} as timestamp) is not null"


def _outline(name: str) -> str:
    """SQL: plain or offset where a usual notation says so at once, else null."""
    return f"case when {_fits(name, _PLAIN_OUTLINES)} then 'plain' when {_fits(name, _UTC_OUTLINES)} then 'offset' end"


def _has_offset(name: str) -> str:
    return f"regexp_matches({name}, ':\\d\\d(?:[.,]\\d+)?{_OFFSET}$')"


def _numeric(name: str, order: Order) -> str:
    """Timestamp from numbers in a proven order; separators are made alike first."""
    day = "%d/%m/%Y" if order is Order.DAY_FIRST else "%m/%d/%Y"
    formats = ", ".join(text(day + clock) for clock in (*_CLOCKS, " %H:%M:%S.%g"))
    tidy = (
        f"regexp_replace(regexp_replace({name}, '^(\\d{{1,2}})[/.-](\\d{{1,2}})[/.-](\\d{{4}})', '\\1/\\2/\\3'), "
        "',? +', ' ', 'g')"
    )
    return f"try_strptime({tidy}, [{formats}])"
