"""Rows of people in landed exports: names, addresses, and numbers as the ingest stage reads them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import yaml

from contracts.errors import BadInputError
from contracts.settings import Settings
from pipelines.ingest.lookups import country_finder
from pipelines.ingest.normalise import phone_key
from pipelines.rights.landing import people_rows
from recovery.rights.matching import digits_of, is_same_number

# As in the identity edges of the warehouse.
_SAME_NAME: Final = 0.9
# Half an address, such as `ann@`, stands in those of other people too.
_MAILBOX: Final = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")


@dataclass(frozen=True, slots=True)
class Phone:
    """A number: its digits as written, and in E.164 where a country is known."""

    digits: str
    e164: str | None = None

    def is_same(self, other: Phone) -> bool:
        """Whether both reach the same line; by digits alone only where a country is unknown."""
        if self.e164 is not None and other.e164 is not None:
            return self.e164 == other.e164
        return is_same_number(self.digits, other.digits)


@dataclass(frozen=True, slots=True)
class LandedPerson:
    """One landed row of a person.

    Attributes:
        key: `source:object:record_id`; empty where the row has no record id.
        name: first and last name in lower case; empty where none is given.
        emails: lower case.
        written: numbers as they stand.
        region: ISO code of the country that they are read in.
    """

    key: str
    name: str
    emails: tuple[str, ...]
    written: tuple[str, ...]
    region: str | None

    def phones(self) -> tuple[Phone, ...]:
        """Its numbers; reading one costs far more than looking at its digits."""
        return tuple(read_phone(text, self.region) for text in self.written)


def read_phone(text: str, region: str | None = None) -> Phone:
    """A number as ingest reads it; one with its `+` also where ingest takes it for no valid number."""
    found, digits = phone_key(text, region), digits_of(text)
    if found is not None:
        return Phone(digits, found[0])
    return Phone(digits, f"+{digits}" if digits and text.strip().startswith("+") else None)


def landed_people(root: Path, countries: Mapping[str, str]) -> Iterator[LandedPerson]:
    """Every landed row of a person.

    Args:
        root: of the landing.
        countries: declared country by source, for rows without their own.
    """
    code_of = functools.cache(country_finder())
    for manifest, columns, table in people_rows(root):
        prefix, own = f"{manifest.source}:{manifest.object}:", columns.roles.own_id or ""
        default = countries.get(manifest.source)
        for row in table.to_pylist():
            cells = {name: value.strip() for name, value in row.items() if value and value.strip()}
            country = cells.get(columns.country or "", columns.fixed_country or "")
            yield LandedPerson(
                key=prefix + cells[own] if own in cells else "",
                name=" ".join(cells[column] for column in columns.names if column in cells).lower(),
                emails=tuple(
                    cells[column].lower() for column in columns.emails if _MAILBOX.search(cells.get(column, ""))
                ),
                written=tuple(cells[column] for column in columns.phones if digits_of(cells.get(column, ""))),
                region=(code_of(country) if country else None) or default,
            )


def declared_countries(settings: Settings) -> dict[str, str]:
    """Country that the operator declares for a source's people, by source; nothing without a `sources.yml`.

    The rest of the file may be unfinished or wrong: people have their rights all the same.

    Raises:
        BadInputError: the file is no YAML.
    """
    if not settings.sources_file.exists():
        return {}
    try:
        content = yaml.safe_load(settings.sources_file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInputError(
            "The list of sources cannot be read.", where=str(settings.sources_file), remedy="Mend it as YAML."
        ) from error
    sources = content.get("sources") if isinstance(content, dict) else None
    found = {}
    for source in sources if isinstance(sources, list) else []:
        declaration = source.get("declaration") if isinstance(source, dict) else None
        if isinstance(declaration, dict) and isinstance(declaration.get("country"), str):
            found[str(source.get("name"))] = declaration["country"]
    return found


@functools.lru_cache(maxsize=100_000)
def is_same_name(one: str, other: str) -> bool:
    """Whether two full names agree; an empty one agrees with none.

    >>> is_same_name("ann applewhite", "anne applewhite"), is_same_name("ann applewhite", "bob brandywine")
    (True, False)
    """
    if not one or not other:
        return False
    if one == other:
        return True
    row = _similarity().execute("select jaro_winkler_similarity(?, ?)", [one, other]).fetchone()
    return row is not None and float(row[0]) >= _SAME_NAME


@functools.cache
def _similarity() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()
