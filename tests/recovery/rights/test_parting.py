"""An unmerge loosens nothing that anybody said while people were one (W7)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import BadInputError
from recovery.ledger.engine import make_engine, migrate, reading, writing
from recovery.permission.book import Entry, read_families, read_known, record_words
from recovery.permission.facts import Stance
from recovery.rights.asking import RequestKind
from recovery.rights.requests import merge, restrict

NOW: Final = datetime(2026, 6, 1, 12)
PEOPLE: Final = ("a", "b", "c", "d")
pairs = st.permutations(PEOPLE).map(lambda names: (names[0], names[1]))
acts = st.one_of(
    st.tuples(st.just("merge"), pairs),
    st.tuples(st.just("unmerge"), pairs),
    st.tuples(st.just("refuse"), pairs),
    st.tuples(st.just("restrict"), pairs),
)
Act = tuple[Literal["merge", "unmerge", "refuse", "restrict"], tuple[str, str]]


class People:
    """Four people of a ledger, named anew each time."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.ids = {name: f"{name}-{uuid4().hex}" for name in PEOPLE}

    def do(self, act: Act, now: datetime) -> None:
        kind, (name, other) = act
        one = self.ids[name]
        if kind == "refuse":
            entry = Entry("email", Stance.REFUSED, "opt_out", "test", person_id=one, since=now)
            with writing(self.engine) as connection:
                record_words(connection, [entry], now=now)
        elif kind == "restrict":
            restrict(self.engine, one, kind=RequestKind.RESTRICT, reason="asked", by="dpo", now=now)
        else:
            merge(self.engine, one, self.ids[other], kind=RequestKind(kind), why="test", by="dpo", now=now)

    def family(self, name: str) -> frozenset[str]:
        with reading(self.engine) as connection:
            found = read_families(connection, [self.ids[name]])[self.ids[name]]
        return frozenset(name for name, person in self.ids.items() if person in found)

    def barred(self) -> set[str]:
        with reading(self.engine) as connection:
            known = read_known(connection, keys=[], people=list(self.ids.values()))
        return {
            name
            for name, person in self.ids.items()
            if known.of(person, []) or known.families[person] & known.restricted
        }


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> sa.Engine:
    folder: Path = tmp_path_factory.mktemp("parting")
    engine = make_engine(f"sqlite:///{folder}/ledger.sqlite")
    migrate(engine)
    return engine


def played(people: People, story: list[Act], *, ticks: bool) -> set[str]:
    """Everybody who was one with somebody at the moment of their refusal."""
    now, spoke = NOW, set[str]()
    for act in story:
        now += timedelta(seconds=ticks)
        try:
            people.do(act, now)
        except BadInputError:
            continue
        if act[0] in ("refuse", "restrict"):
            spoke |= people.family(act[1][0])
    return spoke


@given(st.lists(acts, min_size=2, max_size=9), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whoever_was_one_with_somebody_who_refused_stays_barred(
    ledger: sa.Engine, story: list[Act], ticks: bool
) -> None:
    people = People(ledger)
    spoke = played(people, story, ticks=ticks)
    barred = people.barred()
    assert spoke <= barred
    if ticks:
        assert barred == {name for name in PEOPLE if people.family(name) & spoke}


def test_a_refusal_along_a_chain_holds_for_whoever_leaves_it(ledger: sa.Engine) -> None:
    people = People(ledger)
    story: list[Act] = [("merge", ("a", "b")), ("merge", ("b", "c")), ("refuse", ("c", "a")), ("unmerge", ("a", "b"))]
    assert played(people, story, ticks=True) == {"a", "b", "c"}
    assert people.family("a") == {"a"}
    assert people.barred() == {"a", "b", "c"}


def test_a_second_merge_forgets_nothing_that_was_said_during_the_first(ledger: sa.Engine) -> None:
    people = People(ledger)
    story: list[Act] = [
        ("merge", ("a", "b")), ("refuse", ("b", "a")), ("merge", ("b", "a")), ("unmerge", ("a", "b")),
    ]  # fmt: skip
    played(people, story, ticks=True)
    assert people.barred() == {"a", "b"}


def test_a_refusal_from_before_the_merge_is_its_speakers_alone(ledger: sa.Engine) -> None:
    people = People(ledger)
    played(people, [("refuse", ("b", "a")), ("merge", ("a", "b")), ("unmerge", ("a", "b"))], ticks=True)
    assert people.barred() == {"b"}
