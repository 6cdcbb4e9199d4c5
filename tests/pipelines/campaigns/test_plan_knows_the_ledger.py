"""A plan knows what the ledger knows: whoever it chooses would pass the re-check, and its skips give the reason."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent))

from world import DAY, World, later, person

from contracts.words import Basis, Channel, SuppressionReason
from pipelines.campaigns.assets import publish_plan
from pipelines.campaigns.rechecking import recheck_of
from recovery.addresses import load_address_key
from recovery.delivery.words import ClaimedTouch
from recovery.inbound.events import EventKind, FeedbackEvent
from recovery.inbound.record import record_events, unsubscribe_event
from recovery.ledger import Ledger, ledger_url, open_ledger
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading, writing
from recovery.permission import Stance
from recovery.permission.book import Entry, record_import, record_words
from recovery.rights.asking import RequestKind
from recovery.rights.requests import merge, restrict

NINE = datetime(2026, 6, 1, 9)
FEEDBACK = (
    EventKind.OPT_OUT, EventKind.OBJECTION, EventKind.COMPLAINT, EventKind.HARD_BOUNCE, EventKind.WRONG_PERSON,
    EventKind.NOT_NOW, EventKind.REPLY, EventKind.AUTO_REPLY, EventKind.OPEN, EventKind.CLICK,
)  # fmt: skip


class LaterWorld(World):
    """Its clock stands at 05:00 of the day that is run."""

    at: date = DAY

    def engine(self) -> Any:
        return super().engine().model_copy(update={"fixed_now": f"{self.at}T05:00:00+00:00"})

    def run_on(self, day: date) -> dict[str, str | None]:
        self.at = day
        self.write(day)
        self.day(day)
        return reasons(self, day)


def reasons(world: World, day: date) -> dict[str, str | None]:
    return {row["person_id"]: row["reason"] for row in world.plan(day)}


@pytest.fixture
def world(tmp_path: Path) -> LaterWorld:
    made = LaterWorld(tmp_path)
    made.write()
    return made


@contextmanager
def ledger_of(world: World) -> Iterator[Ledger]:
    with open_ledger(ledger_url(None, world.root / "var")) as ledger:
        yield ledger


def hear(world: World, *events: FeedbackEvent, now: datetime = NINE) -> None:
    key = load_address_key(world.engine().settings.secrets_dir)
    with ledger_of(world) as ledger:
        found = record_events(ledger.engine, events, now=now, hash_address=key.hash, sender_id="main")
        assert set(found.counts) == {"recorded"}


def touch_of(world: World, person_id: str) -> str:
    with ledger_of(world) as ledger, reading(ledger.engine) as connection:
        query = sa.select(tables.touches.c.touch_id).where(tables.touches.c.person_id == person_id)
        found: str = connection.execute(query).scalar_one()
        return found


def test_an_unsubscription_at_nine_is_the_reason_of_the_next_plan(world: LaterWorld) -> None:
    first = world.run_on(DAY)
    chosen = sorted(p for p, reason in first.items() if reason is None)
    mail, scanned = chosen[:2]
    twin = next(row for row in world.people if row["person_id"] not in chosen)
    twin["email"] = next(row["email"] for row in world.people if row["person_id"] == mail)
    hear(world, unsubscribe_event(touch_of(world, mail), now=NINE))
    agent = "Mozilla/5.0 (compatible; Barracuda)"
    hear(world, FeedbackEvent("p", "c1", EventKind.CLICK, NINE, touch_id=touch_of(world, scanned), user_agent=agent))
    world.settings = {"capacity_call": 0, "capacity_sms": 0, "capacity_crm_task": 0}  # mail alone
    after = world.run_on(later(1))
    assert sorted(p for p, reason in after.items() if reason == "opted_out") == sorted((mail, twin["person_id"]))
    assert after[scanned] == "recently_planned"
    facts = world.facts(as_of=later(1))
    assert facts["skipped"]["opted_out"] == 2
    assert facts["planned"] + facts["held_out"] + sum(facts["skipped"].values()) == facts["dormant"]


def test_a_rerun_of_the_day_is_made_from_what_was_known_when_its_batch_was(world: LaterWorld) -> None:
    before = world.run_on(DAY)
    file = world.published / "campaign_plan" / DAY.isoformat()
    shown = [path.name for path in file.glob("*.parquet")]
    chosen = next(p for p, reason in before.items() if reason is None)
    hear(world, unsubscribe_event(touch_of(world, chosen), now=NINE))
    shutil.rmtree(world.published / "campaign_plan")
    world.day()
    assert reasons(world, DAY) == before
    assert [path.name for path in file.glob("*.parquet")] == shown  # named by their content


def test_a_restriction_by_hand_holds_in_the_plan_until_it_is_lifted_and_for_the_merged_half(world: LaterWorld) -> None:
    with ledger_of(world) as ledger:
        now, by = datetime(2026, 6, 1, 1), "desk"
        for who in ("person-00001", "person-00002", "another half"):
            restrict(ledger.engine, who, kind=RequestKind.RESTRICT, reason="asked", by=by, now=now)
        merge(ledger.engine, "another half", "person-00003", kind=RequestKind.MERGE, why="same", by=by, now=now)
        lifted = now + timedelta(hours=1)
        restrict(ledger.engine, "person-00002", kind=RequestKind.LIFT, reason="asked", by=by, now=lifted)
    found = world.run_on(DAY)
    assert sorted(p for p, reason in found.items() if reason == "restricted") == ["person-00001", "person-00003"]


def test_an_import_lifts_nothing_and_the_persons_own_consent_reopens_the_channel(world: LaterWorld) -> None:
    key = load_address_key(world.engine().settings.secrets_dir)
    for n in (1, 2):
        address = world.people[n]["email"]
        said = {"channel": "email", "source": "form", "address_hash": key.hash(address)}
        with ledger_of(world) as ledger, writing(ledger.engine) as connection:
            then = datetime(2026, 5, 1)
            no = Entry(stance=Stance.REFUSED, basis=SuppressionReason.OPT_OUT, since=then, **said)
            yes = Entry(stance=Stance.ALLOWED, basis=Basis.EXPRESS_CONSENT, since=then + timedelta(days=1), **said)
            record_words(connection, [no], now=then)
            write = record_words if n == 1 else record_import
            write(connection, [yes], now=then + timedelta(days=1))
    world.settings = {"capacity_call": 0, "capacity_sms": 0}
    found = world.run_on(DAY)
    assert found["person-00001"] != "opted_out"
    assert found["person-00002"] == "opted_out"


def test_contacts_of_earlier_days_use_up_the_caps_of_an_account(world: LaterWorld) -> None:
    world.people = [person(n, account_id=f"account-{n // 20}") for n in range(60)]
    world.settings = {"frequency_caps": {"account": "3/14d"}, "batch_holdout": 0.0, "global_holdout": 0.0}
    seen = [world.run_on(later(day)) for day in range(3)]
    chosen = [sorted(p for p, reason in found.items() if reason is None) for found in seen]
    assert [len(people) for people in chosen] == [6, 3, 0]  # two of an account a day, three in all
    assert list(seen[1].values()).count("frequency_cap") == 3  # the second best of each account
    assert set(seen[2].values()) == {"frequency_cap", "recently_planned"}
    world.settings |= {"frequency_caps": {"account": "0/14d"}}
    assert set(world.run_on(later(3)).values()) == {"frequency_cap", "recently_planned"}


def test_whoever_is_chosen_passes_the_recheck_whatever_the_ledger_holds(world: LaterWorld) -> None:
    rng = random.Random(11)
    world.settings = {"frequency_caps": {"person": "1/30d", "account": "2/14d"}, "contact_gap_days": 1}
    first = world.run_on(DAY)
    key = load_address_key(world.engine().settings.secrets_dir)
    chosen = [p for p, reason in first.items() if reason is None]
    for at, who in enumerate(rng.sample(chosen, 8)):
        hear(world, FeedbackEvent("p", f"e{at}", rng.choice(FEEDBACK), NINE, touch_id=touch_of(world, who)))
    everybody = [row["person_id"] for row in world.people]
    with ledger_of(world) as ledger:
        for who in rng.sample(everybody, 5):
            restrict(ledger.engine, who, kind=RequestKind.RESTRICT, reason="asked", by="desk", now=NINE)
        for one, other in zip(rng.sample(everybody, 6), rng.sample(everybody, 6), strict=True):
            merge(ledger.engine, one, other, kind=RequestKind.MERGE, why="same", by="desk", now=NINE)
        with writing(ledger.engine) as connection:
            entries = [
                Entry(rng.choice(["email", "sms", "call", "all"]), Stance.REFUSED, rng.choice(list(SuppressionReason)),
                      "list", key.hash(row[rng.choice(["email", "phone_e164"])]), since=NINE)
                for row in rng.sample(world.people, 15)
            ]  # fmt: skip
            record_import(connection, entries, now=NINE)
    world.run_on(later(2))
    facts = world.facts("campaign_batch", later(2))
    assert facts["planned"] >= 5
    with ledger_of(world) as ledger:
        found = recheck_of(world.engine().settings, ledger.engine)(claims(ledger, facts["batch_id"]), moment(later(2)))
        with reading(ledger.engine) as connection:
            refusals = connection.execute(sa.select(sa.func.count()).select_from(tables.suppressions)).scalar_one()
    assert refusals >= 10
    assert {verdict.reason for verdict in found.values()} <= {"", "quiet_hours"}
    skipped = world.facts(as_of=later(2))["skipped"]
    assert {"restricted", "objected", "frequency_cap"} <= set(skipped)


def moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 5)


def claims(ledger: Ledger, batch_id: str) -> list[ClaimedTouch]:
    """The batch's touches that are to leave, as a worker holds them, but for their words."""
    touch = tables.touches
    names = [n for n in ClaimedTouch.__slots__ if n in touch.c]
    query = sa.select(*(touch.c[n] for n in names)).where(touch.c.batch_id == batch_id, touch.c.state != "skipped")
    with reading(ledger.engine) as connection:
        rows = connection.execute(query).all()
    return [ClaimedTouch(**{**row._mapping, "channel": Channel(row.channel)}) for row in rows]


def test_a_plan_is_made_anew_when_the_ledger_learns_something_before_the_batch(world: LaterWorld) -> None:
    publish_plan(world.engine(), DAY)
    assert reasons(world, DAY)["person-00001"] != "restricted"
    with ledger_of(world) as ledger:
        restrict(
            ledger.engine, "person-00001", kind=RequestKind.RESTRICT, reason="asked", by="d", now=datetime(2026, 6, 1)
        )
    publish_plan(world.engine(), DAY)
    assert reasons(world, DAY)["person-00001"] == "restricted"
