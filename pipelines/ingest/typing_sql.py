"""SQL that turns the text of one column into its type, by kind; null where a value does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from contracts.words import ActivityKind, Actor, Arm, Basis, Crm, Direction, RejectReason, SuppressionReason
from pipelines.ingest.aliases import Kind
from pipelines.ingest.places import currencies
from pipelines.ingest.reading import quoted, text

RAW_TYPES: Final[Mapping[Kind, str]] = {
    Kind.TIMESTAMP: "timestamp",
    Kind.BOOL: "boolean",
    Kind.INTEGER: "bigint",
    Kind.NUMBER: "double",
    Kind.MONEY: "decimal(18,2)",
    Kind.ID_LIST: "varchar[]",
}

REASONS: Final[Mapping[Kind, RejectReason]] = {
    Kind.TIMESTAMP: RejectReason.BAD_TIMESTAMP,
    Kind.BOOL: RejectReason.BAD_BOOLEAN,
    Kind.INTEGER: RejectReason.BAD_NUMBER,
    Kind.NUMBER: RejectReason.BAD_NUMBER,
    Kind.MONEY: RejectReason.BAD_NUMBER,
    Kind.CURRENCY: RejectReason.BAD_CURRENCY,
    Kind.EMAIL: RejectReason.BAD_EMAIL,
    Kind.PHONE: RejectReason.BAD_PHONE,
    Kind.COUNTRY: RejectReason.BAD_COUNTRY,
    Kind.TIMEZONE: RejectReason.BAD_TIME_ZONE,
    Kind.DOMAIN: RejectReason.BAD_VALUE,
    Kind.JSON: RejectReason.BAD_VALUE,
    Kind.ID: RejectReason.BAD_VALUE,
}

# Columns of mapped files with a closed set of values.
CLOSED_SETS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("mapped__activities", "kind"): tuple(ActivityKind),
    ("mapped__activities", "direction"): tuple(Direction),
    ("mapped__activities", "actor"): tuple(Actor),
    ("mapped__permissions", "channel"): ("email", "sms", "call", "all"),
    ("mapped__permissions", "basis"): (*Basis, *SuppressionReason),
    ("mapped__outcomes", "level"): ("1", "2", "3", "4"),
    ("mapped__assignments", "arm"): tuple(Arm),
    ("mapped__assignments", "crm"): tuple(Crm),
}

# Columns whose times may lie ahead of the export: meetings, due dates, expected closes.
MAY_BE_AHEAD: Final = frozenset(["starts_at", "due_date", "closed_at", "expires_at", "next_activity_at"])
MAY_BE_AHEAD_IN: Final = frozenset([("hubspot__activities", "occurred_at")])

# A permission field that cannot be read counts as a refusal; it is reported all the same.
FAIL_CLOSED: Final = frozenset(["is_opted_out_email", "is_do_not_call", "is_dnd"])

_TRUE: Final = ("true", "yes", "y", "t", "1", "1.0", "x", "on", "checked", "ja", "oui", "si")
_FALSE: Final = ("false", "no", "n", "f", "0", "0.0", "off", "unchecked", "nein", "non")
_EMPTY: Final = ("null", "nan", "none", "n/a", "#n/a", "nil")
_FREE: Final = (Kind.TEXT, Kind.LONG_TEXT, Kind.ID, Kind.URL)
_BLANKS: Final = "' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(8203) || chr(65279)"


def raw_type(kind: Kind) -> str:
    """DuckDB type of a raw column."""
    return RAW_TYPES.get(kind, "varchar")


def filled_text(expression: str, kind: Kind) -> str:
    """Trimmed text, null when blank; for kinds that are no free text also when it says that there is nothing.

    Trimming costs more than all else that happens to a value, so one that begins and ends in print is left alone.
    """
    is_tidy = f"ascii({expression}) between 33 and 126 and ascii({expression}[-1]) between 33 and 126"
    trimmed = f"nullif(trim({expression}, {_BLANKS}), '')"
    if kind in _FREE:
        return f"case when {is_tidy} then {expression} else {trimmed} end"
    words = ", ".join(text(word) for word in _EMPTY)
    longest = max(map(len, _EMPTY))
    return (
        f"case when {is_tidy} and strlen({expression}) > {longest} then {expression} "
        f"when lower(trim({expression})) in ({words}) then null else {trimmed} end"
    )


def typed(name: str, kind: Kind, *, table: str) -> str:
    """SQL of the typed value of the text column `name` for kinds that need no look-up."""
    column = quoted(name)
    if (table, name) in CLOSED_SETS:
        values = ", ".join(text(str(value)) for value in CLOSED_SETS[(table, name)])
        return f"try_cast(case when lower({column}) in ({values}) then lower({column}) end as {raw_type(kind)})"
    match kind:
        case Kind.ID:
            return _identifier(column)
        case Kind.BOOL:
            return _boolean(column)
        case Kind.INTEGER:
            return _integer(column)
        case Kind.NUMBER:
            return f"try_cast({_plain_number(column)} as double)"
        case Kind.MONEY:
            return f"try_cast({_plain_number(column)} as decimal(18,2))"
        case Kind.CURRENCY:
            codes = ", ".join(text(code) for code in currencies())
            return f"case when upper({column}) in ({codes}) then upper({column}) end"
        case Kind.JSON:
            return f"case when json_valid({column}) then {column} end"
        case Kind.ID_LIST:
            parts = f"regexp_split_to_array({column}, '[;,|\\s]+')"
            return f"list_filter(list_transform({parts}, lambda v: split_part(v, ':', 1)), lambda v: v <> '')"
        case _:
            return column


def _identifier(column: str) -> str:
    """Ids that a spreadsheet made a number lose `.0`; those it made 1.23E+11 are lost and count as unreadable."""
    return (
        f"case when regexp_full_match({column}, '\\d+\\.0') then {column}[:-3] "
        f"when regexp_full_match({column}, '\\d(?:[.,]\\d+)?E\\+\\d+') then null else {column} end"
    )


def _boolean(column: str) -> str:
    true, false = (", ".join(text(word) for word in words) for words in (_TRUE, _FALSE))
    return f"case when lower({column}) in ({true}) then true when lower({column}) in ({false}) then false end"


def _plain_number(column: str) -> str:
    """Number text without currency signs and thousands separators; a lone comma before two digits is a decimal one."""
    bare = f"regexp_replace({column}, '[^0-9,.()eE+-]', '', 'g')"
    return (
        f"case when regexp_full_match({bare}, '[+-]?\\d+(?:\\.\\d*)?(?:[eE][+-]?\\d+)?') then {bare} "
        f"when regexp_full_match({bare}, '[+-]?\\d{{1,3}}(?:,\\d{{3}})+(?:\\.\\d*)?') then replace({bare}, ',', '') "
        f"when regexp_full_match({bare}, '[+-]?\\d{{1,3}}(?:\\.\\d{{3}})+,\\d*') "
        f"then replace(replace({bare}, '.', ''), ',', '.') "
        f"when regexp_full_match({bare}, '[+-]?\\d+,\\d{{1,2}}') then replace({bare}, ',', '.') "
        f"when regexp_full_match({bare}, '\\(\\d[\\d,]*(?:\\.\\d*)?\\)') "
        f"then '-' || regexp_replace({bare}, '[(),]', '', 'g') end"
    )


def _integer(column: str) -> str:
    """Whole number; of a range such as 51-200 or 5,000+ the lower end."""
    low = f"regexp_extract(replace({column}, ',', ''), '^(\\d+) ?(?:\\+|[-–] ?\\d+)$', 1)"
    return f"coalesce(try_cast(nullif({low}, '') as bigint), try_cast({_plain_number(column)} as bigint))"
