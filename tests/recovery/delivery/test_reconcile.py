"""Asking again about unknown touches is a send like any other: brakes, limits and order hold, and doubt stays doubt."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench.delivery_world import NOON, Behaviour, Clock, RecordingSink, accept, approved, make_delivery, make_touch
from recovery.delivery.control import cancel_batch, pause_batch, resume_batch, stop_batch
from recovery.delivery.counts import count_batch
from recovery.delivery.deliver import Delivery, Order
from recovery.delivery.handle import allow_all
from recovery.delivery.rates import RateLimit
from recovery.delivery.reconcile import list_unknown
from recovery.delivery.words import Recheck, TouchState, Verdict, deferred, refused
from recovery.delivery.worker import Terms
from recovery.ledger import Ledger
from recovery.ledger import schema as tables
from recovery.ledger.engine import writing
from recovery.sinks.protocol import OutgoingTouch, Receipt, ReceiptStatus

LATER = NOON + timedelta(minutes=30)
UNKNOWN = {(TouchState.UNKNOWN, "no_clear_answer"): 10}


class Keyed(RecordingSink):
    """A far end that drops what it has."""

    has_idempotency_key = True


class Shelf:
    """A delivery over a far end with an idempotency key; what it was handed counts from 0 at every run."""

    def __init__(self, engine: sa.Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.handed: list[str] = []

    def delivery(self, behaviour: Behaviour, at: datetime, recheck: Recheck = allow_all) -> Delivery:
        def taken(touch: OutgoingTouch) -> Receipt:
            self.handed.append(touch.touch_id)
            return behaviour(touch)

        self.handed = []
        keyed = lambda: Keyed(self.folder, taken)  # noqa: E731
        return make_delivery(self.engine, self.folder, clock=Clock(at), recheck=recheck, open_sink=keyed)


def unclear(touch: OutgoingTouch) -> Receipt:
    return Receipt(touch.touch_id, ReceiptStatus.UNKNOWN, code="timeout")


def passing(touch: OutgoingTouch) -> Receipt:
    return Receipt(touch.touch_id, ReceiptStatus.PASSING, code="503")


@pytest.fixture
def shelf(engine: sa.Engine, tmp_path: Path) -> Shelf:
    return Shelf(engine, tmp_path)


def half_unknown(shelf: Shelf, ledger: Ledger) -> str:
    """A running batch: ten touches are unknown, ten are due in an hour."""
    opens = [NOON - timedelta(hours=1)] * 10 + [NOON + timedelta(hours=1)] * 10
    batch = approved(ledger, shelf.engine, [make_touch(n, opens=moment) for n, moment in enumerate(opens)])
    shelf.delivery(unclear, NOON).run(Order())
    assert count_batch(shelf.engine, batch).total(TouchState.UNKNOWN) == 10
    return batch


def all_unknown(shelf: Shelf, ledger: Ledger) -> str:
    batch = approved(ledger, shelf.engine, [make_touch(n) for n in range(10)])
    shelf.delivery(unclear, NOON).run(Order())
    assert count_batch(shelf.engine, batch).by_state == UNKNOWN
    return batch


def test_a_stopped_batch_is_not_asked_about_by_sending_until_it_goes_on(shelf: Shelf, ledger: Ledger) -> None:
    batch = half_unknown(shelf, ledger)
    stop_batch(shelf.engine, batch, reason="3 complaints", now=NOON)
    shelf.delivery(accept, LATER).run(Order())
    assert shelf.handed == []
    resume_batch(shelf.engine, batch, reason="looked into", now=LATER)
    shelf.delivery(accept, LATER).run(Order())
    assert len(shelf.handed) == 10


def test_a_cancelled_batch_sends_nothing_more(shelf: Shelf, ledger: Ledger) -> None:
    batch = half_unknown(shelf, ledger)
    pause_batch(shelf.engine, batch, reason="wait", now=NOON)
    cancel_batch(shelf.engine, batch, reason="wrong words", now=NOON)
    shelf.delivery(accept, LATER).run(Order())
    assert shelf.handed == []
    assert count_batch(shelf.engine, batch).total(TouchState.UNKNOWN) == 10


def test_the_breaker_holds_a_finished_batch_too(shelf: Shelf, ledger: Ledger) -> None:
    batch = all_unknown(shelf, ledger)
    with writing(shelf.engine) as connection:
        rows = [
            {"provider": "p", "event_id": str(n), "touch_id": f"t{n:07d}-1", "kind": "complaint", "occurred_at": NOON,
             "received_at": NOON} for n in range(3)
        ]  # fmt: skip
        connection.execute(sa.insert(tables.provider_events), rows)
    shelf.delivery(accept, LATER).run(Order())
    assert shelf.handed == []
    assert count_batch(shelf.engine, batch).by_state == UNKNOWN


def test_rate_limits_hold_for_what_is_handed_over_again(shelf: Shelf, ledger: Ledger) -> None:
    batch = all_unknown(shelf, ledger)
    delivery = shelf.delivery(accept, LATER)
    delivery.routes = [replace(delivery.routes[0], terms=Terms(rates=(RateLimit(1, 3600),), look_seconds=0.0))]
    delivery.run(Order())
    assert len(shelf.handed) == 1
    assert count_batch(shelf.engine, batch).total(TouchState.UNKNOWN) == 9


def test_a_run_for_one_batch_leaves_the_others_alone(shelf: Shelf, ledger: Ledger) -> None:
    unclear_batch = half_unknown(shelf, ledger)
    other = approved(ledger, shelf.engine, [make_touch(77)], as_of=NOON.date() + timedelta(days=1))
    shelf.delivery(accept, LATER).run(Order(batch_id=other))
    assert shelf.handed == ["t0000077-1"]
    assert count_batch(shelf.engine, unclear_batch).total(TouchState.UNKNOWN) == 10


@pytest.mark.parametrize("verdict", [refused("opted_out"), deferred(LATER + timedelta(hours=1), "quiet_hours"), None])
def test_what_may_have_arrived_stays_unknown_when_it_may_not_be_sent_again(
    shelf: Shelf, ledger: Ledger, verdict: Verdict | None
) -> None:
    batch = all_unknown(shelf, ledger)
    recheck = lambda touches, _now: {touch.touch_id: verdict for touch in touches} if verdict else {}  # noqa: E731
    shelf.delivery(accept, LATER, recheck).run(Order())
    assert shelf.handed == []
    assert count_batch(shelf.engine, batch).by_state == UNKNOWN
    assert {touch.since for touch in list_unknown(shelf.engine)} == {NOON}, "nothing was tried since"


def test_a_passing_failure_of_a_second_try_says_nothing_about_the_first(shelf: Shelf, ledger: Ledger) -> None:
    batch = all_unknown(shelf, ledger)
    shelf.delivery(passing, LATER).run(Order())
    assert len(shelf.handed) == 10
    assert count_batch(shelf.engine, batch).by_state == UNKNOWN


def test_words_that_were_erased_meanwhile_leave_the_doubt(shelf: Shelf, ledger: Ledger) -> None:
    batch = all_unknown(shelf, ledger)
    with writing(shelf.engine) as connection:
        connection.execute(sa.delete(tables.contents))
    shelf.delivery(accept, LATER).run(Order())
    assert shelf.handed == []
    assert count_batch(shelf.engine, batch).by_state == UNKNOWN
