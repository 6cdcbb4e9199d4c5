"""Countries, states, time zones and currencies as small tables for SQL joins."""

from __future__ import annotations

import csv
import functools
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import pyarrow as pa
from phonenumbers.geodata.locale import LOCALE_DATA
from phonenumbers.tzdata import TIMEZONE_DATA

DATA_DIR: Final = Path(__file__).parent / "data"
# Country domains that are sold as generic names; they say nothing about a country (IANA root zone, Google's list of
# generic country-code domains).
_VANITY_DOMAINS: Final = frozenset(
    [
        "ad",
        "ai",
        "as",
        "bz",
        "cc",
        "cd",
        "co",
        "dj",
        "fm",
        "io",
        "la",
        "me",
        "ms",
        "nu",
        "sc",
        "sr",
        "su",
        "tv",
        "tk",
        "ws",
    ]
)
_DOMAIN_OF_COUNTRY: Final = {"uk": "GB"}
_UNKNOWN_ZONE: Final = "Etc/Unknown"


def fold(value: str) -> str:
    """Key under which names are compared: no accents, case, dots or surplus blanks.

    >>> fold(" México. ")
    'mexico'
    """
    plain = unicodedata.normalize("NFKD", value)
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return " ".join(letters.casefold().replace(".", "").replace(",", "").split())


def data_lines(name: str) -> Iterator[str]:
    """Lines of a data file without its comments."""
    for line in (DATA_DIR / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


@functools.cache
def country_table() -> pa.Table:
    """Columns name (folded), code: every known spelling of a country. A spelling of two countries is left out."""
    codes: dict[str, set[str]] = {}

    def add(name: str, code: str) -> None:
        if name:
            codes.setdefault(fold(name), set()).add(code)

    for line in _tz_lines("iso3166.tab"):
        code, name = line.split("\t")[:2]
        add(code, code)
        add(name, code)
    known = {code for values in codes.values() for code in values}
    for code, names in LOCALE_DATA.items():
        for name in names.values():
            if code in known and not name.startswith("*"):
                add(name, code)
    for row in csv.DictReader(data_lines("country_aliases.csv")):
        codes[fold(row["alias"])] = {row["code"]}
    clear = sorted((name, next(iter(values))) for name, values in codes.items() if len(values) == 1)
    return pa.table({"name": [row[0] for row in clear], "code": [row[1] for row in clear]})


@functools.cache
def state_table() -> pa.Table:
    """Columns country, name (folded code or name), code, time_zone, has_one_zone, is_unique.

    `is_unique`: no other country in the table has a state of that name, so that the state alone tells the country.
    """
    rows: list[tuple[str, str, str, str, bool]] = []
    for row in csv.DictReader(data_lines("us_ca_au_states.csv")):
        for name in {fold(row["code"]), fold(row["name"])}:
            rows.append((row["country"], name, row["code"], row["time_zone"], row["has_one_zone"] == "true"))
    rows.sort()
    countries: dict[str, set[str]] = {}
    for country, name, *_ in rows:
        countries.setdefault(name, set()).add(country)
    return pa.table(
        {
            "country": [row[0] for row in rows],
            "name": [row[1] for row in rows],
            "code": [row[2] for row in rows],
            "time_zone": [row[3] for row in rows],
            "has_one_zone": [row[4] for row in rows],
            "is_unique": [len(countries[row[1]]) == 1 for row in rows],
        }
    )


@functools.cache
def zone_table() -> pa.Table:
    """Columns name (lower case), zone: IANA names, and HubSpot's spelling of them (`us_slash_eastern`)."""
    names: dict[str, str] = {}
    for zone in sorted(available_timezones()):
        names.setdefault(zone.lower(), zone)
        names.setdefault(zone.lower().replace("/", "_slash_").replace("-", "_hyphen_"), zone)
    rows = sorted(names.items())
    return pa.table({"name": [row[0] for row in rows], "zone": [row[1] for row in rows]})


@functools.cache
def country_zone_table() -> pa.Table:
    """Columns country, time_zone: countries all of whose clocks agree (IANA zone.tab); the zone named first stands."""
    zones: dict[str, list[str]] = {}
    for line in _tz_lines("zone.tab"):
        code, _, zone = line.split("\t")[:3]
        zones.setdefault(code, []).append(zone)
    rows = sorted((code, names[0]) for code, names in zones.items() if len({_clock(name) for name in names}) == 1)
    return pa.table({"country": [row[0] for row in rows], "time_zone": [row[1] for row in rows]})


def _clock(zone: str) -> tuple[timedelta | None, ...]:
    """Offsets on the first of each month of a year: zones with the same ones show the same time."""
    info = ZoneInfo(zone)
    return tuple(datetime(2026, month, 1, tzinfo=info).utcoffset() for month in range(1, 13))


@functools.cache
def phone_zone_table() -> pa.Table:
    """Columns prefix (digits of an E.164 number), time_zone; null where a prefix spans several zones."""
    rows = [
        (prefix, zones[0] if len(zones) == 1 and zones[0] != _UNKNOWN_ZONE else None)
        for prefix, zones in sorted(TIMEZONE_DATA.items())
    ]
    return pa.table({"prefix": [row[0] for row in rows], "time_zone": pa.array([row[1] for row in rows], pa.string())})


@functools.cache
def domain_country_table() -> pa.Table:
    """Columns label (last label of a domain), country; without labels that are sold as generic names."""
    codes = sorted({line.split("\t")[0] for line in _tz_lines("iso3166.tab")})
    rows = {code.lower(): code for code in codes if code.lower() not in _VANITY_DOMAINS and code != "GB"}
    rows |= _DOMAIN_OF_COUNTRY
    return pa.table({"label": sorted(rows), "country": [rows[label] for label in sorted(rows)]})


@functools.cache
def free_mail_table() -> pa.Table:
    """Column domain: providers that give addresses to anyone."""
    return pa.table({"domain": sorted(set(data_lines("free_mail_domains.txt")))})


@functools.cache
def currencies() -> tuple[str, ...]:
    """Codes of ISO 4217, ascending."""
    return tuple(sorted(code for line in data_lines("currencies.txt") for code in line.split()))


def _tz_lines(name: str) -> Iterator[str]:
    content = (resources.files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    for line in content.splitlines():
        if line and not line.startswith("#"):
            yield line
