"""What somebody says beats what is queued for them: the next re-check refuses."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from recovery.inbound.events import EventKind as K
from recovery.inbound.events import FeedbackEvent
from recovery.inbound.record import record_events, unsubscribe_event
from recovery.ledger.engine import writing
from recovery.permission.book import Entry, record_words
from recovery.permission.facts import Stance
from recovery.rights.asking import RequestKind
from recovery.rights.matching import Identifiers
from recovery.rights.requests import erase_from_ledger, merge, restrict
from tests.recovery.permission.ledger_world import NOW, World, lead

ADDRESS = "ann@x.example"
EXPECTED = {
    K.OPT_OUT: "refused opted_out", K.OBJECTION: "refused objected", K.COMPLAINT: "refused complained",
    K.HARD_BOUNCE: "refused hard_bounced", K.WRONG_PERSON: "refused do_not_contact", K.REPLY: "allowed",
    K.AUTO_REPLY: "allowed", K.SOFT_BOUNCE: "allowed", K.CLICK: "allowed",
}  # fmt: skip


@pytest.fixture
def world(engine: sa.Engine) -> World:
    made = World(engine)
    made.batch()
    return made


def record(world: World, event: FeedbackEvent) -> None:
    record_events(world.engine, [event], now=NOW, hash_address=world.key.hash, sender_id="main")


@pytest.mark.parametrize(("kind", "verdict"), EXPECTED.items())
def test_feedback_decides_the_next_touch(world: World, kind: K, verdict: str) -> None:
    touch = world.touch("p1", ADDRESS, facts=lead())
    assert world.ask(touch) == ["allowed"]
    record(world, FeedbackEvent("esp", "e1", kind, NOW - timedelta(minutes=1), touch_id=touch.touch_id))
    assert world.ask(touch) == [verdict]


def test_one_click_beats_a_queued_touch_within_a_second(world: World) -> None:
    first, queued = world.touch("p1", ADDRESS, facts=lead()), world.touch("p1", ADDRESS, facts=lead())
    started = time.perf_counter()
    record(world, unsubscribe_event(first.touch_id, now=NOW))
    assert world.ask(queued) == ["refused opted_out"]
    assert time.perf_counter() - started < 1


def test_an_objection_by_mail_closes_the_other_channels_of_the_person_too(world: World) -> None:
    mail = world.touch("p1", ADDRESS, facts=lead())
    record(world, FeedbackEvent("mail", "r1", K.OBJECTION, NOW, touch_id=mail.touch_id))
    other = world.touch("p1", "ann.private@y.example", facts=lead())
    assert world.ask(other) == ["refused objected"]


def test_restriction_holds_until_it_is_lifted(world: World) -> None:
    touch = world.touch("p1", ADDRESS, facts=lead())
    restrict(world.engine, "p1", kind=RequestKind.RESTRICT, reason="asked", by="dpo", now=NOW)
    assert world.ask(touch) == ["refused restricted"]
    later = NOW + timedelta(minutes=1)
    restrict(world.engine, "p1", kind=RequestKind.LIFT, reason="asked", by="dpo", now=later)
    assert world.ask(touch, now=later) == ["allowed"]


@pytest.mark.parametrize("pair", [("p1", "p2"), ("p2", "p1")])
def test_a_merge_keeps_the_stricter_wish_whatever_its_order(world: World, pair: tuple[str, str]) -> None:
    """W7."""
    mine, other = world.touch("p1", ADDRESS, facts=lead()), world.touch("p2", "ann2@y.example", facts=lead())
    record(world, FeedbackEvent("mail", "r1", K.OBJECTION, NOW, touch_id=other.touch_id))
    assert world.ask(mine) == ["allowed"]
    merge(world.engine, *pair, kind=RequestKind.MERGE, why="same", by="dpo", now=NOW + timedelta(minutes=1))
    assert world.ask(mine) == ["refused objected"]
    later = NOW + timedelta(minutes=2)
    merge(world.engine, *pair, kind=RequestKind.UNMERGE, why="not the same", by="dpo", now=later)
    assert world.ask(mine, now=later) == ["allowed"]


def test_what_was_refused_while_two_were_one_holds_for_both(world: World) -> None:
    """W2: nobody knows which of them spoke."""
    mine, other = world.touch("p1", ADDRESS, facts=lead()), world.touch("p2", "ann2@y.example", facts=lead())
    merge(world.engine, "p1", "p2", kind=RequestKind.MERGE, why="same", by="dpo", now=NOW)
    spoken, later = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
    with writing(world.engine) as connection:
        word = Entry("all", Stance.REFUSED, "objection", "phone call", person_id="p1", since=spoken)
        record_words(connection, [word], now=spoken)
    merge(world.engine, "p2", "p1", kind=RequestKind.UNMERGE, why="not the same", by="dpo", now=later)
    assert world.ask(mine, now=later) == ["refused objected"]
    assert world.ask(other, now=later) == ["refused objected"]


def test_an_erased_person_who_is_imported_again_stays_blocked(world: World) -> None:
    """G-03: new record, new person id, same address in another spelling."""
    people = Identifiers(person_ids=frozenset({"p1"}), emails=frozenset({ADDRESS}))
    erase_from_ledger(world.engine, people, suppress=[(world.key.hash(ADDRESS), "all")], sender_id="main", now=NOW)
    again = world.touch("p-new", f" {ADDRESS.upper()} ", facts=lead())
    assert world.ask(again) == ["refused objected"]
    assert world.ask(world.touch("p3", "bob@x.example", facts=lead())) == ["allowed"]
