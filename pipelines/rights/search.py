"""Passes over the landed exports: which rows are whose, and which addresses others hold too."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from pipelines.rights.families import Family, close, united
from pipelines.rights.landed_people import LandedPerson, Phone, is_same_name, landed_people, read_phone
from recovery.identity import person_id_of
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading
from recovery.rights.matching import digits_of

# As many digits as two spellings of one number share at least; an index over them.
_TAIL: Final = 8
_Claim = tuple[LandedPerson, Family, tuple[str, ...], tuple[Phone, ...]]


class _Index:
    """Families by record, id and address."""

    def __init__(self, families: Sequence[Family]) -> None:
        self.by_key = {key: family for family in families for key in family.keys}
        self.by_id = {one: family for family in families for one in family.ids}
        self.by_email: dict[str, list[Family]] = defaultdict(list)
        self.by_tail: dict[str, list[tuple[Phone, Family]]] = defaultdict(list)
        for family in families:
            for email in family.emails:
                self.by_email[email].append(family)
            for phone in family.phones:
                for tail in {phone.digits[-_TAIL:], (phone.e164 or "")[-_TAIL:]} - {""}:
                    self.by_tail[tail].append((phone, family))

    def owner(self, row: LandedPerson) -> Family | None:
        """The family whose record it is."""
        return (self.by_key.get(row.key) or self.by_id.get(person_id_of(row.key))) if row.key else None

    def claims(self, row: LandedPerson) -> Iterator[_Claim]:
        """Each family that holds an address of the row, with the addresses in common."""
        emails: dict[int, set[str]] = defaultdict(set)
        phones: dict[int, set[Phone]] = defaultdict(set)
        families: dict[int, Family] = {}
        for email in row.emails:
            for family in self.by_email.get(email, ()):
                families[id(family)] = family
                emails[id(family)].add(email)
        if any(digits_of(text)[-_TAIL:] in self.by_tail for text in row.written):
            for phone in row.phones():
                for known, family in self.by_tail.get(phone.digits[-_TAIL:], ()):
                    if phone.is_same(known):
                        families[id(family)] = family
                        phones[id(family)].add(known)
        for at, family in families.items():
            yield row, family, tuple(emails[at]), tuple(phones[at])


class Search:
    """Follows some people through landing and ledger until a pass adds nothing.

    Args:
        landing: root of landed exports.
        engine: of the ledger.
        countries: declared country by source.
        families: the people to follow.

    Attributes:
        families: the same, grown.
        shared_emails, shared_phones: addresses of theirs that records of others hold as well.
    """

    def __init__(
        self, landing: Path, engine: sa.Engine, countries: Mapping[str, str], families: Sequence[Family]
    ) -> None:
        self.families = list(families)
        self.shared_emails: set[str] = set()
        self.shared_phones: set[Phone] = set()
        self._landing, self._engine, self._countries = landing, engine, countries
        self._bearers: Counter[str] = Counter()
        self._own_rows: Counter[str] = Counter()

    def run(self) -> None:
        """Grow the families."""
        before = -1
        while before != (before := self._close()):
            self._pass()

    def holders(self, addresses: Sequence[str]) -> dict[str, set[str]]:
        """Keys of the records that hold each address; an empty one where a row without a record id does."""
        asked = [Family() for _ in addresses]
        for family, address in zip(asked, addresses, strict=True):
            if "@" in address:
                family.emails.add(address.lower())
            else:
                family.phones.add(read_phone(address))
        index, found = _Index(asked), [set[str]() for _ in addresses]
        places = {id(family): keys for family, keys in zip(asked, found, strict=True)}
        for row in self._rows():
            for _, family, _, _ in index.claims(row):
                places[id(family)].add(row.key)
        return dict(zip(addresses, found, strict=True))

    def take_own_rows(self) -> None:
        """Read the families' own records, and nothing that only shares an address."""
        index = _Index(self.families)
        for row in self._rows():
            owner = index.owner(row)
            if owner is not None:
                owner.absorb(row)

    def own_names(self) -> set[str]:
        """Full names that no other record bears: a name of several people names nobody."""
        return {name for name, rows in self._own_rows.items() if " " in name and rows == self._bearers[name]}

    def _rows(self) -> Iterator[LandedPerson]:
        return landed_people(self._landing, self._countries)

    def _close(self) -> int:
        with reading(self._engine) as connection:
            for family in self.families:
                close(connection, family)
                _add_written(connection, family)
        self.families = united(self.families)
        return sum(family.size() for family in self.families)

    def _pass(self) -> None:
        index, others = _Index(self.families), list[_Claim]()
        self._bearers.clear()
        self._own_rows.clear()
        for row in self._rows():
            self._bearers[row.name] += 1
            claims: list[_Claim] = []
            owner = index.owner(row)
            if owner is None:
                claims = list(index.claims(row))
                owner = next((family for _, family, _, _ in claims if family.bears(row.name)), None)
            if owner is None:
                others += claims
            else:
                owner.absorb(row)
                self._own_rows[row.name] += 1
        self._settle(others)

    def _settle(self, others: Sequence[_Claim]) -> None:
        """Rows under no agreeing name: theirs where nothing speaks against it, else holders of a shared address."""
        named: dict[str | Phone, set[str]] = defaultdict(set)
        for row, _, emails, phones in others:
            for address in _both(emails, phones):
                named[address] |= {row.name} - {""}
        self.shared_emails.clear()
        self.shared_phones.clear()
        for row, family, emails, phones in others:
            strangers = {name for address in _both(emails, phones) for name in named[address]}
            is_only_holder = not row.name and bool(family.names) and not strangers
            is_only_name = not family.names and bool(emails) and all(is_same_name(row.name, n) for n in strangers)
            if is_only_holder or (is_only_name and row.name):
                family.absorb(row)
            else:
                self.shared_emails.update(emails)
                self.shared_phones.update(phones)


def _both(emails: tuple[str, ...], phones: tuple[Phone, ...]) -> tuple[str | Phone, ...]:
    return (*emails, *phones)


def _add_written(connection: sa.Connection, family: Family) -> None:
    """Addresses at which the ledger wrote to the person, or from which the person wrote."""
    content, ids = tables.contents, sorted(family.ids)
    for start in range(0, len(ids), 500):
        query = sa.select(content.c.address).where(content.c.person_id.in_(ids[start : start + 500]))
        addresses: list[str] = list(connection.execute(query.distinct()).scalars())
        for address in addresses:
            if "@" in address:
                family.emails.add(address.strip().lower())
            elif digits_of(address):
                family.phones.add(read_phone(address))
