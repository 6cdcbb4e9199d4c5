"""Which CRM records are one person, and since when. Deterministic, point in time, and stable across days.

Records are joined along edges (CRM merges, an equal e-mail address, an equal phone number with an agreeing name). An
edge counts from the moment at which both sides were observed, so the answer for a past date never changes. Links that
the ledger already holds win: a person keeps the id that was published first.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

# Fixed for ever: a new namespace would rename every person.
NAMESPACE: Final = uuid.UUID("8f1d6c52-3a0b-5e4f-9c77-21d4e608b93a")
FIRST: Final = "first_observed"
UNMERGE: Final = "unmerged"


@dataclass(frozen=True, slots=True)
class Record:
    """A CRM record that has an edge or a link; `record_key` is `source:object:record_id`, times are naive UTC."""

    record_key: str
    first_observed_at: datetime


@dataclass(frozen=True, slots=True)
class Edge:
    """Two records are the same person from `since` on, because of `why` (crm_merge, crm_conversion, email, phone)."""

    left_key: str
    right_key: str
    since: datetime
    why: str


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """A record belongs to a person from `since` until its next link."""

    record_key: str
    since: datetime
    person_id: str
    why: str


def person_id_of(record_key: str) -> str:
    """Id of the person whose first-observed record this is (UUIDv5)."""
    return str(uuid.uuid5(NAMESPACE, record_key))


def resolve(records: Iterable[Record], edges: Iterable[Edge], known: Iterable[Link] = ()) -> tuple[Link, ...]:
    """Full link history of the records that edges touch.

    Args:
        records: every record that an edge names; others are ignored. Order does not matter.
        edges: order does not matter; edges to unknown records are ignored.
        known: links of the ledger; the earliest link of a record gives its first person.

    Returns:
        One link per record and change of person, sorted by record and time. When two persons become one, the id that
        the ledger knew first survives, else that of the record observed first.
    """
    clusters = _Clusters(records, _first_links(known))
    links = [Link(key, clusters.observed[key], clusters.persons[key], FIRST) for key in sorted(clusters.observed)]
    for edge in sorted(edges, key=lambda e: (e.since, e.left_key, e.right_key, e.why)):
        links.extend(clusters.join(edge))
    return _without_repeats(links)


def as_of(links: Iterable[Link], moment: datetime) -> dict[str, str]:
    """Person of each record as of a moment: the latest link with `since` strictly before it."""
    persons: dict[str, tuple[datetime, str, str]] = {}
    for link in links:
        if link.since < moment:
            candidate = (link.since, link.why, link.person_id)
            if link.record_key not in persons or candidate > persons[link.record_key]:
                persons[link.record_key] = candidate
    return {key: value[2] for key, value in persons.items()}


def changes(resolved: Sequence[Link], known: Iterable[Link], *, now: datetime) -> tuple[Link, ...]:
    """Links to append to the ledger so that it agrees with `resolved`.

    New links keep their `since`. Where the ledger's newest person of a record is no longer supported (an edge was
    withdrawn by a corrected export), a link `unmerged` at `now` is added; what was believed before stays recorded.

    Args:
        resolved: result of `resolve`.
        known: all links of the ledger.
        now: as-of moment of the run, naive UTC.
    """
    held: dict[str, list[Link]] = {}
    for link in known:
        held.setdefault(link.record_key, []).append(link)
    wanted: dict[str, list[Link]] = {}
    for link in resolved:
        wanted.setdefault(link.record_key, []).append(link)
    added: list[Link] = []
    for key in sorted(wanted):
        have = {(link.since, link.person_id) for link in held.get(key, [])}
        new = [link for link in wanted[key] if (link.since, link.person_id) not in have]
        added.extend(new)
        newest = max([*held.get(key, []), *new], key=lambda link: (link.since, link.why))
        if newest.person_id != wanted[key][-1].person_id:
            added.append(Link(key, max(now, newest.since), wanted[key][-1].person_id, UNMERGE))
    return tuple(added)


def _first_links(known: Iterable[Link]) -> dict[str, Link]:
    firsts: dict[str, Link] = {}
    for link in known:
        if link.record_key not in firsts or link < firsts[link.record_key]:
            firsts[link.record_key] = link
    return firsts


class _Clusters:
    """Union-find whose root carries the surviving person."""

    def __init__(self, records: Iterable[Record], firsts: Mapping[str, Link]) -> None:
        self.observed = {record.record_key: record.first_observed_at for record in records}
        self.persons = {key: firsts[key].person_id if key in firsts else person_id_of(key) for key in self.observed}
        self._parent = {key: key for key in self.observed}
        self._members = {key: [key] for key in self.observed}
        # Known to the ledger first, then observed first.
        self._seniority = {
            key: (0, firsts[key].since, key) if key in firsts else (1, seen, key) for key, seen in self.observed.items()
        }

    def _root(self, key: str) -> str:
        while self._parent[key] != key:
            self._parent[key] = self._parent[self._parent[key]]
            key = self._parent[key]
        return key

    def join(self, edge: Edge) -> list[Link]:
        """Unite both sides; returns a link for each record whose person changes."""
        if edge.left_key not in self._parent or edge.right_key not in self._parent:
            return []
        left, right = self._root(edge.left_key), self._root(edge.right_key)
        if left == right:
            return []
        if self._seniority[right] < self._seniority[left]:
            left, right = right, left
        survivor, lost = self.persons[left], self.persons[right]
        moved = [] if survivor == lost else self._members[right]
        since = edge.since
        links = [Link(key, max(since, self.observed[key]), survivor, edge.why) for key in moved]
        self._members[left].extend(self._members.pop(right))
        self._parent[right] = left
        return links


def _without_repeats(links: list[Link]) -> tuple[Link, ...]:
    """Sorted; of several links of a record at one moment the last made wins."""
    latest: dict[tuple[str, datetime], Link] = {}
    for link in links:
        latest[(link.record_key, link.since)] = link
    kept: list[Link] = []
    for link in sorted(latest.values(), key=lambda item: (item.record_key, item.since)):
        if kept and kept[-1].record_key == link.record_key and kept[-1].person_id == link.person_id:
            continue
        kept.append(link)
    return tuple(kept)
