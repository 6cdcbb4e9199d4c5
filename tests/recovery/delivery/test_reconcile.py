"""Giving an unknown touch to the far end again is a send like any other, and never makes it anything but known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bench.delivery_world import NOON, Clock, RecordingSink, approved, delivered, make_delivery, make_touch
from recovery.delivery.control import cancel_batch, pause_batch, stop_batch
from recovery.delivery.counts import count_batch
from recovery.delivery.deliver import Order
from recovery.delivery.rates import RateLimit
from recovery.delivery.words import TouchState, deferred, refused
from recovery.delivery.worker import Terms
from recovery.ledger import Ledger
from recovery.sinks.protocol import Receipt, ReceiptStatus

LATER = NOON + timedelta(minutes=30)


class Keyed(RecordingSink):
    """A far end that drops what it has."""

    has_idempotency_key = True


def unclear(touch: Any) -> Receipt:
    return Receipt(touch.touch_id, ReceiptStatus.UNKNOWN, code="timeout")


def unknown_batch(ledger: Ledger, engine: sa.Engine, folder: Path, touches: int = 10) -> str:
    """A batch on its way, of which nobody knows what became; one touch is not due yet."""
    later = make_touch(touches, opens=NOON + timedelta(days=1))
    batch = approved(ledger, engine, [*(make_touch(n) for n in range(touches)), later])
    make_delivery(engine, folder, behaviour=unclear).run(Order())
    assert count_batch(engine, batch).total(TouchState.UNKNOWN) == touches
    return batch


def again(engine: sa.Engine, folder: Path, order: Order | None = None, **how: Any) -> int:
    """Deliver later with a far end that says yes; returns how many touches it was handed."""
    before = sum(delivered(folder).values())
    given = {"open_sink": lambda: Keyed(folder)} | how
    make_delivery(engine, folder, clock=Clock(LATER), **given).run(order or Order())
    return sum(delivered(folder).values()) - before


def stop(engine: sa.Engine, batch: str) -> None:
    stop_batch(engine, batch, reason="3 complaints", now=NOON)


def pause(engine: sa.Engine, batch: str) -> None:
    pause_batch(engine, batch, reason="words", now=NOON)


def cancel(engine: sa.Engine, batch: str) -> None:
    pause(engine, batch)
    cancel_batch(engine, batch, reason="words", now=NOON)


@pytest.mark.parametrize("end", [stop, pause, cancel])
def test_nothing_of_a_batch_that_was_stopped_is_given_again(
    ledger: Ledger, engine: sa.Engine, tmp_path: Path, end: Callable[[sa.Engine, str], None]
) -> None:
    batch = unknown_batch(ledger, engine, tmp_path)
    end(engine, batch)
    assert again(engine, tmp_path) == 0
    assert count_batch(engine, batch).total(TouchState.UNKNOWN) == 10


def test_only_the_batch_that_was_asked_for_is_given_again(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    batch = unknown_batch(ledger, engine, tmp_path)
    assert again(engine, tmp_path, Order(batch_id="another")) == 0
    assert again(engine, tmp_path, Order(batch_id=batch)) == 10


def test_limits_of_the_sink_bind(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    batch = unknown_batch(ledger, engine, tmp_path)
    before = sum(delivered(tmp_path).values())
    delivery = make_delivery(engine, tmp_path, clock=Clock(LATER), open_sink=lambda: Keyed(tmp_path))
    delivery.routes = [replace(delivery.routes[0], terms=Terms(rates=(RateLimit(3, 3_600),), look_seconds=0))]
    delivery.run(Order())
    assert sum(delivered(tmp_path).values()) - before == 3
    assert count_batch(engine, batch).total(TouchState.UNKNOWN) == 7


@pytest.mark.parametrize("verdict", [refused("opted_out"), deferred(LATER + timedelta(hours=9), "quiet_hours")])
def test_whoever_may_no_longer_be_written_to_stays_unknown(
    ledger: Ledger, engine: sa.Engine, tmp_path: Path, verdict: Any
) -> None:
    batch = unknown_batch(ledger, engine, tmp_path)
    assert again(engine, tmp_path, recheck=lambda touches, now: {t.touch_id: verdict for t in touches}) == 0
    assert count_batch(engine, batch).total(TouchState.UNKNOWN) == 10


@pytest.mark.parametrize("status", [ReceiptStatus.PASSING, ReceiptStatus.UNKNOWN])
def test_no_answer_leaves_it_unknown(ledger: Ledger, engine: sa.Engine, tmp_path: Path, status: ReceiptStatus) -> None:
    batch = unknown_batch(ledger, engine, tmp_path)
    again(engine, tmp_path, open_sink=lambda: Keyed(tmp_path, lambda touch: Receipt(touch.touch_id, status)))
    assert count_batch(engine, batch).total(TouchState.UNKNOWN) == 10
