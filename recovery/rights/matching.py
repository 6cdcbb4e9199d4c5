"""Which rows and bytes belong to people who asked to be erased."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

# Stands where somebody's words stood.
ERASED: Final = "[erased]"
# So many patterns at a time; one expression over thousands would outgrow the matcher.
_CHUNK: Final = 200
_LEAST_DIGITS: Final = 7
_LEAST_SHARED: Final = 8
_LONGEST_PREFIX: Final = 3
_DIGITS: Final = re.compile(r"\D")


@dataclass(frozen=True, slots=True)
class Identifiers:
    """Everything by which some people are known; nothing of it is in the `repr`.

    Attributes:
        person_ids: of the ledger and the warehouse.
        records: (source, object) -> record ids in that source.
        emails: lower case.
        phones: digits alone, as they stand in any record.
        numbers: the same in E.164, as far as a country is known.
        names: full names and other words that name one person and stand in no other record.
        touch_ids: of the ledger.
        current_ids: those of `person_ids` under which records stand today; the others are former ones.
        shared: number of addresses that records of others hold too; they are in none of the sets above.
    """

    person_ids: frozenset[str] = frozenset()
    records: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict, repr=False)
    emails: frozenset[str] = field(default=frozenset(), repr=False)
    phones: frozenset[str] = field(default=frozenset(), repr=False)
    numbers: frozenset[str] = field(default=frozenset(), repr=False)
    names: frozenset[str] = field(default=frozenset(), repr=False)
    touch_ids: frozenset[str] = frozenset()
    current_ids: frozenset[str] = frozenset()
    shared: int = 0

    @property
    def main_id(self) -> str:
        """One id to write requests under; empty when an address belongs to no person."""
        return min(self.current_ids or self.person_ids, default="")

    def record_ids(self, source: str) -> frozenset[str]:
        """Record ids in a source, whatever their object."""
        return frozenset(one for (name, _), ids in self.records.items() if name == source for one in ids)

    @property
    def words(self) -> tuple[str, ...]:
        """Every text that must not stand anywhere afterwards."""
        phones = {form for phone in self.phones for form in (phone, f"+{phone}")}
        return tuple(sorted(self.emails | phones | self.names, key=len, reverse=True))


def cased(words: Iterable[str]) -> tuple[str, ...]:
    """Words in the cases that a search must spell out where it folds the letters of ASCII alone.

    >>> cased(["ann lee", "özil"])
    ('ann lee', 'özil', 'ÖZIL', 'Özil')
    """
    forms = (form for word in words for form in ((word,) if word.isascii() else (word, word.upper(), word.title())))
    return tuple(dict.fromkeys(forms))


def digits_of(text: str) -> str:
    """Digits of a phone number, or nothing when they are too few to be one."""
    digits = _DIGITS.sub("", text)
    return digits if len(digits) >= _LEAST_DIGITS else ""


def is_same_number(one: str, other: str) -> bool:
    """Whether digits are one number, with and without a country's or trunk prefix.

    >>> is_same_number("12125550100", "2125550100"), is_same_number("030123456", "4930123456")
    (True, True)
    """
    short, long = sorted((one.lstrip("0"), other.lstrip("0")), key=len)
    return len(short) >= _LEAST_SHARED and len(long) - len(short) <= _LONGEST_PREFIX and long.endswith(short)


@dataclass(frozen=True, slots=True)
class Roles:
    """What the columns of a landed file are.

    Attributes:
        own_id: column that identifies the row's person; None where rows are not people.
        person_ids: columns that name people by record id, alone or in lists.
    """

    own_id: str | None
    person_ids: tuple[str, ...] = ()


def rows_of_people(
    table: pa.Table, people: Identifiers, *, own: Iterable[str], all_ids: Iterable[str], roles: Roles
) -> Any:
    """Boolean mask: the row is a record of these people, names one by id, or holds their address or number.

    Args:
        table: text columns.
        people: who asked.
        own: record ids in this file's own object.
        all_ids: record ids in this source.
        roles: of the columns.
    """
    masks = [pa.array([False] * table.num_rows)] if table.num_rows else [pa.array([], pa.bool_())]
    if roles.own_id is not None:
        masks.append(_is_in(table[roles.own_id], own))
    masks += [_names(table[column], all_ids) for column in roles.person_ids]
    texts = [name for name, kind in zip(table.column_names, table.schema.types, strict=True) if _is_text(kind)]
    for column in texts:
        masks.append(_holds(table[column], people.emails | people.names))
        if people.phones:
            digits = pc.replace_substring_regex(_as_text(table[column]), r"[^0-9]", "")
            masks.append(_holds(digits, {phone.lstrip("0") for phone in people.phones}))
    return reduce(pc.or_, masks)


def blot(table: pa.Table, people: Identifiers, rows: Any) -> tuple[pa.Table, int]:
    """Replace these people's words by `[erased]` in the text of some rows, numbers in any notation.

    Args:
        table: of text columns.
        people: whose words.
        rows: boolean mask of the rows.

    Returns:
        The table, and in how many rows it differs.
    """
    if not pc.any(rows).as_py():
        return table, 0
    numbers = sorted({phone.lstrip("0") for phone in people.phones}, key=len, reverse=True)
    patterns = [re.escape(word) for word in sorted(people.emails | people.names)]
    patterns += [r"\+?" + "[^0-9a-zA-Z]*".join(one) for one in numbers]
    differs = pa.array([False] * table.num_rows)
    for at, (name, kind) in enumerate(zip(table.column_names, table.schema.types, strict=True)):
        if not _is_text(kind):
            continue
        column = text = table[name].cast(pa.string())
        for start in range(0, len(patterns), _CHUNK):
            text = pc.replace_substring_regex(text, "(?i)" + "|".join(patterns[start : start + _CHUNK]), ERASED)
        text = pc.if_else(rows, text, column)
        differs = pc.or_(differs, pc.fill_null(pc.not_equal(text, column), False))
        table = table.set_column(at, name, text.cast(kind))
    return table, pc.sum(differs).as_py() or 0


def rows_with_id(table: pa.Table, column: str, ids: Iterable[str]) -> Any:
    """Boolean mask: the column holds one of the ids."""
    return _is_in(table[column], ids)


def rows_by_person(table: pa.Table, people: Identifiers) -> Any:
    """Boolean mask for tables of our own: by person, touch, or address."""
    masks = [pa.array([False] * table.num_rows, pa.bool_())]
    for column, ids in (("person_id", people.person_ids), ("touch_id", people.touch_ids),
                        ("assignment_id", people.touch_ids)):  # fmt: skip
        if column in table.column_names:
            masks.append(_is_in(table[column], ids))
    for name, kind in zip(table.column_names, table.schema.types, strict=True):
        if _is_text(kind):
            masks.append(_holds(table[name], people.words))
    return reduce(pc.or_, masks)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _as_text(column: Any) -> Any:
    return pc.fill_null(column.cast(pa.string()), "")


def _is_in(column: Any, ids: Iterable[str]) -> Any:
    return pc.is_in(pc.utf8_trim_whitespace(_as_text(column)), value_set=pa.array(sorted(ids), pa.string()))


def _names(column: Any, ids: Iterable[str]) -> Any:
    """Whether a cell is one of the ids, or a list (`1;2`, `1,2`) that holds one."""
    return _matches(_as_text(column), [rf"(^|[;,|\s]){re.escape(one)}($|[;,|\s])" for one in sorted(ids)])


def _holds(column: Any, words: Iterable[str]) -> Any:
    return _matches(_as_text(column), [re.escape(word) for word in sorted(words) if word])


def _matches(column: Any, patterns: Sequence[str]) -> Any:
    found = pc.is_in(column, value_set=pa.array([], pa.string()))
    for start in range(0, len(patterns), _CHUNK):
        pattern = "|".join(patterns[start : start + _CHUNK])
        found = pc.or_(found, pc.match_substring_regex(column, pattern, ignore_case=True))
    return found
