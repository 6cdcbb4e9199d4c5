"""From a person id, an address or a number to everything by which that person is known here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from contracts.errors import BadInputError
from pipelines.ingest.normalise import phone_key
from pipelines.rights.landing import Columns, people_rows
from recovery.identity import person_id_of
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading
from recovery.rights.matching import Identifiers, digits_of, is_same_number

# As many digits as two spellings of one number share at least; an index over them.
_TAIL: Final = 8


class _Known:
    """What is known so far; grows until a pass over the landing adds nothing."""

    def __init__(self, who: Iterable[str]) -> None:
        self.person_ids: set[str] = set()
        self.keys: set[str] = set()
        self.emails: set[str] = set()
        self.phones: set[str] = set()
        self.names: set[str] = set()
        self.numbers: set[str] = set()
        for text in (item.strip() for item in who):
            if "@" in text:
                self.emails.add(text.lower())
            elif text.startswith("+") and digits_of(text):
                self.phones.add(digits_of(text))
                self.numbers.add(f"+{digits_of(text)}")
            elif text:
                self.person_ids.add(text)

    def size(self) -> tuple[int, ...]:
        return tuple(len(part) for part in (self.person_ids, self.keys, self.emails, self.phones))


def find_people(landing: Path, engine: sa.Engine, who: Sequence[str]) -> Identifiers:
    """Everything by which some people are known in landing and ledger.

    Args:
        landing: root of landed exports.
        engine: of the ledger.
        who: person ids, e-mail addresses, or numbers that start with `+`.

    Raises:
        BadInputError: none of them is known here.
    """
    known = _Known(who)
    _from_ledger(engine, known)
    before: tuple[int, ...] = ()
    while known.size() != before:
        before = known.size()
        _from_landing(landing, known)
        _from_ledger(engine, known)
    touches = _touches(engine, known.person_ids)
    if not (known.keys or touches or known.emails or known.phones):
        raise BadInputError("Nobody here is known by that.", remedy="Give a person id, an e-mail address or a +number.")
    records: dict[tuple[str, str], set[str]] = defaultdict(set)
    for key in known.keys:
        source, _, rest = key.partition(":")
        kind, _, record_id = rest.partition(":")
        records[source, kind].add(record_id)
    return Identifiers(
        person_ids=frozenset(known.person_ids),
        records={key: frozenset(ids) for key, ids in records.items()},
        emails=frozenset(known.emails),
        phones=frozenset(known.phones),
        numbers=frozenset(known.numbers),
        names=frozenset(known.names),
        touch_ids=frozenset(touches),
    )


def _from_ledger(engine: sa.Engine, known: _Known) -> None:
    links, alias, content = tables.person_links, tables.person_aliases, tables.contents
    with reading(engine) as connection:
        for row in connection.execute(
            sa.select(links.c.record_key, links.c.person_id).where(
                sa.or_(links.c.person_id.in_(sorted(known.person_ids)), links.c.record_key.in_(sorted(known.keys)))
            )
        ):
            known.keys.add(row.record_key)
            known.person_ids.add(row.person_id)
        found = connection.execute(
            sa.select(alias.c.person_id, alias.c.canonical_id, alias.c.kind)
            .where(
                sa.or_(
                    alias.c.person_id.in_(sorted(known.person_ids)), alias.c.canonical_id.in_(sorted(known.person_ids))
                )
            )
            .order_by(alias.c.since)
        )
        newest = {(row.person_id, row.canonical_id): row.kind for row in found}
        known.person_ids |= {one for pair, kind in newest.items() if kind == "merge" for one in pair}
        for row in connection.execute(
            sa.select(content.c.address, content.c.person_id).where(
                sa.or_(
                    content.c.person_id.in_(sorted(known.person_ids)),
                    sa.func.lower(content.c.address).in_(sorted(known.emails)),
                )
            )
        ):
            _add_address(known, row.address or "")
            if row.person_id:
                known.person_ids.add(row.person_id)


def _add_address(known: _Known, address: str) -> None:
    if "@" in address:
        known.emails.add(address.strip().lower())
    elif digits_of(address):
        known.phones.add(digits_of(address))
        if address.strip().startswith("+"):
            known.numbers.add(f"+{digits_of(address)}")


def _add_numbers(known: _Known, phones: Iterable[str], country: str | None) -> None:
    """The numbers in E.164, where the row's country is a code."""
    code = (country or "").strip().upper()
    for phone in phones:
        found = phone_key(phone, code if len(code) == 2 else None)
        if found is not None:
            known.numbers.add(found[0])
            known.phones.add(found[0].removeprefix("+"))


def _from_landing(landing: Path, known: _Known) -> None:
    holders: Counter[str] = Counter()
    theirs: Counter[str] = Counter()
    tails: dict[str, list[str]] = {}
    for phone in known.phones:
        tails.setdefault(phone[-_TAIL:], []).append(phone)
    for manifest, columns, table in people_rows(landing):
        own = columns.roles.own_id
        prefix = f"{manifest.source}:{manifest.object}:"
        for row in table.to_pylist():
            key = f"{prefix}{(row.get(own or '') or '').strip()}"
            name = " ".join(part for column in columns.names if (part := (row.get(column) or "").strip()))
            holders[name.lower()] += 1
            if not _is_theirs(row, key, known, columns, tails):
                continue
            theirs[name.lower()] += 1
            known.keys.add(key)
            known.person_ids.add(person_id_of(key))
            for column in (*columns.emails, *columns.phones):
                _add_address(known, row.get(column) or "")
            _add_numbers(known, [row.get(column) or "" for column in columns.phones], row.get(columns.country or ""))
    # A name that others bear too names nobody.
    known.names |= {name for name, number in theirs.items() if " " in name and number == holders[name]}


def _is_theirs(row: dict[str, Any], key: str, known: _Known, columns: Columns, tails: Mapping[str, list[str]]) -> bool:
    if key in known.keys or (known.person_ids and person_id_of(key) in known.person_ids):
        return True
    if any((row.get(column) or "").strip().lower() in known.emails for column in columns.emails):
        return True
    mine = [digits for column in columns.phones if (digits := digits_of(row.get(column) or ""))]
    return any(is_same_number(one, other) for one in mine for other in tails.get(one[-_TAIL:], ()))


def _touches(engine: sa.Engine, person_ids: Iterable[str]) -> set[str]:
    found: set[str] = set()
    ordered = sorted(person_ids)
    with reading(engine) as connection:
        for start in range(0, len(ordered), 500):
            for table, column in ((tables.touches, "touch_id"), (tables.assignments, "assignment_id")):
                query = sa.select(table.c[column]).where(table.c.person_id.in_(ordered[start : start + 500]))
                found |= set(connection.execute(query).scalars())
    return found
