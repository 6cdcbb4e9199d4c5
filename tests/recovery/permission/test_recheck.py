"""The re-check before a touch leaves, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from contracts.words import Channel
from recovery.cadence import parse_caps
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading, writing
from recovery.permission import Fact, PermissionPolicy, Stance
from recovery.permission.book import Entry, read_known, record_import
from tests.recovery.permission.ledger_world import KEY, NOW, World, lead, open_world

MAIL, PHONE = "ann@acme.example", "+12125550100"


@pytest.fixture
def world(url: str) -> Iterator[World]:
    opened = open_world(url)
    yield opened
    opened.engine.dispose()


def test_an_opt_out_that_arrives_after_the_claim_stops_the_touch(world: World) -> None:
    touch = world.touch("p1", MAIL, facts=lead())
    assert world.ask(touch) == ["allowed"]
    world.says("opt_out", address=" Ann@ACME.example ")
    assert world.ask(touch) == ["refused opted_out"]


def test_w2_and_g03_an_import_never_lifts_and_the_persons_own_words_do(world: World) -> None:
    touch = world.touch("p1", MAIL, facts=lead())
    world.says("opt_out", address=MAIL)
    world.now += timedelta(minutes=1)
    world.says("express_consent", address=MAIL, stance=Stance.ALLOWED)
    assert world.ask(touch) == ["refused opted_out"]
    world.says("express_consent", address=MAIL, stance=Stance.ALLOWED, is_own_words=True)
    assert world.ask(touch) == ["allowed"]


def test_g03_a_suppression_outlives_erasure_and_meets_the_address_again(world: World) -> None:
    world.says("objection", address=MAIL, person_id="p1", channel="all")
    with writing(world.engine) as connection:
        connection.execute(sa.delete(tables.contents))
    again = world.touch("another id after a re-import", MAIL, facts=lead())
    assert world.ask(again) == ["refused objected"]


def test_l2_a_thousand_people_at_ten_addresses(world: World) -> None:
    touches = world.touches([(f"p{n}", f"team{n % 10}@acme.example") for n in range(1000)], facts=lead())
    world.says("opt_out", address="team3@acme.example")
    found = world.ask(*touches)
    assert len(found) == 1000
    assert {n % 10 for n, answer in enumerate(found) if answer != "allowed"} == {3}
    assert found.count("refused opted_out") == 100


def test_w7_a_merge_carries_the_refusal_of_either_half_whatever_the_order(world: World) -> None:
    touches = [world.touch(name, f"{name}@x.example", facts=lead()) for name in ("a", "b", "c", "d")]
    world.says("objection", address="c@x.example", person_id="c", channel="all")
    assert world.ask(*touches) == ["allowed", "allowed", "refused objected", "allowed"]
    with writing(world.engine) as connection:
        for number, (one, other) in enumerate([("b", "a"), ("c", "b")]):
            connection.execute(
                sa.insert(tables.person_aliases).values(
                    alias_id=f"x{number}", person_id=one, canonical_id=other, kind="merge", why="w", source="s",
                    since=NOW, recorded_at=NOW,
                )
            )  # fmt: skip
    assert world.ask(*touches) == ["refused objected", "refused objected", "refused objected", "allowed"]
    with reading(world.engine) as connection:
        known = read_known(connection, keys=[], people=["a", "d"])
        before = read_known(connection, keys=[], people=["a"], known_by=NOW - timedelta(seconds=1))
    assert known.families == {"a": {"a", "b", "c"}, "d": {"d"}}
    assert before.families == {"a": {"a"}}


def test_a_restriction_stops_everything_until_it_is_lifted(world: World) -> None:
    touch, task = world.touch("p1", MAIL, facts=lead()), world.touch("p1", facts=lead(), channel=Channel.CRM_TASK)
    for number, kind in enumerate(("restrict", "lift")):
        with writing(world.engine) as connection:
            connection.execute(
                sa.insert(tables.restrictions).values(
                    restriction_id=f"r{number}", person_id="p1", kind=kind, reason="art. 18", source="s", since=NOW,
                    recorded_at=NOW + timedelta(seconds=number),
                )
            )  # fmt: skip
        expected = "refused restricted" if kind == "restrict" else "allowed"
        assert world.ask(touch, task) == [expected, expected]


def test_t14_consent_to_one_number_is_none_to_another(world: World) -> None:
    consented = frozenset(
        [Fact("sms", Stance.ALLOWED, "written_consent", since=date(2026, 5, 1), has_full_record=True)]
    )
    texts = [
        world.touch("p1", number, facts=lead(facts=consented), channel=Channel.SMS)
        for number in (PHONE, "+12125550101")
    ]
    assert world.ask(*texts) == ["refused consent_required"] * 2  # the plan's word alone is no record
    record: dict[str, Any] = {"channel": "sms", "stance": Stance.ALLOWED, "person_id": "p1", "is_own_words": True}
    world.says("written_consent", address=PHONE, **record)
    assert world.ask(*texts) == ["refused consent_incomplete", "refused consent_required"]
    full: dict[str, Any] = {"seller": "Harbor", "disclosure_version": "v3", "evidence": "form 17"}
    world.says("written_consent", address=PHONE, **record, **full)
    assert world.ask(*texts) == ["allowed", "refused consent_required"]


def test_w4_clock_between_claim_and_send_defers_to_the_next_permitted_hour(world: World) -> None:
    touch = world.touch("p1", MAIL, facts=lead())
    evening = datetime(2026, 6, 1, 21)  # 17:00 in New York
    found = world.verdicts(touch, now=evening)[touch.touch_id]
    assert (found.answer.value, found.until, found.reason) == ("deferred", datetime(2026, 6, 2, 13), "quiet_hours")
    short = world.touch("p2", "b@x.example", facts=lead(), expires_at=datetime(2026, 6, 2, 13))
    assert world.ask(short, now=evening) == ["refused no_permitted_hour"]


def test_a_batch_that_was_approved_under_other_rules_does_not_leave(world: World) -> None:
    world.batch("old", rules="another fingerprint")
    world.batch("unbound", rules="")
    touches = [
        world.touch(f"p{n}", f"{n}@x.example", facts=lead(), batch_id=b) for n, b in enumerate(("old", "unbound"))
    ]
    assert world.ask(*touches) == ["refused rules_changed", "allowed"]


def test_a_touch_without_its_facts_does_not_leave(world: World) -> None:
    bare = world.touch("p1", MAIL)
    broken = world.touch("p2", "b@x.example", facts=lead())
    with writing(world.engine) as connection:
        connection.execute(
            sa.update(tables.contents).where(tables.contents.c.ref_id == broken.touch_id).values(extra='{"version": 9}')
        )
    assert world.ask(bare, broken) == ["refused permission_unknown"] * 2


def test_a_ground_that_ran_out_since_the_plan_is_refused(world: World) -> None:
    canadian = lead(
        "CA", zone="America/Toronto", facts=frozenset([Fact("all", Stance.ALLOWED, "inquiry", since=date(2025, 12, 2))])
    )
    touch = world.touch("p1", MAIL, facts=canadian)
    assert world.ask(touch) == ["allowed"]
    assert world.ask(touch, now=NOW + timedelta(days=1)) == ["refused basis_expired"]


def test_the_persons_caps_count_what_was_sent_and_what_is_planned_best_first(world: World) -> None:
    world.caps = parse_caps({"person.email": "1/7d"})
    first_come = world.touch("p1", MAIL, facts=lead(), rank=9)
    world.touch("p1", MAIL, facts=lead(), rank=2, state="approved", claim_id=None)
    assert world.ask(first_come) == ["refused frequency_cap"]
    mine = world.touch("p9", "z@x.example", facts=lead(), rank=1)
    world.touch("p9", "z@x.example", rank=5, state="approved", claim_id=None)
    assert world.ask(mine) == ["allowed"]
    sent = world.touch("p2", "b@x.example", state="sent", settled_at=NOW - timedelta(days=6))
    unknown = world.touch("p3", "c@x.example", state="unknown", settled_at=NOW - timedelta(days=6, hours=23))
    after = [world.touch(t.person_id, f"{t.person_id}@x.example", facts=lead()) for t in (sent, unknown)]
    found = world.verdicts(*after)
    assert [found[t.touch_id].reason for t in after] == ["frequency_cap", "frequency_cap"]
    assert found[after[0].touch_id].until == NOW + timedelta(days=1)
    assert world.ask(world.touch("p4", "d@x.example", facts=lead())) == ["allowed"]


def test_another_workers_touch_counts_as_on_its_way(world: World) -> None:
    world.caps = parse_caps({"person": "1/7d"})
    mine = world.touch("p1", MAIL, facts=lead(), rank=1)
    assert world.ask(mine) == ["allowed"]
    world.touch("p1", MAIL, facts=lead(), rank=5, claim_id="another")
    assert world.ask(mine) == ["refused frequency_cap"]


def test_accounts_and_merged_people_share_a_cap(world: World) -> None:
    world.caps = parse_caps({"account": "2/7d"})
    touches = [world.touch(f"p{n}", f"{n}@x.example", facts=lead(), account_id="acme", rank=n + 1) for n in range(3)]
    assert world.ask(*touches) == ["allowed", "allowed", "refused frequency_cap"]


def test_t02_at_most_three_in_24_hours_in_florida(world: World) -> None:
    florida = lead(state="FL")
    for hours in (1, 2, 3):
        world.touch("p1", PHONE, channel=Channel.CALL, state="sent", settled_at=NOW - timedelta(hours=hours))
    fourth = world.touch("p1", PHONE, facts=florida, channel=Channel.CALL)
    found = world.verdicts(fourth)[fourth.touch_id]
    assert (found.reason, found.until) == ("frequency_cap", NOW + timedelta(hours=21))
    elsewhere = world.touch("p1", PHONE, facts=lead(state="GA"), channel=Channel.CALL)
    assert world.ask(elsewhere) == ["allowed"]


def test_explicit_policy_holds_at_the_claim_too(world: World) -> None:
    world.policy = PermissionPolicy(mode="explicit")
    assert world.ask(world.touch("p1", MAIL, facts=lead())) == ["refused consent_required"]


def test_the_same_statement_twice_is_one_row_and_rows_never_change(world: World) -> None:
    entry = Entry("email", Stance.REFUSED, "opt_out", "crm", address_hash=KEY.hash(MAIL), since=NOW)
    for day in range(3):
        with writing(world.engine) as connection:
            new = record_import(connection, [entry, entry], now=NOW + timedelta(days=day))
        assert new == (1 if day == 0 else 0)
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), writing(world.engine) as connection:
        connection.execute(sa.delete(tables.suppressions))


def test_no_address_stands_in_what_is_written(world: World) -> None:
    world.says("opt_out", address=MAIL, person_id="p1")
    with reading(world.engine) as connection:
        rows = [
            *connection.execute(sa.select(tables.suppressions)),
            *connection.execute(sa.select(tables.permission_events)),
        ]
    assert rows
    assert "acme" not in str(rows)
