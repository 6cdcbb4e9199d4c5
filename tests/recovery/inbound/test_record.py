"""Feedback in the ledger: once, in any order, with its consequences, on SQLite and PostgreSQL."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from contracts.errors import PassingError
from contracts.words import Channel
from recovery.inbound.events import ASKS_FOR_ERASURE, FeedbackEvent
from recovery.inbound.events import EventKind as K
from recovery.inbound.machines import is_machine
from recovery.inbound.record import Landing, Nonce, Recorded, record_events, unsubscribe_event
from recovery.ledger import schema as tables
from recovery.ledger.audit import verify_chain
from recovery.ledger.engine import make_engine, reading, writing
from recovery.permission.book import Entry, record_words
from recovery.permission.facts import Stance
from tests.recovery.inbound.ledger_world import ADDRESSES, NOW, SENT, count, email_of, open_engine, rows, seed, touch_id


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    made = make_engine(url)
    seed(made, range(20))
    yield made
    made.dispose()


def event(kind: K, number: int = 1, *, name: str = "e1", **changes: object) -> FeedbackEvent:
    values = {"provider": "esp", "event_id": name, "kind": kind, "occurred_at": SENT + timedelta(hours=1),
              "touch_id": touch_id(number)} | changes  # fmt: skip
    return FeedbackEvent(**values)  # type: ignore[arg-type]


def record(engine: sa.Engine, *events: FeedbackEvent, nonce: Nonce | None = None) -> Recorded:
    return record_events(engine, events, now=NOW, hash_address=ADDRESSES.hash, sender_id="main", nonce=nonce)


CLOSING = [
    (K.OPT_OUT, "opt_out", "email"), (K.OBJECTION, "objection", "all"), (K.COMPLAINT, "complaint", "all"),
    (K.HARD_BOUNCE, "hard_bounce", "email"), (K.WRONG_PERSON, "do_not_contact", "email"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "reason", "channel"), CLOSING)
def test_a_refusal_closes_the_address_in_the_same_commit(engine: sa.Engine, kind: K, reason: str, channel: str) -> None:
    assert record(engine, event(kind)).landings == (Landing.RECORDED,)
    (suppression,) = rows(engine, tables.suppressions)
    assert (suppression["reason"], suppression["channel"]) == (reason, channel)
    assert suppression["address_hash"] == ADDRESSES.hash(email_of(1))
    (statement,) = rows(engine, tables.permission_events)
    assert (statement["stance"], statement["basis"]) == ("refused", reason)
    assert statement["person_id"] == (None if kind in (K.HARD_BOUNCE, K.WRONG_PERSON) else "person-1")
    with reading(engine) as connection:
        assert verify_chain(connection).is_whole
    assert count(engine, tables.audit) == 1


def test_later_has_its_day_and_is_no_suppression(engine: sa.Engine) -> None:
    record(engine, event(K.NOT_NOW, resume_on=NOW + timedelta(days=90)))
    assert count(engine, tables.suppressions) == 0
    (statement,) = rows(engine, tables.permission_events)
    assert (statement["basis"], statement["expires_at"]) == ("not_now", NOW + timedelta(days=90))


@pytest.mark.parametrize("kind", [K.DELIVERED, K.OPEN, K.CLICK, K.REPLY, K.AUTO_REPLY, K.SOFT_BOUNCE])
def test_other_events_close_nothing(engine: sa.Engine, kind: K) -> None:
    record(engine, event(kind))
    assert count(engine, tables.provider_events) == 1
    assert count(engine, tables.suppressions) == count(engine, tables.permission_events) == 0


def test_everything_lands_once_late_and_out_of_order(engine: sa.Engine) -> None:
    events = [event(kind, number, name=f"{kind}-{number}") for kind in K for number in range(5)]
    random.Random(7).shuffle(events)
    first = record(engine, *events[:40])
    again = record(engine, *events)
    assert first.counts == {"recorded": 40}
    assert again.counts == {"recorded": len(events) - 40, "duplicate": 40}
    assert count(engine, tables.provider_events) == len(events)
    stored = rows(engine, tables.suppressions)
    assert len(stored) == 5 * 5


def test_sixteen_at_once_record_an_event_once(engine: sa.Engine) -> None:
    barrier = threading.Barrier(16)
    landings: list[Landing] = []

    def work() -> None:
        barrier.wait()
        landings.extend(record(engine, unsubscribe_event(touch_id(3), now=NOW)).landings)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(landings) == [Landing.DUPLICATE] * 15 + [Landing.RECORDED]
    assert count(engine, tables.suppressions) == 1


def test_an_event_finds_its_touch_by_the_providers_name_or_its_address(engine: sa.Engine) -> None:
    by_name = event(K.HARD_BOUNCE, name="a", touch_id=None, provider_id="Q000004")
    wrong_then_right = event(K.COMPLAINT, name="b", touch_id="unknown", provider_id="Q000005")
    by_address = event(K.OPT_OUT, name="c", touch_id=None, address="New@Y.example", channel=Channel.EMAIL)
    nobody = event(K.OPT_OUT, name="d", touch_id="unknown")
    assert record(engine, by_name, wrong_then_right, by_address, nobody).landings == (
        Landing.RECORDED, Landing.RECORDED, Landing.RECORDED, Landing.UNKNOWN_ID
    )  # fmt: skip
    found = {row["event_id"]: row["touch_id"] for row in rows(engine, tables.provider_events)}
    assert found == {"a": touch_id(4), "b": touch_id(5), "c": None}
    closed = {row["address_hash"] for row in rows(engine, tables.suppressions)}
    assert ADDRESSES.hash("new@y.example") in closed


def test_the_future_is_refused_but_a_refusal_holds_from_now(engine: sa.Engine) -> None:
    ahead = NOW + timedelta(hours=2)
    assert record(engine, event(K.CLICK, occurred_at=ahead)).landings == (Landing.IN_FUTURE,)
    assert count(engine, tables.provider_events) == 0
    assert record(engine, event(K.OPT_OUT, occurred_at=ahead)).landings == (Landing.RECORDED,)
    assert [row["since"] for row in rows(engine, tables.suppressions)] == [NOW]


def test_a_refusal_under_an_id_that_stood_for_something_else_counts(engine: sa.Engine) -> None:
    assert record(engine, event(K.DELIVERED), event(K.OPT_OUT)).landings == (Landing.RECORDED,) * 2
    assert record(engine, event(K.OPT_OUT), event(K.DELIVERED)).landings == (Landing.DUPLICATE,) * 2
    assert count(engine, tables.suppressions) == 1


def test_a_second_click_counts_after_a_new_permission_and_only_then(engine: sa.Engine) -> None:
    clicks = [unsubscribe_event(touch_id(1), now=NOW + timedelta(minutes=n)) for n in range(-4, 1)]
    assert record(engine, *clicks[:2]).landings == (Landing.RECORDED, Landing.DUPLICATE)
    granted = NOW + timedelta(seconds=1)
    with writing(engine) as connection:
        entry = Entry("email", Stance.ALLOWED, "express_consent", "form", person_id="person-1", since=granted)
        record_words(connection, [entry], now=granted)
    told = record_events(
        engine, clicks[2:4], now=granted + timedelta(seconds=1), hash_address=ADDRESSES.hash, sender_id="main"
    )
    assert told.landings == (Landing.RECORDED, Landing.DUPLICATE)


def test_a_reply_that_asks_for_erasure_starts_its_clock_once(engine: sa.Engine) -> None:
    asked = [event(K.OBJECTION, name=name, detail=ASKS_FOR_ERASURE) for name in ("a", "b")]
    assert record(engine, *asked).landings == (Landing.RECORDED,) * 2
    (request,) = rows(engine, tables.rights_requests)
    assert (request["kind"], request["person_id"], request["state"]) == ("erase", "person-1", "open")
    assert request["due_at"] > NOW


def test_a_request_counts_once_unless_part_of_it_was_refused(engine: sa.Engine) -> None:
    nonce = Nonce("esp", "msg_1")
    assert not record(engine, event(K.CLICK), nonce=nonce).is_replay
    assert record(engine, event(K.COMPLAINT, name="other"), nonce=nonce).is_replay
    assert count(engine, tables.suppressions) == 0
    partly = Nonce("esp", "msg_2")
    record(engine, event(K.CLICK, name="x", touch_id="unknown"), nonce=partly)
    assert not record(engine, event(K.CLICK, name="x"), nonce=partly).is_replay


def test_words_stay_in_the_erasable_table_alone(engine: sa.Engine) -> None:
    record(engine, event(K.OBJECTION, text="canary-words", address="canary@x.example"))
    with reading(engine) as connection:
        for table in tables.metadata.sorted_tables:
            shown = str([tuple(row) for row in connection.execute(sa.select(table))])
            assert ("canary" in shown) == (table.name == "contents"), table.name


AGENTS = ["", "Mozilla/5.0", "GoogleImageProxy", "Mozilla/5.0 (compatible; bingbot/2.0)", "python-requests/2.31",
          "Barracuda Sentinel (EE)", "Mimecast", "Slackbot-LinkExpanding 1.0", "curl/8", "HeadlessChrome"]  # fmt: skip
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"


@pytest.mark.parametrize("agent", AGENTS)
def test_programs_are_marked(agent: str) -> None:
    """W8, resend-node#901."""
    late = SENT + timedelta(hours=1)
    assert is_machine(K.CLICK, agent, occurred_at=late, sent_at=SENT)
    assert is_machine(K.OPEN, agent, occurred_at=late, sent_at=None)
    assert not is_machine(K.REPLY, agent, occurred_at=late, sent_at=SENT)


