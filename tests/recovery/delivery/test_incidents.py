"""Incidents of other systems (D, L and W of the incident list), reproduced; the product holds."""

from __future__ import annotations

import random
import shutil
import threading
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.delivery_world import (
    NOON,
    Clock,
    RecordingSink,
    accept,
    approved,
    delivered,
    make_delivery,
    make_touch,
    make_worker,
    record,
)
from contracts.errors import PermanentError
from contracts.words import Channel
from recovery.delivery.claim import claim_group, reap
from recovery.delivery.control import pause_batch, resume_batch
from recovery.delivery.counts import count_batch
from recovery.delivery.deliver import Order
from recovery.delivery.words import TouchState
from recovery.delivery.worker import Terms
from recovery.ledger import Ledger, open_ledger
from recovery.ledger.engine import make_engine, writing
from recovery.ledger.schema import metadata
from recovery.sinks.protocol import OutgoingTouch, Receipt, ReceiptStatus

EMAIL = [Channel.EMAIL]


def once(touches: int) -> dict[str, int]:
    return {f"t{n:07d}-1": 1 for n in range(touches)}


def test_d1_a_server_that_hangs_up_gets_each_message_once(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    seen = Counter[str]()

    def hangs_up(touch: OutgoingTouch) -> Receipt:
        seen["all"] += 1
        if seen["all"] % 25 == 0:
            return Receipt(touch.touch_id, ReceiptStatus.PASSING, code="closed")
        return accept(touch)

    batch = approved(ledger, engine, [make_touch(n) for n in range(300)], retry_budget=20)
    clock = Clock()
    for _ in range(20):
        make_delivery(engine, tmp_path, behaviour=hangs_up, clock=clock).run(Order())
        clock.sleep(600)
    assert delivered(tmp_path) == once(300)
    assert count_batch(engine, batch).by_state == {(TouchState.SENT, ""): 300}


def test_d2_pauses_and_resumes_at_random_send_nothing_twice(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    batch = approved(ledger, engine, [make_touch(n) for n in range(200)])
    draw = random.Random(7)
    sink = RecordingSink(tmp_path)
    for _ in range(40):
        stop_after = draw.randrange(1, 6)
        calls = iter(range(1_000))
        worker = make_worker(engine, sink, must_stop=lambda c=calls, s=stop_after: next(c) >= s)
        worker.step(batch, sender_id="main", channels=EMAIL)
        if draw.random() < 0.5 and count_batch(engine, batch).open:
            pause_batch(engine, batch, reason="test", now=NOON)
            assert worker.step(batch, sender_id="main", channels=EMAIL).settlements == ()
            resume_batch(engine, batch, reason="test", now=NOON)
    make_delivery(engine, tmp_path).run(Order())
    assert delivered(tmp_path) == once(200)


@pytest.mark.parametrize("answer", ["451", "timeout"])
def test_d3_an_error_after_acceptance_is_unknown_and_never_sent_again(
    ledger: Ledger, engine: sa.Engine, tmp_path: Path, answer: str
) -> None:
    unclear = lambda touch: Receipt(touch.touch_id, ReceiptStatus.UNKNOWN, code=answer)  # noqa: E731
    batch = approved(ledger, engine, [make_touch(n) for n in range(10)])
    for hour in range(5):
        make_delivery(engine, tmp_path, behaviour=unclear, clock=Clock(NOON + timedelta(hours=hour))).run(Order())
    assert delivered(tmp_path) == once(10)
    assert count_batch(engine, batch).total(TouchState.UNKNOWN) == 10


def test_d4_w5_an_expired_touch_never_leaves(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    touches = [make_touch(n, closes=NOON + timedelta(hours=1 if n % 2 else 9)) for n in range(20)]
    batch = approved(ledger, engine, touches)
    make_delivery(engine, tmp_path, clock=Clock(NOON + timedelta(hours=5))).run(Order())
    assert set(delivered(tmp_path)) == {f"t{n:07d}-1" for n in range(0, 20, 2)}
    assert count_batch(engine, batch).by_state == {(TouchState.SENT, ""): 10, (TouchState.SKIPPED, "expired"): 10}


def test_d5_workers_released_from_one_barrier_share_no_touch(url: str, ledger: Ledger, engine: sa.Engine) -> None:
    batch = approved(ledger, engine, [make_touch(n) for n in range(240)])
    barrier, claimed = threading.Barrier(8), list[str]()

    def work() -> None:
        own = make_engine(url, connections=1)
        barrier.wait()
        for _ in range(6):
            claim = claim_group(own, sink="test", batch_id=batch, now=NOON, lease=timedelta(minutes=5), size=5)
            claimed.extend(touch.touch_id for touch in claim.touches)
        own.dispose()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(claimed) == once(240)


def test_d6_d11_one_person_in_five_segments_or_duplicate_rows_gets_one_touch(ledger: Ledger, engine: sa.Engine) -> None:
    with pytest.raises(PermanentError, match="already has this step"):
        record(ledger, [make_touch(1) for _ in range(5)])
    record(ledger, [make_touch(1)])
    with pytest.raises(PermanentError, match="already has this step"):
        record(ledger, [make_touch(1), make_touch(2)], as_of=date(2026, 6, 2))


def test_d7_a_poison_recipient_at_every_position_harms_no_other(tmp_path: Path) -> None:
    for position in range(50):
        folder = tmp_path / str(position)
        folder.mkdir()
        answered = Counter[str]()

        def poisoned(touch: OutgoingTouch, position: int = position, answered: Counter[str] = answered) -> Receipt:
            answered[touch.touch_id] += 1
            if touch.touch_id == f"t{position:07d}-1":
                raise RuntimeError("poison")
            return accept(touch)

        if position == 0:
            template = f"sqlite:///{tmp_path / 'template.sqlite'}"
            with open_ledger(template) as ledger:
                batch = approved(ledger, ledger.engine, [make_touch(n) for n in range(50)])
                with ledger.engine.connect() as connection:
                    connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
        shutil.copyfile(tmp_path / "template.sqlite", folder / "ledger.sqlite")
        engine = make_engine(f"sqlite:///{folder / 'ledger.sqlite'}", connections=3)
        for _ in range(2):
            make_delivery(engine, folder, behaviour=poisoned).run(Order())
        counts = count_batch(engine, batch)
        engine.dispose()
        assert max(answered.values()) == 1
        assert counts.is_conserved
        assert counts.open == 0
        assert counts.total(TouchState.UNKNOWN) <= 25  # at most the slice of the poison


@pytest.mark.parametrize("leases", [0.5, 3.0])
def test_d9_a_handler_that_outlives_its_lease_sends_once(
    ledger: Ledger, engine: sa.Engine, tmp_path: Path, leases: float
) -> None:
    clock, lease = Clock(), timedelta(minutes=5)

    def slow(touch: OutgoingTouch) -> Receipt:
        clock.now += leases * lease / 10
        return accept(touch)

    batch = approved(ledger, engine, [make_touch(n) for n in range(20)])
    worker = make_worker(engine, RecordingSink(tmp_path, slow), clock=clock, terms=Terms(lease=lease, group=20))
    other = make_worker(engine, RecordingSink(tmp_path), clock=clock, terms=Terms(lease=lease))
    real, hands = worker._mark, []

    def late(claim, settlements):  # somebody else looks in before the mark
        hands.append(reap(engine, now=clock(), worker="other"))
        other.step(batch, sender_id="main", channels=EMAIL)
        return real(claim, settlements)

    worker._mark = late  # type: ignore[method-assign]
    worker.step(batch, sender_id="main", channels=EMAIL)
    make_delivery(engine, tmp_path, clock=clock).run(Order())
    assert max(delivered(tmp_path).values()) == 1
    assert count_batch(engine, batch).by_state == {(TouchState.SENT, ""): 20}
    assert (hands[0] > 0) == (leases > 1)


def test_d10_two_runs_at_once_and_a_rerun_of_a_finished_batch(url: str, ledger: Ledger, engine, tmp_path) -> None:
    approved(ledger, engine, [make_touch(n) for n in range(120)])
    barrier = threading.Barrier(2)

    def run() -> None:
        own = make_engine(url, connections=4)
        delivery = make_delivery(own, tmp_path, workers=2, terms=Terms(group=10))
        barrier.wait()
        delivery.run(Order())
        own.dispose()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    make_delivery(engine, tmp_path).run(Order())
    assert delivered(tmp_path) == once(120)


@given(st.lists(st.sampled_from(list(ReceiptStatus)), min_size=1, max_size=60), st.integers(0, 3))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_l1_target_is_the_sum_of_all_outcomes(
    tmp_path_factory: pytest.TempPathFactory, ledger_templates, answers: list[ReceiptStatus], held: int
) -> None:
    folder = tmp_path_factory.mktemp("conserved")
    url = ledger_templates.fresh("sqlite", folder)
    draws = iter(answers * 200)
    with open_ledger(url) as ledger:
        touches = [make_touch(n, arm="held_out" if n < held else "contacted") for n in range(40)]
        batch = approved(ledger, ledger.engine, touches)
        clock = Clock()
        for _ in range(3):
            delivery = make_delivery(
                ledger.engine, folder, behaviour=lambda t: Receipt(t.touch_id, next(draws)), clock=clock
            )
            delivery.run(Order())
            clock.sleep(900)
            assert count_batch(ledger.engine, batch).is_conserved
        assert all(count == 1 for count in delivered(folder).values())


def test_l1_missing_rows_are_refused_not_reported_as_done(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    approved(ledger, engine, [make_touch(n) for n in range(10)])
    touches = metadata.tables["touches"]
    with writing(engine) as connection:
        connection.execute(sa.delete(touches).where(touches.c.touch_id == "t0000004-1"))
    with pytest.raises(PermanentError, match="made of 10 touches and 9 are there"):
        make_delivery(engine, tmp_path).run(Order())


def test_l2_people_who_share_an_address_each_keep_their_touch(
    ledger: Ledger, engine: sa.Engine, tmp_path: Path
) -> None:
    touches = [make_touch(n, address=f"office{n % 10}@firm.example") for n in range(200)]
    approved(ledger, engine, touches)
    make_delivery(engine, tmp_path, workers=2).run(Order())
    assert delivered(tmp_path) == once(200)
