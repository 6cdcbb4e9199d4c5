"""One person with everything that is theirs: ids and records along links and merges, addresses of those records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from pipelines.rights.landed_people import LandedPerson, Phone, is_same_name
from recovery.identity import UNMERGE, person_id_of
from recovery.ledger import schema as tables
from recovery.permission.book import read_families
from recovery.rights.ledger_texts import chunks


@dataclass(slots=True)
class Family:
    """What is known of one person so far; grows until nothing is new.

    Attributes:
        ids: of the person, former ones too.
        current: those under which records stand today.
        keys: records, `source:object:record_id`.
        names: lower case, of the records.
        emails: lower case.
        phones: numbers.
    """

    ids: set[str] = field(default_factory=set)
    current: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)
    phones: set[Phone] = field(default_factory=set)

    def size(self) -> int:
        """Grows with everything that is added."""
        return sum(len(part) for part in (self.ids, self.keys, self.names, self.emails, self.phones))

    def bears(self, name: str) -> bool:
        """Whether one of the records has an agreeing name."""
        return any(is_same_name(name, own) for own in self.names)

    def absorb(self, row: LandedPerson) -> None:
        """Take a record with its name and addresses."""
        self.keys.update({row.key} - {""})
        self.emails.update(row.emails)
        self.phones.update(row.phones())
        if row.name:
            self.names.add(row.name)

    def overlaps(self, other: Family) -> bool:
        """Whether both share an id or a record."""
        return bool(self.ids & other.ids or self.keys & other.keys)

    def unite(self, other: Family) -> None:
        """Both are one person."""
        for part in ("ids", "current", "keys", "names", "emails", "phones"):
            getattr(self, part).update(getattr(other, part))


def close(connection: sa.Connection, family: Family) -> None:
    """Follow record links and merges of the ledger until no id and no record is new.

    A record that was taken out of a person (`unmerged`) belongs to whom it came to then, and to nobody before.
    """
    before = -1
    while before != family.size():
        before = family.size()
        linked = set[str]()
        for key, held in _histories(connection, family).items():
            linked.add(key)
            if key in family.keys or family.ids.intersection(held):
                family.keys.add(key)
                family.ids.update(held)
                family.current.add(held[-1])
        alone = {person_id_of(key) for key in family.keys - linked}
        family.current |= alone
        family.ids |= alone
        families = read_families(connection, family.ids)
        family.ids.update(*families.values())
    if not family.current:
        family.current |= family.ids


def united(families: Iterable[Family]) -> list[Family]:
    """Families that share an id or a record as one each."""
    apart: list[Family] = []
    for family in families:
        for other in [one for one in apart if one.overlaps(family)]:
            family.unite(other)
            apart.remove(other)
        apart.append(family)
    return apart


def united_by_name(families: Sequence[Family]) -> list[Family]:
    """Those with agreeing names as one each; whoever has no name is the only one who has."""
    named: list[Family] = []
    for family in (one for one in families if one.names):
        for other in [one for one in named if any(family.bears(name) for name in one.names)]:
            family.unite(other)
            named.remove(other)
        named.append(family)
    nameless = [one for one in families if not one.names]
    if len(named) == 1:
        for one in nameless:
            named[0].unite(one)
        return named
    return [*named, *nameless]


def _histories(connection: sa.Connection, family: Family) -> dict[str, list[str]]:
    """Persons of each linked record that the family may own, oldest first, since it was last taken out of one."""
    link = tables.person_links
    rows: list[Any] = []
    for ids in chunks(family.ids):
        mine = sa.select(link.c.record_key).where(link.c.person_id.in_(ids))
        rows += connection.execute(sa.select(link).where(link.c.record_key.in_(mine)))
    for keys in chunks(family.keys):
        rows += connection.execute(sa.select(link).where(link.c.record_key.in_(keys)))
    found: dict[str, list[str]] = {}
    for row in sorted(set(map(tuple, rows)), key=lambda one: (one[0], one[2], one[3])):
        key, person, _, why, _ = row
        if why == UNMERGE:
            found[key] = []
        found.setdefault(key, []).append(person)
    return found