def test_a_click_right_after_the_mail_left_is_a_gateways(engine: sa.Engine) -> None:
    soon = event(K.CLICK, name="soon", occurred_at=SENT + timedelta(seconds=4), user_agent=BROWSER)
    later = event(K.CLICK, name="later", occurred_at=SENT + timedelta(minutes=4), user_agent=BROWSER)
    told = event(K.CLICK, name="told", user_agent=BROWSER, is_machine=True)
    record(engine, soon, later, told)
    marks = {row["event_id"]: bool(row["is_machine"]) for row in rows(engine, tables.provider_events)}
    assert marks == {"soon": True, "later": False, "told": True}


def test_a_ledger_that_is_away_is_a_passing_trouble(tmp_path) -> None:
    lost = open_engine(f"sqlite:///{tmp_path}/ledger.sqlite")
    lost.dispose()
    (tmp_path / "ledger.sqlite").unlink()
    (tmp_path / "ledger.sqlite").mkdir()
    with pytest.raises(PassingError):
        record(lost, event(K.OPT_OUT))


def test_every_kind_under_one_id_lands_once_in_any_order(engine: sa.Engine) -> None:
    kinds = [K.DELIVERED, K.CLICK, K.OPT_OUT, K.COMPLAINT]
    for kind in (*kinds, *reversed(kinds)):
        record(engine, event(kind, name="m-1"))
    assert sorted(str(row["kind"]) for row in rows(engine, tables.provider_events)) == sorted(map(str, kinds))
    assert count(engine, tables.suppressions) == 2


