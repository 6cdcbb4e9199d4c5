"""Limits, breakers, jumping clocks and failing stores (N of the incident list and more), reproduced."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.delivery_world import (
    KEY,
    NOON,
    Clock,
    RecordingSink,
    accept,
    approved,
    delivered,
    make_delivery,
    make_touch,
    make_worker,
)
from contracts.errors import PassingError
from contracts.words import Channel
from recovery.delivery.canary import Canary
from recovery.delivery.counts import count_batch
from recovery.delivery.deliver import Order
from recovery.delivery.figures import DEFAULT_LIMITS, Figures, judge, warn
from recovery.delivery.rates import RateLimit
from recovery.delivery.words import TouchState
from recovery.delivery.worker import Outcome, Terms
from recovery.ledger import BatchState, Ledger, open_ledger
from recovery.ledger.engine import writing
from recovery.ledger.schema import metadata
from recovery.sinks.protocol import OutgoingTouch, Receipt, ReceiptStatus

EMAIL = [Channel.EMAIL]


def once(touches: int) -> dict[str, int]:
    return {f"t{n:07d}-1": 1 for n in range(touches)}


@given(
    st.lists(st.tuples(st.integers(1, 12), st.floats(0, 20)), min_size=5, max_size=40),
    st.integers(1, 20),
    st.floats(1, 60),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_n1_no_sliding_window_holds_more_than_the_limit(
    tmp_path_factory: pytest.TempPathFactory, ledger_templates, work, most: int, window: float
) -> None:
    folder = tmp_path_factory.mktemp("rates")
    clock, sent = Clock(), list[datetime]()

    def timed(touch: OutgoingTouch) -> Receipt:
        sent.append(clock.now)
        clock.sleep(0.3)
        return accept(touch)

    terms = Terms(rates=(RateLimit(most, window), RateLimit(3 * most, 5 * window)))
    with open_ledger(ledger_templates.fresh("sqlite", folder)) as ledger:
        batch = approved(ledger, ledger.engine, [make_touch(n) for n in range(200)])
        sink = RecordingSink(folder, timed)
        for size, pause in work:
            worker = make_worker(ledger.engine, sink, clock=clock, terms=Terms(rates=terms.rates, group=size))
            worker.step(batch, sender_id="main", channels=EMAIL)
            clock.sleep(pause)
    assert sent
    for limit in terms.rates:
        for start in sent:
            inside = sum(start <= moment < start + timedelta(seconds=limit.seconds) for moment in sent)
            assert inside <= limit.count


def test_n1_the_limit_is_used_and_holds_over_many_workers(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    batch = approved(ledger, engine, [make_touch(n) for n in range(200)])
    clock, terms = Clock(), Terms(rates=(RateLimit(30, 60.0),))
    workers = [make_worker(engine, RecordingSink(tmp_path), clock=clock, terms=terms) for _ in range(3)]
    outcomes = [w.step(batch, sender_id="main", channels=EMAIL).outcome for w in workers]
    assert outcomes == [Outcome.WORKED, Outcome.WAITS, Outcome.WAITS]
    assert sum(delivered(tmp_path).values()) == 30
    clock.sleep(59.9)
    assert workers[1].step(batch, sender_id="main", channels=EMAIL).outcome is Outcome.WAITS
    clock.sleep(0.2)
    assert workers[1].step(batch, sender_id="main", channels=EMAIL).outcome is Outcome.WORKED
    assert sum(delivered(tmp_path).values()) == 60


def test_n2_the_first_slice_goes_alone_and_a_bounce_storm_stops_the_rest(
    ledger: Ledger, engine: sa.Engine, tmp_path: Path
) -> None:
    def bounces(touch: OutgoingTouch) -> Receipt:
        if int(touch.touch_id[1:8]) % 20 == 0:
            return Receipt(touch.touch_id, ReceiptStatus.REFUSED, code="550 5.1.1", is_hard_bounce=True)
        return accept(touch)

    batch = approved(ledger, engine, [make_touch(n) for n in range(600)])
    clock, terms = Clock(), Terms(canary=Canary(200, timedelta(minutes=30)))
    make_delivery(engine, tmp_path, behaviour=bounces, clock=clock, terms=terms, workers=2).run(Order())
    counts = count_batch(engine, batch)
    assert counts.total(TouchState.SENT, TouchState.FAILED) == 200
    clock.sleep(3_600)
    make_delivery(engine, tmp_path, behaviour=bounces, clock=clock, terms=terms).run(Order())
    assert count_batch(engine, batch).total(TouchState.APPROVED) == 400
    (stopped,) = ledger.batches()
    assert stopped.state is BatchState.STOPPED
    assert "bounced for good" in stopped.state_reason


def test_n2_a_well_received_slice_is_followed_by_the_rest(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    batch = approved(ledger, engine, [make_touch(n) for n in range(130)])
    clock, terms = Clock(), Terms(canary=Canary(60, timedelta(seconds=20)))
    report = make_delivery(engine, tmp_path, clock=clock, terms=terms).run(Order())
    assert sum(delivered(tmp_path).values()) == 60
    assert report.counts[0].open == 70
    make_delivery(engine, tmp_path, clock=clock, terms=terms).run(Order(patience=timedelta(seconds=30)))
    assert delivered(tmp_path) == once(130)
    assert count_batch(engine, batch).open == 0


@pytest.mark.parametrize(
    ("figures", "channel", "stops"),
    [
        (Figures(tried=199, hard_bounces=199), Channel.EMAIL, False),
        (Figures(tried=200, hard_bounces=4), Channel.EMAIL, False),
        (Figures(tried=200, hard_bounces=5), Channel.EMAIL, True),
        (Figures(week_sent=50, week_complaints=2), Channel.EMAIL, False),
        (Figures(week_sent=50_000, week_complaints=3), Channel.EMAIL, True),
        (Figures(week_sent=999, week_complaints=2), Channel.EMAIL, False),
        (Figures(tried=200, opt_outs=2), Channel.SMS, True),
        (Figures(tried=200, opt_outs=1), Channel.SMS, False),
        (Figures(tried=200, opt_outs=9), Channel.EMAIL, False),
        (Figures(tried=200, errors=10), Channel.SMS, True),
        (Figures(tried=200, errors=9), Channel.SMS, False),
    ],
)
def test_n2_batches_stop_at_the_published_figures(figures: Figures, channel: Channel, stops: bool) -> None:
    assert (judge(figures, channel, DEFAULT_LIMITS) is not None) == stops


def test_n2_complaints_that_come_later_stop_the_batch(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    batch = approved(ledger, engine, [make_touch(n) for n in range(100)])
    worker = make_worker(engine, RecordingSink(tmp_path))
    worker.step(batch, sender_id="main", channels=EMAIL)
    with writing(engine) as connection:
        connection.execute(
            sa.insert(metadata.tables["provider_events"]),
            [
                {"provider": "p", "event_id": str(n), "touch_id": f"t{n:07d}-1", "kind": "complaint",
                 "occurred_at": NOON, "received_at": NOON}
                for n in range(3)
            ],
        )  # fmt: skip
    assert worker.step(batch, sender_id="main", channels=EMAIL).outcome is Outcome.STOPPED
    assert sum(delivered(tmp_path).values()) == 50


def addressed(kind: str, numbers: range) -> list[dict[str, object]]:
    """Events that name an address alone."""
    moment = NOON + timedelta(minutes=1)
    return [
        {"provider": "fbl", "event_id": f"{kind}{n}", "address_hash": KEY.hash(f"lead{n}@people.example"), "kind": kind,
         "occurred_at": moment, "received_at": moment} for n in numbers
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["complaint", "hard_bounce"])
def test_n2_events_that_name_an_address_alone_stop_the_batch(
    ledger: Ledger, engine: sa.Engine, tmp_path: Path, kind: str
) -> None:
    approved(ledger, engine, [make_touch(n) for n in range(500)])
    terms = Terms(canary=Canary(200, timedelta(minutes=30)), look_seconds=0.0)
    make_delivery(engine, tmp_path, terms=terms).run(Order())
    with writing(engine) as connection:
        rows = addressed(kind, range(5 if kind == "hard_bounce" else 3))
        rows += addressed(kind, range(9_000, 9_003))  # of people who were never written to
        connection.execute(sa.insert(metadata.tables["provider_events"]), rows)
    make_delivery(engine, tmp_path, terms=terms, clock=Clock(NOON + timedelta(hours=1))).run(Order())
    assert sum(delivered(tmp_path).values()) == 200
    (stopped,) = ledger.batches()
    assert stopped.state is BatchState.STOPPED
    assert ("3 complaints" if kind == "complaint" else "5 of 200 bounced") in stopped.state_reason


@pytest.mark.parametrize(
    ("figures", "warns"),
    [
        (Figures(week_sent=5_000, week_complaints=0), False),
        (Figures(week_sent=5_000, week_complaints=2), False),
        (Figures(week_sent=2_000, week_complaints=2), True),
        (Figures(week_sent=0, week_complaints=1), True),
    ],
)
def test_m03_complaints_near_the_limit_are_told(figures: Figures, warns: bool) -> None:
    told = warn(figures, Channel.EMAIL, DEFAULT_LIMITS)
    assert (told is not None) == warns


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_clock_that_jumps_sends_nothing_twice(
    ledger: Ledger, engine: sa.Engine, tmp_path: Path, jump: timedelta
) -> None:
    clock = Clock()
    jumps = iter([15, 40, 90])
    at = [next(jumps)]
    count = Counter[str]()

    def jumpy(touch: OutgoingTouch) -> Receipt:
        count["all"] += 1
        if count["all"] == at[0]:
            clock.now += jump
            at[0] = next(jumps, 10**9)
        return accept(touch)

    approved(ledger, engine, [make_touch(n) for n in range(120)])
    for _ in range(4):
        make_delivery(engine, tmp_path, behaviour=jumpy, clock=clock).run(Order())
        clock.sleep(1_800)
    assert max(delivered(tmp_path).values()) == 1


@pytest.mark.parametrize("fault", ["disk I/O error", "database or disk is full", "server closed the connection"])
@pytest.mark.parametrize(
    "name", ["claim.before_commit", "claim.after_commit", "mark.before_commit", "mark.after_commit"]
)
def test_a_ledger_that_fails_at_a_commit_sends_nothing_twice(
    ledger: Ledger, engine: sa.Engine, tmp_path: Path, fault: str, name: str
) -> None:
    from recovery import failpoints

    def fail() -> None:
        raise sa.exc.OperationalError(name, {}, Exception(fault))

    batch = approved(ledger, engine, [make_touch(n) for n in range(60)])
    failpoints.arm(name, occurrence=1, act=fail)
    try:
        try:
            make_delivery(engine, tmp_path).run(Order())
        except (PassingError, sa.exc.OperationalError):
            assert name.startswith("claim") or name == "mark.after_commit"
    finally:
        failpoints.disarm()
    make_delivery(engine, tmp_path, clock=Clock(NOON + timedelta(minutes=10))).run(Order())
    counts = count_batch(engine, batch)
    assert max(delivered(tmp_path).values()) == 1
    assert counts.is_conserved
    assert counts.open == 0
