"""What every sink must do. A sink's own test module subclasses `SinkConformance` and gives it a `ground`.

A ground is the far end as a test sees it: it opens sinks, breaks in chosen ways, and tells what arrived.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Protocol

import pytest

from recovery.sinks import OutgoingTouch, ReceiptStatus, Sink
from tests.recovery.sinks.touches import canary, make_touch

S = ReceiptStatus


class Fault(StrEnum):
    """How the far end treats one touch."""

    REFUSES = "refuses"
    IS_BUSY = "is_busy"
    RATE_LIMITS = "rate_limits"
    TAKES_AND_HANGS_UP = "takes_and_hangs_up"
    TAKES_AND_HANGS = "takes_and_hangs"
    TAKES_AND_DRIPS = "takes_and_drips"
    ANSWERS_GARBAGE = "answers_garbage"


# What the receipt may say. After `takes_*` the far end has the touch: neither PASSING nor REFUSED would be true.
ALLOWED = {
    Fault.REFUSES: {S.REFUSED},
    Fault.IS_BUSY: {S.PASSING},
    Fault.RATE_LIMITS: {S.PASSING},
    Fault.TAKES_AND_HANGS_UP: {S.UNKNOWN},
    Fault.TAKES_AND_HANGS: {S.UNKNOWN},
    Fault.TAKES_AND_DRIPS: {S.UNKNOWN},
    Fault.ANSWERS_GARBAGE: {S.UNKNOWN},
}


class Ground(Protocol):
    """The far end of one kind of sink."""

    faults: Sequence[Fault]  # those that this kind of far end can show
    can_be_down: bool

    def open(self) -> Sink: ...

    def break_for(self, touch: OutgoingTouch, fault: Fault) -> None: ...

    def mend(self) -> None: ...

    def go_down(self) -> None: ...

    def arrived(self) -> list[tuple[str, str]]:
        """Touch id and whole content of each message that the far end holds, in order."""
        ...


class SinkConformance:
    """The suite; every test runs against a fresh ground."""

    def test_every_touch_gets_one_receipt_in_the_order_given(self, ground: Ground) -> None:
        touches = [make_touch(number) for number in (5, 3, 9, 1, 7, 0, 8, 2, 6, 4, 10, 12, 11)]
        sink = ground.open()
        receipts = sink.send(touches)
        assert [receipt.touch_id for receipt in receipts] == [touch.touch_id for touch in touches]
        assert {receipt.status for receipt in receipts} == {S.SENT}
        assert Counter(touch_id for touch_id, _ in ground.arrived()) == Counter(t.touch_id for t in touches)

    def test_nothing_to_send_is_no_trouble(self, ground: Ground) -> None:
        assert list(ground.open().send([])) == []
        assert ground.arrived() == []

    def test_it_is_a_sink_with_a_name(self, ground: Ground) -> None:
        sink = ground.open()
        assert isinstance(sink, Sink)
        assert sink.name.isidentifier()
        assert isinstance(sink.has_idempotency_key, bool)

    def test_no_one_gets_words_meant_for_another(self, ground: Ground) -> None:
        """W1, with eight threads on a sink each and batches of 1 to 50."""
        numbers = iter(range(240))
        lock = threading.Lock()
        failures: list[object] = []

        def work(size: int) -> None:
            sink = ground.open()
            while True:
                with lock:
                    mine = [number for _, number in zip(range(size), numbers, strict=False)]
                if not mine:
                    return
                receipts = sink.send([make_touch(number) for number in mine])
                failures.extend(receipt for receipt in receipts if receipt.status is not S.SENT)

        threads = [threading.Thread(target=work, args=(size,)) for size in (1, 2, 3, 5, 10, 20, 30, 50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        arrived = ground.arrived()
        assert len(arrived) == 240
        for touch_id, content in arrived:
            found = {f"touch-{part[:5]}" for part in content.split("canary-")[1:]}
            assert found == {touch_id}

    def test_one_poison_touch_at_any_position_keeps_nobody_back(self, ground: Ground) -> None:
        """D7."""
        for position in range(5):
            touches = [make_touch(100 * position + number) for number in range(5)]
            touches[position] = replace(touches[position], touch_id="../..\r\nevil", subject="a\r\nBcc: b", address="")
            statuses = [receipt.status for receipt in ground.open().send(touches)]
            assert statuses == [S.REFUSED if number == position else S.SENT for number in range(5)]

    @pytest.mark.parametrize("fault", list(Fault))
    def test_a_fault_has_an_honest_receipt_and_is_that_touchs_alone(self, ground: Ground, fault: Fault) -> None:
        """D3, L1: half-sent batches, timeouts, garbage, limits."""
        if fault not in ground.faults:
            pytest.skip("this far end cannot do that")
        touches = [make_touch(number) for number in range(7)]
        ground.break_for(touches[3], fault)
        receipts = list(ground.open().send(touches))
        assert receipts[3].status in ALLOWED[fault]
        assert {receipt.status for receipt in (*receipts[:3], *receipts[4:])} == {S.SENT}
        arrived = Counter(touch_id for touch_id, _ in ground.arrived())
        assert max(arrived.values()) == 1
        assert arrived.keys() >= {touch.touch_id for touch in touches} - {touches[3].touch_id}
        if receipts[3].status in (S.PASSING, S.REFUSED):
            assert touches[3].touch_id not in arrived

    def test_what_was_certainly_not_taken_can_be_sent_again(self, ground: Ground) -> None:
        if Fault.IS_BUSY not in ground.faults:
            pytest.skip("this far end cannot do that")
        touches = [make_touch(number) for number in range(4)]
        ground.break_for(touches[2], Fault.IS_BUSY)
        sink = ground.open()
        again = [
            touch for touch, receipt in zip(touches, sink.send(touches), strict=True) if receipt.status is S.PASSING
        ]
        ground.mend()
        assert [receipt.status for receipt in sink.send(again)] == [S.SENT]
        assert sorted(touch_id for touch_id, _ in ground.arrived()) == sorted(touch.touch_id for touch in touches)

    def test_the_idempotency_key_keeps_its_promise(self, ground: Ground) -> None:
        sink = ground.open()
        if not sink.has_idempotency_key:
            pytest.skip("this sink promises nothing")
        touches = [make_touch(number) for number in range(6)]
        for _ in range(3):
            assert {receipt.status for receipt in sink.send(touches)} == {S.SENT}
        assert len(ground.arrived()) == 6

    def test_a_look_up_tells_the_truth_or_nothing(self, ground: Ground) -> None:
        sink = ground.open()
        sink.send([make_touch(1)])
        told = sink.look_up(["touch-00001", "touch-00002", "../../x", ""])
        if told is not None:
            assert told["touch-00001"] is S.SENT
            assert {told.get(name, S.UNKNOWN) for name in ("touch-00002", "../../x", "")} <= {S.PASSING, S.UNKNOWN}

    def test_a_far_end_that_is_down_is_a_passing_trouble(self, ground: Ground) -> None:
        if not ground.can_be_down:
            pytest.skip("this far end is always there")
        sink = ground.open()
        ground.go_down()
        receipts = sink.send([make_touch(number) for number in range(3)])
        assert {receipt.status for receipt in receipts} == {S.PASSING}
        assert ground.arrived() == []

    def test_closing_twice_is_fine_and_a_closed_sink_sends_nothing(self, ground: Ground) -> None:
        sink = ground.open()
        sink.send([make_touch(1)])
        sink.close()
        sink.close()
        receipts = sink.send([make_touch(2)])
        assert [(receipt.status, receipt.code) for receipt in receipts] == [(S.PASSING, "closed")]
        assert [touch_id for touch_id, _ in ground.arrived()] == ["touch-00001"]

    def test_receipts_and_touches_show_no_personal_data(self, ground: Ground) -> None:
        touch = make_touch(4)
        ground.break_for(touch, Fault.REFUSES) if Fault.REFUSES in ground.faults else None
        shown = repr(list(ground.open().send([touch]))) + repr(touch)
        for secret in (canary(4), "lead4@x.example", "token-00004"):
            assert secret not in shown
