"""Alias tables: which header, by label or API name, becomes which raw column.

Headers match without regard to case, spaces, underscores and punctuation; a label wins over an API name and an
earlier name over a later one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict

from contracts.errors import BadInputError
from contracts.words import ColumnType, Crm

ALIAS_DIR: Final = Path(__file__).parent / "aliases"


class Kind(StrEnum):
    """How the values of a column are typed and judged."""

    ID = "id"
    TEXT = "text"
    LONG_TEXT = "long_text"
    TIMESTAMP = "timestamp"
    BOOL = "bool"
    INTEGER = "integer"
    NUMBER = "number"
    MONEY = "money"
    CURRENCY = "currency"
    EMAIL = "email"
    PHONE = "phone"
    COUNTRY = "country"
    TIMEZONE = "timezone"
    DOMAIN = "domain"
    URL = "url"
    JSON = "json"
    ID_LIST = "id_list"


class ColumnSpec(BaseModel):
    """One raw column; `labels` and `api` are the headers it answers to."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    labels: tuple[str, ...] = ()
    api: tuple[str, ...] = ()
    kind: Kind
    type: ColumnType


class ObjectSpec(BaseModel):
    """One kind of export file and the raw table that its rows go to.

    `required` columns must be present and filled; of `required_any` at least one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    table: str
    files: tuple[str, ...]
    required: tuple[str, ...]
    required_any: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    columns: dict[str, ColumnSpec]

    def of_kind(self, *kinds: Kind) -> tuple[str, ...]:
        """Columns of some kinds, in order."""
        return tuple(name for name, column in self.columns.items() if column.kind in kinds)

    @property
    def key(self) -> str | None:
        """Column whose value may occur once in a file: the first one when it is a required id."""
        first = next(iter(self.columns))
        return first if self.columns[first].kind is Kind.ID and first in self.required else None

    @property
    def is_people(self) -> bool:
        """Whether rows are people, who carry a country and a time zone."""
        return "email" in self.columns and "first_name" in self.columns

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns without which a file is refused."""
        return self.required + self.required_any


class AliasTable(BaseModel):
    """All objects of one CRM."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    crm: Crm
    version: int
    objects: dict[str, ObjectSpec]


class HeaderMatch(BaseModel):
    """Raw column -> header, the headers nothing answers to, and the columns without a header."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    headers: dict[str, str]
    unmapped: tuple[str, ...]
    missing: tuple[str, ...]


def normal_header(text: str) -> str:
    """Header without case, blanks, underscores and punctuation; `#` and `?` carry no meaning.

    >>> normal_header(" Country/Region ")
    'countryregion'
    """
    return re.sub(r"[\W_]+", "", text.strip().casefold())


@functools.cache
def alias_table(crm: Crm) -> AliasTable:
    """The alias table that ships for a CRM."""
    name = "mapped" if crm is Crm.MAPPED_CSV else crm.value
    content: Any = yaml.safe_load((ALIAS_DIR / f"{name}.yml").read_text(encoding="utf-8"))
    return AliasTable.model_validate(content)


def match_headers(spec: ObjectSpec, headers: Sequence[str]) -> HeaderMatch:
    """Assign each raw column the first header that one of its names matches; no header serves two columns."""
    by_name: dict[str, str] = {}
    for header in headers:
        by_name.setdefault(normal_header(header), header)
    found: dict[str, str] = {}
    used: set[str] = set()
    for column, column_spec in spec.columns.items():
        for name in (*column_spec.labels, *column_spec.api):
            match = by_name.get(normal_header(name))
            if match is not None and match not in used:
                found[column] = match
                used.add(match)
                break
    return HeaderMatch(
        headers=found,
        unmapped=tuple(header for header in headers if header not in used),
        missing=tuple(column for column in spec.columns if column not in found),
    )


def match_object(crm: Crm, file_name: str, explicit: Mapping[str, str] | None = None) -> str | None:
    """Object that a file name belongs to: an explicit glob wins, then the longest alias glob.

    Raises:
        BadInputError: two globs of the same length claim the file.
    """
    name = file_name.lower()
    for object_name, pattern in (explicit or {}).items():
        if fnmatch(file_name, pattern) or fnmatch(name, pattern.lower()):
            return object_name
    claims: dict[str, int] = {}
    for object_name, spec in alias_table(crm).objects.items():
        lengths = [len(pattern) for pattern in spec.files if fnmatch(name, pattern)]
        if lengths:
            claims[object_name] = max(lengths)
    if not claims:
        return None
    longest = max(claims.values())
    winners = [object_name for object_name, length in claims.items() if length == longest]
    if len(winners) > 1:
        raise BadInputError(
            f"The file could hold {' or '.join(winners)}.",
            where=file_name,
            remedy="Name it under `files` of its source in sources.yml.",
        )
    return winners[0]