def test_words_read_more_mildly_later_are_the_same_event(engine: sa.Engine) -> None:
    record(engine, event(K.OPT_OUT, name="m-1", text="no more"))
    assert record(engine, event(K.REPLY, name="m-1", text="no more")).landings == (Landing.DUPLICATE,)


def test_a_click_after_a_permission_counts_whatever_was_said_between(engine: sa.Engine) -> None:
    """A "not now" that came between ends of itself, so the click must stand."""
    later = [NOW + timedelta(hours=hours) for hours in range(4)]

    def click(at: datetime) -> Recorded:
        told = [unsubscribe_event(touch_id(1), now=at)]
        return record_events(engine, told, now=at, hash_address=ADDRESSES.hash, sender_id="main")

    def told_again(kind: K, at: datetime) -> Recorded:
        told = [event(kind, name="e-old")]
        return record_events(engine, told, now=at, hash_address=ADDRESSES.hash, sender_id="main")

    told_again(K.OPT_OUT, later[0])
    click(later[0])
    with writing(engine) as connection:
        record_words(connection, [Entry("email", Stance.ALLOWED, "express_consent", "form",
                                        address_hash=ADDRESSES.hash(email_of(1)), since=later[1])],
                     now=later[1])  # fmt: skip
    record_events(engine, [event(K.NOT_NOW, name="n", occurred_at=later[2])], now=later[2],
                  hash_address=ADDRESSES.hash, sender_id="main")  # fmt: skip
    assert told_again(K.OPT_OUT, later[3]).landings == (Landing.DUPLICATE,)
    assert click(later[3]).landings == (Landing.RECORDED,)
    assert click(later[3] + timedelta(seconds=1)).landings == (Landing.DUPLICATE,)


def test_a_request_for_erasure_from_an_address_alone_has_its_clock_too(engine: sa.Engine) -> None:
    asks = {"touch_id": None, "channel": Channel.EMAIL, "detail": "asks_for_erasure"}
    for name, address in (("a", email_of(2)), ("b", "new@y.example"), ("c", "new@y.example")):
        record(engine, event(K.OBJECTION, name=name, address=address, **asks))
    record(engine, event(K.CLICK, name="d", detail="asks_for_erasure"))
    asked = {row["person_id"] for row in rows(engine, tables.rights_requests)}
    assert asked == {"person-2", ADDRESSES.hash("new@y.example")}
    assert count(engine, tables.rights_requests) == 2
