"""`recovery map FILE`: proposes how an unknown file maps to canonical columns, from its headers and its values."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import yaml
from rapidfuzz import fuzz

from contracts.errors import BadInputError
from contracts.words import Crm
from pipelines.ingest.aliases import Kind, ObjectSpec, alias_table, normal_header
from pipelines.ingest.dates import Order, profile_dates
from pipelines.ingest.detect import FileShape, find_shape
from pipelines.ingest.reading import quoted, read_into, text

_SAMPLE_ROWS: Final = 20_000
_LEAST_CONFIDENCE: Final = 0.75
_TYPO: Final = 0.87  # likeness of letters that passes for a typo
_SHORT: Final = 5  # letters up to which a name has no typos: one letter makes another word of it
# Words beside a name that say whose it is, where the rows are people anyway.
_NEUTRAL: Final = frozenset(
    ["lead", "leads", "contact", "contacts", "customer", "prospect", "person", "primary", "main"]
)
# Share of a column's values that must fit before its values speak.
_FIT: Final = 0.8
_PATTERNS: Final = {
    Kind.EMAIL: r"[^@\s]+@[^@\s]+\.[^@\s]+",
    Kind.PHONE: r"(?:\+|00|\()?[0-9][0-9 ().\-/]{6,18}",
    Kind.TIMESTAMP: (
        r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:,?[ T].*)?|\d{10}(?:\d{3})?"
        r"|\d{1,2}[ -][A-Za-z]{3,9}[ ,-]+\d{2,4}.*|(?:[A-Za-z]{3,9},? )*\d{1,2},? (?:[A-Za-z]{3,9} )?\d{4}.*"
    ),
    Kind.BOOL: r"(?i)true|false|yes|no|[yntf01]",
    Kind.MONEY: r"[^0-9]{0,3}-?\d[\d.,]*",
    Kind.INTEGER: r"\d{1,9}(?: ?(?:\+|[-–] ?\d{1,9}))?|\d{1,3}(?:,\d{3})+\+?",
    Kind.NUMBER: r"-?\d+(?:\.\d+)?",
    Kind.CURRENCY: r"[A-Z]{3}",
}


@dataclass(frozen=True)
class ProposedColumn:
    """One column of the file: what it becomes (None: nothing), how sure that is (0..1) and why."""

    name: str
    canonical: str | None
    confidence: float
    why: str


@dataclass(frozen=True)
class MappingProposal:
    """What a file looks like, and the entry of sources.yml that says so; `missing` are required columns in words."""

    object: str
    columns: tuple[ProposedColumn, ...]
    missing: tuple[str, ...]
    yaml: str


@dataclass(frozen=True)
class _Facts:
    """What the values of a column look like: share that fits each kind, share filled, share distinct, date order."""

    fits: dict[Kind, float]
    filled: float
    distinct: float
    order: Order


def propose_mapping(path: Path) -> MappingProposal:
    """Propose a mapping for a CSV or Parquet file; the first 20,000 rows speak for its values.

    Raises:
        BadInputError: the file cannot be read.
    """
    shape, facts = _look(path)
    best: tuple[float, str, tuple[ProposedColumn, ...]] | None = None
    for name, spec in alias_table(Crm.MAPPED_CSV).objects.items():
        columns = _assign(spec, shape.header, facts)
        score = _score(spec, columns)
        if best is None or score > best[0]:
            best = (score, name, columns)
    if best is None:
        raise AssertionError("there are mapped objects")
    _, name, columns = best
    spec = alias_table(Crm.MAPPED_CSV).objects[name]
    mapped = {column.canonical for column in columns}
    missing = tuple(f"{required}: {_advice(name, required)}" for required in spec.required if required not in mapped)
    return MappingProposal(name, columns, missing, _as_yaml(path, name, spec, columns, facts, shape))


def address_column(path: Path) -> tuple[str, str]:
    """Canonical name (email or phone) and header of the column that holds addresses, by its values.

    Raises:
        BadInputError: no column does.
    """
    _, facts = _look(path)
    for kind, name in ((Kind.EMAIL, "email"), (Kind.PHONE, "phone")):
        ranked = sorted(facts, key=lambda column: (-facts[column].fits[kind], column))
        if ranked and facts[ranked[0]].fits[kind] >= _FIT:
            return name, ranked[0]
    raise BadInputError(
        "No column holds e-mail addresses or phone numbers.",
        where=str(path),
        remedy="Give the file a header line and a column named email or phone.",
    )


def _look(path: Path) -> tuple[FileShape, dict[str, _Facts]]:
    if not path.is_file():
        raise BadInputError("The file does not exist.", where=str(path), remedy="Check its path.")
    shape = find_shape(path)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        read_into(path, shape, Path(folder), memory="1GB", threads=1)
        data = text(str(Path(folder) / "data.parquet"))
        fields = ", ".join(f"nullif(trim({quoted(name)}), '') as {quoted(name)}" for name in shape.header)
        connection.execute(
            f"create temp table sample as select {fields} from read_parquet({data}) limit {_SAMPLE_ROWS}"
        )
        return shape, {name: _facts(connection, name) for name in shape.header}


def _facts(connection: duckdb.DuckDBPyConnection, name: str) -> _Facts:
    column = quoted(name)
    counts = ", ".join(
        f"count(*) filter (regexp_full_match({column}, {text(pattern)}))" for pattern in _PATTERNS.values()
    )
    row = connection.execute(
        f"select count(*), count({column}), count(distinct {column}), {counts} from sample"
    ).fetchone()
    if row is None:
        raise AssertionError("an aggregate has one row")
    total, filled, distinct = (int(value) for value in row[:3])
    fits = {kind: (int(count) / filled if filled else 0.0) for kind, count in zip(_PATTERNS, row[3:], strict=True)}
    order = profile_dates(connection, "sample", name).order if fits[Kind.TIMESTAMP] >= _FIT else Order.NONE
    return _Facts(fits, filled / total if total else 0.0, distinct / filled if filled else 0.0, order)


def _assign(spec: ObjectSpec, headers: tuple[str, ...], facts: dict[str, _Facts]) -> tuple[ProposedColumn, ...]:
    """Best pairs first; each header and each canonical column at most once."""
    pairs = []
    for header in headers:
        for name, column in spec.columns.items():
            confidence, why = _confidence(header, name, (*column.labels, *column.api), column.kind, facts[header])
            if confidence >= _LEAST_CONFIDENCE:
                pairs.append((-confidence, header, name, why))
    chosen: dict[str, ProposedColumn] = {}
    taken: set[str] = set()
    for negative, header, name, why in sorted(pairs):
        if header not in chosen and name not in taken:
            chosen[header] = ProposedColumn(header, name, round(-negative, 2), why)
            taken.add(name)
    rest = {header: ProposedColumn(header, None, 0.0, "no canonical column is like it") for header in headers}
    return tuple(chosen.get(header, rest[header]) for header in headers)


def _confidence(header: str, name: str, known: tuple[str, ...], kind: Kind, facts: _Facts) -> tuple[float, str]:
    """How surely a header is a canonical column: 0 unless the names mean the same and the values do not object."""
    score, nearest = max((_likeness(header, other, kind), other) for other in (name, *known))
    if score == 0.0:
        return 0.0, ""
    why = f"named like '{nearest}'"
    if kind in _PATTERNS:
        fit = facts.fits[kind]
        if fit >= _FIT:
            why += f", {fit:.0%} of the values fit"
        elif facts.filled > 0:
            score *= 0.5
            why += f", but only {fit:.0%} of the values fit"
    elif kind is Kind.ID and name == "record_id" and facts.distinct < 0.99:
        score *= 0.7
        why += ", but its values repeat"
    return score, why


def _likeness(header: str, other: str, kind: Kind) -> float:
    """1 for the same name, less for its words in another order, beside words that add nothing, or with a typo.

    A shared word is no likeness (has_company is no company name), nor is a part (subscribed, unsubscribed). Yes or no
    and ids take no near names: there a letter turns the meaning around.
    """
    own, wanted = normal_header(header), normal_header(other)
    if own == wanted:
        return 1.0
    words, wanted_words = _words(header), _words(other)
    if sorted(words) == sorted(wanted_words):
        return 0.95
    if kind in (Kind.BOOL, Kind.ID):
        return 0.0
    if sorted(word for word in words if word not in _NEUTRAL) == sorted(wanted_words):
        return 0.9
    ratio = fuzz.ratio(own, wanted) / 100
    is_part = own in wanted or wanted in own
    return ratio * 0.95 if ratio >= _TYPO and max(len(own), len(wanted)) > _SHORT and not is_part else 0.0


def _words(name: str) -> list[str]:
    """Words of a header, also of CamelCase.

    >>> _words("FirstName of_lead")
    ['first', 'name', 'of', 'lead']
    """
    return re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())


def _score(spec: ObjectSpec, columns: tuple[ProposedColumn, ...]) -> float:
    """Required columns weigh most; what the file has beside them counts a little."""
    mapped = {column.canonical: column.confidence for column in columns if column.canonical}
    needed = spec.required or spec.required_any
    covered = sum(mapped.get(name, 0.0) for name in needed) / len(needed)
    return covered * 3 + sum(mapped.values()) / max(len(columns), 1) + sum(mapped.values()) / 20


def _advice(object_name: str, column: str) -> str:
    if object_name == "activities" and column in ("kind", "direction", "actor"):
        return "map a column, or give a constant such as `kind: {const: form}`"
    if column == "level":
        return "give a constant: 1 engaged, 2 responded, 3 opportunity, 4 won"
    return "required; name the column that holds it"


def _as_yaml(
    path: Path,
    object_name: str,
    spec: ObjectSpec,
    columns: tuple[ProposedColumn, ...],
    facts: dict[str, _Facts],
    shape: FileShape,
) -> str:
    mapping: dict[str, object] = {
        "object": object_name,
        "file": path.name,
        "columns": {column.canonical: column.name for column in columns if column.canonical},
    }
    unsure = [
        column.canonical
        for column in columns
        if column.canonical
        and spec.columns[column.canonical].kind is Kind.TIMESTAMP
        and facts[column.name].order in (Order.AMBIGUOUS, Order.CONTRADICTORY)
    ]
    if unsure:
        mapping["date_format"] = dict.fromkeys(unsure, "DECLARE: %d/%m/%Y or %m/%d/%Y")
    name = "".join(sign if sign.isalnum() else "_" for sign in path.stem.lower()).strip("_") or "source"
    source = {"name": name, "crm": "mapped_csv", "path": str(path.parent), "time_zone": "UTC", "mapping": [mapping]}
    del shape
    return yaml.safe_dump([source], sort_keys=False, allow_unicode=True)
