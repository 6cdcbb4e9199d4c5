"""E-mail addresses, phone numbers and domains as keys.

Clean values are settled by expressions in SQL that agree with the libraries (a property test compares them); the
libraries see only the distinct values that the expressions leave open.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, Final

import duckdb
import phonenumbers
import pyarrow as pa
import tldextract
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneMetadata

_BATCH: Final = 50_000
_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ATOM: Final = "[a-z0-9_%+-]+"
# The usual shape of an address; what it accepts, email-validator accepts too.
CLEAN_EMAIL: Final = rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[a-z]{{2,24}}"
# Domains that reach nobody (RFC 6761); email-validator refuses them, `test` is kept for worlds that are made up.
_DEAD_DOMAINS: Final = r"[@.](?:arpa|invalid|local|localhost|onion)"
CLEAN_REGIONS: Final = ("US", "GB", "DE", "FR", "AU", "CA", "IE", "NL", "ES", "BR", "IN")
_NANP: Final = ("US", "CA")
_TRUNK_ZERO: Final = ("GB", "DE", "FR", "AU", "IE", "NL", "IN")
_DIALLED: Final = r"[+0-9 ().\-/]+"
_KINDS: Final = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
)


def email_key(value: str) -> str | None:
    """Lower-case key of an address, or None when it is none. No look-up is made.

    >>> email_key(" Ann@Acme.Example ")
    'ann@acme.example'
    """
    try:
        checked = validate_email(
            unicodedata.normalize("NFC", value.strip()), check_deliverability=False, test_environment=True
        )
    except EmailNotValidError:
        return None
    domain = checked.ascii_domain or checked.domain
    return f"{checked.local_part}@{domain}".lower()


def clean_email_sql(name: str) -> str:
    """SQL: key of a usual address, null when the library must look."""
    lower = f"lower({name})"
    return (
        f"case when regexp_full_match({lower}, '{CLEAN_EMAIL}') and not regexp_matches({lower}, '{_DEAD_DOMAINS}$') "
        f"and instr({lower}, '@') <= 65 and len({lower}) <= 254 and regexp_full_match({name}, '[ -~]+') "
        f"and not regexp_matches({lower}, '[@.]..--') then {lower} end"
    )


def phone_key(value: str, region: str | None) -> tuple[str, str] | None:
    """E.164 number and the region it belongs to, or None when it is no valid number.

    Args:
        value: as written; a leading 00 means +.
        region: ISO alpha-2 code that a national number is read in, None if unknown.
    """
    text = re.sub(r"^\s*00", "+", value)
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    owner = phonenumbers.region_code_for_number(number)
    if owner is None or owner == "001":
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), owner


@functools.cache
def region_pattern(region: str) -> str:
    """Regular expression of the valid E.164 numbers of a region, from libphonenumber's metadata (RE2 reads it)."""
    metadata: Any = PhoneMetadata.metadata_for_region(region)
    patterns = [getattr(metadata, kind) for kind in _KINDS]
    parts = sorted({item.national_number_pattern for item in patterns if item and item.national_number_pattern})
    return rf"\+{metadata.country_code}(?:{'|'.join(parts)})"


def calling_code(region: str) -> str:
    """Calling code of a region with its plus sign.

    >>> calling_code("DE")
    '+49'
    """
    return f"+{phonenumbers.country_code_for_region(region)}"


def clean_phone_sql(name: str, region: str, *, regions: Iterable[str] = CLEAN_REGIONS) -> tuple[str, str]:
    """SQL of an E.164 candidate from text and region, and of its owner as a function of `candidate`.

    The first expression yields a number in international form for usual notations, the second the one of `regions`
    whose pattern it matches, null when the library must look.
    """
    digits = f"regexp_replace({name}, '[^0-9+]', '', 'g')"
    nanp = ", ".join(f"'{code}'" for code in _NANP)
    trunk = " ".join(
        f"when {region} = '{code}' and {digits} like '0%' then "
        f"'+{phonenumbers.country_code_for_region(code)}' || {digits}[2:]"
        for code in _TRUNK_ZERO
    )
    candidate = (
        f"case when not regexp_full_match({name}, '{_DIALLED}') then null "
        f"when {digits} like '00%' then '+' || {digits}[3:] "
        f"when {digits} like '+%' then {digits} "
        f"when {region} in ({nanp}) and len({digits}) = 10 then '+1' || {digits} "
        f"when {region} in ({nanp}) and len({digits}) = 11 and {digits} like '1%' then '+' || {digits} "
        f"{trunk} end"
    )
    owner = " ".join(
        f"when candidate like '+{phonenumbers.country_code_for_region(code)}%' "
        f"and regexp_full_match(candidate, '{region_pattern(code)}') then '{code}'"
        for code in regions
    )
    return candidate, f"case when candidate is null then null {owner} end" if owner else "null::varchar"


@functools.cache
def _extractor() -> tldextract.TLDExtract:
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def site_domain(value: str) -> str | None:
    """Registered domain of a web address, lower case, from the public suffix list that ships with tldextract.

    >>> site_domain("https://www.acme.co.uk/about")
    'acme.co.uk'
    """
    text = value.strip().lower().rstrip(".")
    if not text or " " in text:
        return None
    parts = _extractor()(text)
    if parts.suffix:
        return f"{parts.domain}.{parts.suffix}" if parts.domain else None
    host = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text).split("/")[0].split(":")[0]
    labels = host.split(".")
    return ".".join(labels[-2:]) if len(labels) > 1 and all(labels) else None


def settle(
    connection: duckdb.DuckDBPyConnection,
    *,
    query: str,
    table: str,
    keys: int,
    settled: Callable[..., tuple[str | None, ...]],
    columns: Iterable[str],
) -> int:
    """Run the distinct rows of `query` through a library into a temporary table, in batches; returns the rows.

    Args:
        query: selects the distinct open values, `keys` text columns.
        table: temporary table to make, with the columns k1.. kN and `columns`, all text.
        keys: number of key columns.
        settled: function of the key values that gives one value per column.
        columns: names of the result columns.
    """
    names = [f"k{number}" for number in range(1, keys + 1)] + list(columns)
    connection.execute(f"create or replace temp table {table} ({', '.join(f'{name} varchar' for name in names)})")
    connection.execute(
        f"create or replace temp table open_values as select q.*, row_number() over () as place from ({query}) q"
    )
    counted = connection.execute("select count(*) from open_values").fetchone()
    total = int(counted[0]) if counted else 0
    for start in range(0, total, _BATCH):
        found = connection.execute(
            "select * exclude (place) from open_values where place > ? and place <= ?", [start, start + _BATCH]
        ).fetchall()
        rows = [(*row, *settled(*row)) for row in found]
        arrow = pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names)})
        connection.register("settled_rows", arrow)
        connection.execute(f"insert into {table} select * from settled_rows")
        connection.unregister("settled_rows")
    connection.execute("drop table open_values")
    return total
