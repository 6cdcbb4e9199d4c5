"""The campaigns stage on a temporary installation: plan, batch, outbox, results and their checks."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from world import DAY, World, later, person, refusal, verdicts

from contracts.published import publish, read_published
from pipelines.campaigns import batching
from recovery.control import pause, resume
from recovery.ledger import ledger_url, open_ledger


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write()
    return made


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def ledger_people(world: World) -> list[str]:
    with open_ledger(ledger_url(None, world.root / "var")) as ledger:
        return ledger.read_assignments()["person_id"].to_pylist()


def test_a_day_is_planned_emitted_and_adds_up(world: World) -> None:
    world.permissions = [refusal("person-00001"), refusal("person-00002", "objection", "all")]
    world.people[3] = person(3, country=None)
    world.people[4] = person(4, time_zone="Nowhere/Land")
    world.people[5] = person(5, email=None, phone_e164=None)
    world.people[6] = person(6, has_email_opt_out_source=False)
    world.people[7] = person(7, is_dormant=False)
    world.write()
    result = world.run()
    assert result.success
    assert all(verdicts(result).values())
    facts = world.facts()
    assert facts["planned"] + facts["held_out"] + sum(facts["skipped"].values()) == facts["dormant"] == 59
    reasons = {row["person_id"]: row["reason"] for row in world.plan()}
    expected = {1: "opted_out", 2: "objected", 3: "country_unknown", 4: "time_zone_unknown", 5: "no_address"}
    assert {n: reasons[f"person-{n:05d}"] for n in expected} == expected
    assert reasons["person-00006"] == "permission_unknown"
    assert "person-00007" not in reasons
    assert all(row["unlock"] for row in world.plan() if row["decision"] == "skipped")
    assert sum(row["people"] for row in facts["waterfall"]) == sum(facts["skipped"].values())


def test_the_outbox_holds_what_was_planned_and_nobody_held_out(world: World) -> None:
    world.settings = {"batch_holdout": 0.4}
    world.day()
    facts = world.facts("campaign_batch")
    assert facts["held_out"] > 0
    folder = world.outbox / facts["batch_id"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["planned"], manifest["held_out"]) == (facts["planned"], facts["held_out"])
    rows = read_csv(folder / "email.csv")
    contacted = {row["person_id"] for row in world.plan() if row["decision"] == "contacted"}
    held = {row["person_id"] for row in world.plan() if row["decision"] == "held_out"}
    assert {row["person_id"] for row in rows} == contacted
    assert not held & contacted
    updates = {row["record_id"]: row for row in read_csv(folder / "crm_update_hubspot.csv")}
    assert len(updates) == 60
    by_person = {row["person_id"]: updates[row["record_id"]] for row in world.plan()}
    assert all(by_person[p]["next_step"] for p in contacted)
    assert not any(by_person[p]["next_step"] for p in held)
    assert set(ledger_people(world)) == contacted | held
    published = read_published(world.published, dataset="campaign_batch", as_of=DAY)
    assert "to_address" not in published.column_names
    assert published.num_rows == facts["planned"] + facts["held_out"]


def test_a_rerun_gives_the_same_bytes_and_contacts_nobody_again(world: World) -> None:
    world.day()
    before, plan = world.outbox_bytes(), world.plan()
    manifests = {p: p.read_bytes() for p in world.published.rglob("manifest.json")}
    world.day()
    shutil.rmtree(world.published / "campaign_plan")  # forget the memo: compute again
    world.day()
    assert world.outbox_bytes() == before
    assert world.plan() == plan
    assert {p: p.read_bytes() for p in manifests} == manifests


def test_two_installations_write_the_same_bytes(world: World, tmp_path: Path) -> None:
    world.day()
    other = World(tmp_path / "other")
    other.write()
    other.day()
    assert other.outbox_bytes() == world.outbox_bytes()


def test_an_emitted_batch_stays_when_the_inputs_change(world: World) -> None:
    world.day()
    before, people = world.outbox_bytes(), set(ledger_people(world))
    first = next(row for row in world.plan() if row["decision"] == "contacted")["person_id"]
    world.permissions = [refusal(first)]
    world.people += [person(n, email=f"new{n}@company.example") for n in range(100, 140)]
    world.write()
    result = world.run()
    assert result.success
    assert all(verdicts(result).values())
    assert world.outbox_bytes() == before
    assert set(ledger_people(world)) == people
    facts = world.facts()
    assert facts["has_inputs_changed_since_emission"]
    assert facts["planned"] + facts["held_out"] + sum(facts["skipped"].values()) == 100
    rows = {row["person_id"]: row for row in world.plan()}
    assert rows[first]["reason"] == "opted_out"
    assert {p for p, row in rows.items() if row["decision"] != "skipped"} == people - {first}


def test_nobody_is_planned_again_within_the_gap_and_then_for_the_next_step(world: World) -> None:
    world.day()
    first = set(ledger_people(world))
    world.write(later(7))
    result = world.run(later(7))
    assert result.success
    assert all(verdicts(result).values())
    reasons = {row["person_id"]: row["reason"] for row in world.plan(later(7))}
    assert {reasons[p] for p in first} == {"recently_planned"}
    arms = {row["person_id"]: row["arm"] == "held_out" for row in world.plan() if row["decision"] != "skipped"}
    world.write(later(35))
    assert all(verdicts(world.run(later(35))).values())
    rows = {row["person_id"]: row for row in world.plan(later(35))}
    again = [rows[p] for p in first if rows[p]["decision"] != "skipped"]
    assert again
    assert all(row["step"] == 2 and (row["arm"] == "held_out") is arms[row["person_id"]] for row in again)
    assert {row["reason"] for row in rows.values() if row["person_id"] in first} <= {None, "capacity", "account_cap"}
    folder = world.outbox / world.facts(as_of=later(35))["batch_id"]
    texts = {row["person_id"]: row["body"] for row in read_csv(folder / "email.csv")}
    second = [texts[row["person_id"]] for row in again if row["person_id"] in texts]
    assert second
    assert not any("Some time ago you were in touch" in text for text in second)
    world.settings = {"touch_count": 1}
    world.write(later(36))
    world.day(later(36))
    rows = {row["person_id"]: row for row in world.plan(later(36))}
    assert {rows[p]["reason"] for p in first - set(world_people(again))} <= {"frequency_cap"}


def world_people(rows: list[dict[str, object]]) -> list[str]:
    return [str(row["person_id"]) for row in rows]


def test_a_person_merged_since_keeps_the_gap(world: World) -> None:
    world.day()
    chosen = ledger_people(world)[0]
    number = int(chosen.split("-")[1])
    world.people[number] = person(number, person_id="person-merged", email="fresh@company.example")
    world.write(later(7))
    with world.engine().warehouse.open() as connection:
        connection.execute("create schema if not exists intermediate")
        connection.execute(
            "create table intermediate.person_links as select * from (values "
            f"('hubspot:contacts:1', '{chosen}', timestamp '2026-01-01'), "
            "('hubspot:contacts:1', 'person-merged', timestamp '2026-06-03')) as t(record_key, person_id, since)"
        )
    world.day(later(7))
    assert {r["person_id"]: r["reason"] for r in world.plan(later(7))}["person-merged"] == "recently_planned"


def test_a_past_day_contacts_nobody_and_keeps_its_plan(world: World) -> None:
    world.day()
    plan, box = world.plan(), world.outbox_bytes()
    world.write(later(7))
    world.day(later(7))
    world.write(DAY)
    world.day(DAY)
    assert world.plan() == plan
    earlier = later(-7)
    world.write(earlier)
    world.day(earlier)
    assert {row["reason"] for row in world.plan(earlier)} == {"not_newest_date"}
    assert not [name for name in world.outbox_bytes() if name.startswith(earlier.isoformat())]
    assert set(box) <= set(world.outbox_bytes())


@pytest.mark.parametrize(
    ("settings", "silent", "reason"),
    [
        ({"sender_postal_address": ""}, 1, "sender_unknown"),
        ({"unsubscribe_url": "http://plain.example"}, 1, "sender_unknown"),
        ({"nurturing_enabled": False}, 1, "paused"),
        ({}, 3, "source_silent"),
        ({"capacity_email": 0, "capacity_call": 0}, 1, "channel_disabled"),
        ({"permission_policy": "explicit"}, 1, "consent_required"),
        ({"sender_id": "another"}, 1, "sender_unknown"),
    ],
)
def test_a_held_day_ends_well_and_plans_nobody(
    world: World, settings: dict[str, object], silent: int, reason: str
) -> None:
    world.settings, world.silent_days = settings, silent
    world.write()
    result = world.run()
    assert result.success
    assert all(verdicts(result).values())
    assert world.facts()["skipped"] == {reason: 60}
    assert world.facts("campaign_batch")["batch_id"] is None
    assert ledger_people(world) == []
    assert list(world.outbox_bytes()) == [f"{DAY}-scores/crm_update_hubspot.csv", f"{DAY}-scores/manifest.json"]


def test_a_pause_holds_the_day_and_ends(world: World) -> None:
    var = world.root / "var"
    pause(var, reason="too many bounces", now=world.engine().now())
    world.day()
    assert world.facts()["skipped"] == {"paused": 60}
    assert resume(var)
    world.day()
    assert world.facts()["planned"] > 0


def test_a_pause_between_plan_and_batch_holds_the_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "paused_because", lambda _: "now")
    world.day()
    assert world.facts()["planned"] > 0
    assert world.facts("campaign_batch")["batch_id"] is None
    assert ledger_people(world) == []
    monkeypatch.undo()
    world.day()
    assert world.facts("campaign_batch")["batch_id"] == world.facts()["batch_id"]


def test_severe_drift_holds_the_plan(world: World) -> None:
    table = read_published(world.published, dataset="lead_scores", as_of=DAY).slice(0, 0)
    publish(world.published, dataset="feature_drift", as_of=DAY, table=table, facts={"severe": True})
    world.day()
    assert world.facts()["skipped"] == {"severe_drift": 60}


def test_empty_days_end_well(world: World, tmp_path: Path) -> None:
    world.people = [person(n, is_dormant=False) for n in range(5)]
    world.write()
    world.day()
    assert world.facts()["dormant"] == 0
    bare = World(tmp_path / "bare")
    result = bare.run()
    assert result.success
    assert all(verdicts(result).values())
    assert bare.facts()["dormant"] == 0


def test_people_without_a_score_are_not_planned(world: World) -> None:
    world.scores = {"person-00001": 0.2}
    world.write()
    world.day()
    assert world.facts()["skipped"] == {"unscored": 59}
    assert world.facts()["planned"] + world.facts()["held_out"] == 1


def test_one_bad_lead_does_not_stop_the_others(world: World) -> None:
    for number in (10, 11):
        world.people[number] = person(number, email="two@x.example\r\nBcc: all@x.example")
    world.scores = {f"person-{n:05d}": 0.5 if n in (10, 11) else 0.01 * n / 60 + 0.01 for n in range(60)}
    world.write()
    result = world.run()
    assert result.success
    reasons = {row["person_id"]: row["reason"] for row in world.plan()}
    assert {reasons["person-00010"], reasons["person-00011"]} <= {"render_failed", "frequency_cap"}
    assert "render_failed" in reasons.values()
    assert not any(b"Bcc" in data for data in world.outbox_bytes().values())


def test_duplicate_rows_in_any_input_plan_a_person_once(world: World) -> None:
    world.permissions = [refusal("person-00001"), refusal("person-00001")]
    world.people += [dict(world.people[0]), dict(world.people[20])]
    world.write()
    world.day()
    assert len(world.plan()) == 60
    assert max(Counter(ledger_people(world)).values()) == 1


def test_people_who_share_an_address_get_one_mail_and_nobody_vanishes(world: World) -> None:
    world.people = [person(n, email=f"shared{n % 10}@company.example", account_id=None) for n in range(200)]
    world.settings = {"capacity_email": 500, "batch_holdout": 0.0, "global_holdout": 0.0}
    world.write()
    result = world.run()
    assert all(verdicts(result).values())
    assert world.facts()["planned"] == 10
    assert world.facts()["skipped"] == {"frequency_cap": 190}
    folder = world.outbox / world.facts()["batch_id"]
    addresses = [row["to_address"] for row in read_csv(folder / "email.csv")]
    assert len(set(addresses)) == len(addresses) == 10


def test_results_grow_from_too_early_to_a_measured_effect(world: World) -> None:
    world.people = [person(n, account_id=None) for n in range(400)]
    world.settings = {"capacity_email": 400, "batch_holdout": 0.5, "global_holdout": 0.0}
    world.write()
    world.day()
    facts = world.facts("campaign_results")
    assert facts["verdict"].startswith("Too early")
    assert facts["ready_on"] == later(32).isoformat()
    arms = {row["person_id"]: row["decision"] for row in world.plan()}
    world.labels = [
        {
            "as_of_date": DAY,
            "person_id": p,
            "is_reactivated": int(p[-5:]) % (3 if arm == "contacted" else 30) == 0,
            "level": 2,
        }
        for p, arm in arms.items()
    ]
    world.write(later(40))
    result = world.run(later(40))
    assert all(verdicts(result).values())
    facts = world.facts("campaign_results", later(40))
    assert facts["verdict"].startswith("Contact brought more people back")
    assert facts["comparisons"][0]["low"] > 0.2
