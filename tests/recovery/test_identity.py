"""Identity: deterministic, point in time, stable."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.identity import UNMERGE, Edge, Link, Record, as_of, changes, person_id_of, resolve

T0 = datetime(2026, 1, 1)


def at(day: int) -> datetime:
    return T0 + timedelta(days=day)


A, B, C = Record("hs:contacts:1", at(0)), Record("sf:leads:2", at(5)), Record("ghl:contacts:3", at(9))


def test_two_records_become_the_person_observed_first_when_both_were_seen() -> None:
    links = resolve([A, B], [Edge(A.record_key, B.record_key, at(7), "email")])
    first, second = person_id_of(A.record_key), person_id_of(B.record_key)
    assert as_of(links, at(7)) == {A.record_key: first, B.record_key: second}
    assert as_of(links, at(8)) == {A.record_key: first, B.record_key: first}


def test_the_id_that_the_ledger_knows_survives_an_older_record() -> None:
    known = resolve([B], [])
    older = Record("new:leads:9", at(-100))
    links = resolve([B, older], [Edge(B.record_key, older.record_key, at(8), "email")], known)
    assert as_of(links, at(20))[older.record_key] == person_id_of(B.record_key)


def test_a_withdrawn_edge_is_logged_as_an_unmerge() -> None:
    merged = resolve([A, B], [Edge(A.record_key, B.record_key, at(7), "email")])
    added = changes(resolve([A, B], [], merged), merged, now=at(30))
    assert [(link.record_key, link.why) for link in added] == [(B.record_key, UNMERGE)]
    whole = (*merged, *added)
    assert as_of(whole, at(31))[B.record_key] == person_id_of(B.record_key)
    assert as_of(whole, at(20))[B.record_key] == person_id_of(A.record_key)
    assert changes(resolve([A, B], [], whole), whole, now=at(31)) == ()


RECORDS = [Record(f"s:contacts:{i}", at(i % 7)) for i in range(12)]
EDGES = st.lists(
    st.builds(
        lambda a, b, day: Edge(f"s:contacts:{a}", f"s:contacts:{b}", at(day), "email"),
        st.integers(0, 11),
        st.integers(0, 11),
        st.integers(7, 40),
    ),
    max_size=15,
)


@settings(max_examples=150, deadline=None)
@given(edges=EDGES, seed=st.integers(0, 99))
def test_order_never_matters(edges: list[Edge], seed: int) -> None:
    shuffled, records = list(edges), list(RECORDS)
    random.Random(seed).shuffle(shuffled)
    random.Random(seed).shuffle(records)
    assert resolve(RECORDS, edges) == resolve(records, shuffled)


@settings(max_examples=150, deadline=None)
@given(edges=EDGES, cut=st.integers(7, 41))
def test_later_edges_never_change_an_earlier_answer(edges: list[Edge], cut: int) -> None:
    early = [edge for edge in edges if edge.since < at(cut)]
    assert as_of(resolve(RECORDS, edges), at(cut)) == as_of(resolve(RECORDS, early), at(cut))


@settings(max_examples=150, deadline=None)
@given(edges=EDGES, cut=st.integers(7, 41))
def test_a_day_later_the_ledger_only_grows(edges: list[Edge], cut: int) -> None:
    ledger: tuple[Link, ...] = resolve(RECORDS, [edge for edge in edges if edge.since < at(cut)])
    added = changes(resolve(RECORDS, edges, ledger), ledger, now=at(50))
    assert all(link.why != UNMERGE for link in added)
    assert changes(resolve(RECORDS, edges, (*ledger, *added)), (*ledger, *added), now=at(51)) == ()
