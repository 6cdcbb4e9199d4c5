"""A batch leaves once and completely, whatever the far end says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

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
)
from contracts.words import Channel
from recovery.delivery.control import cancel_batch, pause_batch, resume_batch
from recovery.delivery.counts import count_batch
from recovery.delivery.deliver import Order
from recovery.delivery.reconcile import list_unknown, replay, resolve
from recovery.delivery.words import Reason, TouchState, deferred, refused
from recovery.delivery.worker import Outcome
from recovery.ledger import BatchState, Ledger
from recovery.ledger.audit import verify_chain
from recovery.ledger.engine import reading
from recovery.ledger.schema import metadata
from recovery.sinks.protocol import OutgoingTouch, Receipt, ReceiptStatus, SinkUnusableError

CHANNELS = [Channel.EMAIL]


def state_of(ledger: Ledger, batch_id: str) -> BatchState:
    return next(batch.state for batch in ledger.batches() if batch.batch_id == batch_id)


def test_a_batch_leaves_once_and_completely(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    touches = [make_touch(n, arm="held_out" if n % 10 == 0 else "contacted") for n in range(130)]
    batch = approved(ledger, engine, touches)
    report = make_delivery(engine, tmp_path, workers=2).run(Order())
    (counts,) = report.counts
    assert counts.by_state == {(TouchState.SENT, ""): 117, (TouchState.SKIPPED, "held_out"): 13}
    assert counts.is_conserved
    assert state_of(ledger, batch) is BatchState.FINISHED
    assert delivered(tmp_path) == {touch.touch_id: 1 for touch in touches if touch.arm == "contacted"}
    make_delivery(engine, tmp_path).run(Order())
    assert sum(delivered(tmp_path).values()) == 117
    with reading(engine) as connection:
        assert verify_chain(connection).is_whole
        assert connection.execute(sa.select(sa.func.count()).select_from(metadata.tables["attempts"])).scalar() == 117


def test_nothing_leaves_without_approval(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    from bench.delivery_world import record

    batch = record(ledger, [make_touch(1)])
    make_delivery(engine, tmp_path).run(Order())
    make_delivery(engine, tmp_path).run(Order(batch_id=batch.batch_id))
    assert not delivered(tmp_path)
    assert count_batch(engine, batch.batch_id).by_state == {(TouchState.PLANNED, ""): 1}


def test_every_answer_has_its_counted_outcome(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    answers = {
        "t0000000-1": ReceiptStatus.SENT,
        "t0000001-1": ReceiptStatus.REFUSED,
        "t0000002-1": ReceiptStatus.PASSING,
        "t0000003-1": ReceiptStatus.UNKNOWN,
        "t0000004-1": ReceiptStatus.REFUSED,
    }

    def answer(touch: OutgoingTouch) -> Receipt:
        hard = touch.touch_id == "t0000004-1"
        return Receipt(touch.touch_id, answers[touch.touch_id], code="550 5.1.1" if hard else "x", is_hard_bounce=hard)

    batch = approved(ledger, engine, [make_touch(n) for n in range(5)])
    make_delivery(engine, tmp_path, behaviour=answer).run(Order())
    assert count_batch(engine, batch).by_state == {
        (TouchState.SENT, ""): 1,
        (TouchState.FAILED, "refused"): 1,
        (TouchState.FAILED, "hard_bounce"): 1,
        (TouchState.APPROVED, "retry"): 1,
        (TouchState.UNKNOWN, "no_clear_answer"): 1,
    }
    with reading(engine) as connection:
        blocked = connection.execute(sa.select(metadata.tables["suppressions"])).all()
    assert [(row.person_id, row.reason, row.channel) for row in blocked] == [("person-0000004", "hard_bounce", "email")]


def test_a_passing_failure_is_tried_again_within_bounds_and_kept(
    ledger: Ledger, engine: sa.Engine, tmp_path: Path
) -> None:
    tries: list[str] = []

    def busy(touch: OutgoingTouch) -> Receipt:
        tries.append(touch.touch_id)
        return Receipt(touch.touch_id, ReceiptStatus.PASSING, code="451")

    batch = approved(ledger, engine, [make_touch(1)], retry_budget=3)
    make_delivery(engine, tmp_path, behaviour=busy).run(Order(patience=timedelta(hours=6)))
    assert len(tries) == 3
    counts = count_batch(engine, batch)
    assert counts.by_state == {(TouchState.FAILED, "retries_exhausted"): 1}
    assert counts.dead_letters == 1
    assert state_of(ledger, batch) is BatchState.FINISHED
    assert replay(engine, batch, by="ann", now=NOON + timedelta(hours=1)) == 1
    make_delivery(engine, tmp_path, clock=Clock(NOON + timedelta(hours=1))).run(Order())
    assert count_batch(engine, batch).by_state == {(TouchState.SENT, ""): 1}
    assert replay(engine, batch, by="ann", now=NOON) == 0


def test_the_recheck_has_the_last_word(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    def recheck(touches, now):
        verdicts = {
            "t0000001-1": refused("opted_out"),
            "t0000002-1": deferred(now + timedelta(hours=1), "quiet_hours"),
            "t0000003-1": deferred(now + timedelta(days=3), "frequency_cap"),
        }
        return {touch.touch_id: verdicts[touch.touch_id] for touch in touches if touch.touch_id in verdicts}

    clock = Clock()
    batch = approved(ledger, engine, [make_touch(n) for n in range(5)])
    report = make_delivery(engine, tmp_path, recheck=recheck, clock=clock).run(Order())
    assert not delivered(tmp_path)
    assert count_batch(engine, batch).by_state == {
        (TouchState.SKIPPED, "opted_out"): 1,
        (TouchState.APPROVED, "quiet_hours"): 1,
        (TouchState.SKIPPED, "expired"): 1,
        (TouchState.APPROVED, "undecided"): 2,
    }
    assert report.next_due == NOON + timedelta(minutes=15)


def test_an_unknown_touch_is_shown_and_resolved_by_a_human(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    batch = approved(ledger, engine, [make_touch(n) for n in range(2)])
    unclear = lambda touch: Receipt(touch.touch_id, ReceiptStatus.UNKNOWN, code="timeout")  # noqa: E731
    for _ in range(3):
        make_delivery(engine, tmp_path, behaviour=unclear).run(Order())
    assert set(delivered(tmp_path).values()) == {1}
    first, second = list_unknown(engine)
    resolve(engine, first.touch_id, ReceiptStatus.SENT, by="ann", now=NOON)
    resolve(engine, second.touch_id, ReceiptStatus.PASSING, by="ann", now=NOON)
    assert count_batch(engine, batch).by_state == {
        (TouchState.SENT, ""): 1,
        (TouchState.FAILED, Reason.FOUND_NOT_SENT.value): 1,
    }


class Lookup(RecordingSink):
    """A far end that can be asked."""

    def look_up(self, touch_ids):
        return {name: ReceiptStatus.SENT if name < "t0000003" else ReceiptStatus.PASSING for name in touch_ids}


class Keyed(RecordingSink):
    """A far end that drops what it has."""

    has_idempotency_key = True


@pytest.mark.parametrize("kind", [Lookup, Keyed])
def test_unknown_touches_are_reconciled_where_the_sink_can_say(
    ledger: Ledger, engine: sa.Engine, tmp_path: Path, kind: type[RecordingSink]
) -> None:
    unclear = lambda touch: Receipt(touch.touch_id, ReceiptStatus.UNKNOWN)  # noqa: E731
    batch = approved(ledger, engine, [make_touch(n) for n in range(5)])
    make_delivery(engine, tmp_path, behaviour=unclear).run(Order())
    clock = Clock(NOON + timedelta(minutes=4))
    make_delivery(engine, tmp_path, clock=clock, open_sink=lambda: kind(tmp_path, accept)).run(Order())
    assert count_batch(engine, batch).total(TouchState.UNKNOWN) == 5, "its worker may still be alive"
    clock.now = NOON + timedelta(minutes=6)
    make_delivery(engine, tmp_path, clock=clock, open_sink=lambda: kind(tmp_path, accept)).run(Order())
    expected = {(TouchState.SENT, ""): 3, (TouchState.FAILED, "found_not_sent"): 2}
    assert count_batch(engine, batch).by_state == (expected if kind is Lookup else {(TouchState.SENT, ""): 5})


def test_a_sink_that_cannot_send_gives_everything_back(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    def broken(touch: OutgoingTouch) -> Receipt:
        raise SinkUnusableError("The password is wrong.", where="smtp")

    batch = approved(ledger, engine, [make_touch(n) for n in range(60)])
    report = make_delivery(engine, tmp_path, behaviour=broken).run(Order())
    assert "password" in report.troubles["test"].what
    assert count_batch(engine, batch).total(TouchState.APPROVED) == 60
    make_delivery(engine, tmp_path).run(Order())
    assert count_batch(engine, batch).by_state == {(TouchState.SENT, ""): 60}


def test_garbage_of_a_sink_is_not_believed(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    class Garbage(RecordingSink):
        def send(self, touches):
            receipts = list(super().send(touches))
            foreign = Receipt("somebody-else", ReceiptStatus.SENT)
            return [foreign, *receipts[2:], receipts[-1]]  # two without receipt, one with two

    batch = approved(ledger, engine, [make_touch(n) for n in range(10)])
    make_delivery(engine, tmp_path, open_sink=lambda: Garbage(tmp_path)).run(Order())
    counts = count_batch(engine, batch)
    assert counts.total(TouchState.SENT) == 7
    assert counts.total(TouchState.UNKNOWN) == 3
    assert counts.is_conserved


@pytest.mark.parametrize("position", range(0, 25, 6))
def test_a_poison_touch_harms_no_other(ledger: Ledger, engine: sa.Engine, tmp_path: Path, position: int) -> None:
    def poisoned(touch: OutgoingTouch) -> Receipt:
        if touch.touch_id == f"t{position:07d}-1":
            return Receipt(touch.touch_id, ReceiptStatus.REFUSED, code="550")
        return accept(touch)

    batch = approved(ledger, engine, [make_touch(n) for n in range(25)])
    for _ in range(3):
        make_delivery(engine, tmp_path, behaviour=poisoned).run(Order())
    assert count_batch(engine, batch).by_state == {(TouchState.SENT, ""): 24, (TouchState.FAILED, "refused"): 1}
    assert set(delivered(tmp_path).values()) == {1}


def test_words_that_changed_or_were_erased_do_not_leave(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    batch = approved(ledger, engine, [make_touch(n) for n in range(4)])
    contents = metadata.tables["contents"]
    with engine.begin() as connection:
        connection.execute(sa.delete(contents).where(contents.c.ref_id == "t0000001-1"))
        connection.execute(sa.update(contents).where(contents.c.ref_id == "t0000002-1").values(text="Hello other"))
        connection.execute(sa.update(contents).where(contents.c.ref_id == "t0000003-1").values(extra="no json"))
    make_delivery(engine, tmp_path).run(Order())
    assert delivered(tmp_path) == {"t0000000-1": 1}
    assert count_batch(engine, batch).by_state == {
        (TouchState.SENT, ""): 1,
        (TouchState.SKIPPED, "content_erased"): 1,
        (TouchState.FAILED, "content_changed"): 1,
        (TouchState.FAILED, "render_failed"): 1,
    }


def test_pause_resume_and_cancel(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    batch = approved(ledger, engine, [make_touch(n) for n in range(60)])
    worker = make_worker(engine, RecordingSink(tmp_path))
    assert worker.step(batch, sender_id="main", channels=CHANNELS).outcome is Outcome.WORKED
    pause_batch(engine, batch, reason="wait", now=NOON)
    assert worker.step(batch, sender_id="main", channels=CHANNELS).outcome is Outcome.NOTHING_DUE
    resume_batch(engine, batch, reason="go", now=NOON)
    pause_batch(engine, batch, reason="wait", now=NOON)
    assert cancel_batch(engine, batch, reason="enough", now=NOON) == 10
    assert count_batch(engine, batch).by_state == {
        (TouchState.SENT, ""): 50,
        (TouchState.SKIPPED, "batch_rejected"): 10,
    }


def test_a_drained_worker_gives_back_what_it_has_not_begun(ledger: Ledger, engine: sa.Engine, tmp_path: Path) -> None:
    batch = approved(ledger, engine, [make_touch(n) for n in range(50)])
    calls = iter([False, False, True])
    worker = make_worker(engine, RecordingSink(tmp_path), must_stop=lambda: next(calls))
    assert worker.step(batch, sender_id="main", channels=CHANNELS).outcome is Outcome.STOPPED
    counts = count_batch(engine, batch)
    assert counts.total(TouchState.SENT) == 10
    assert counts.total(TouchState.APPROVED) == 40
