"""A canary string per person through the real path: groups of 1 to 1,000 in 8 threads (W1)."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from bench.delivery_world import NOON, SENDER, accept, link_of, make_touch
from recovery.delivery.claim import Claim
from recovery.delivery.handle import Hands, SlicePace, allow_all, handle
from recovery.delivery.words import ClaimedTouch
from recovery.drafting.mail import compose
from recovery.sinks.protocol import OutgoingTouch, Receipt

_CANARY: Final = re.compile(rb"canary-(\d+)")
_THREADS: Final = 8


class _Reader:
    """A far end that reads every message, as bytes on the wire, for strings of somebody else."""

    name = "test"
    has_idempotency_key = False

    def __init__(self) -> None:
        self.foreign = 0
        self.seen: list[str] = []

    def send(self, touches: Sequence[OutgoingTouch]) -> Sequence[Receipt]:
        """Read, and take."""
        for touch in touches:
            data = compose(
                sender=(touch.sender.name, touch.sender.address),
                to_address=touch.address,
                subject=touch.subject,
                text=touch.text,
                html=touch.html,
                touch_id=touch.touch_id,
                date=touch.date,
                link=touch.unsubscribe_url,
            )
            own = touch.person_id.removeprefix("person-").encode()
            found = set(_CANARY.findall(data))
            is_own = found == {own} and f"lead{int(own)}@".encode() in data and touch.touch_id.encode() in data
            self.foreign += not is_own
            self.seen.append(touch.touch_id)
        return [accept(touch) for touch in touches]

    def look_up(self, touch_ids: Sequence[str]) -> None:
        """It cannot be asked."""

    def close(self) -> None:
        """Nothing to let go of."""


def foreign_canaries(people: int, *, seed: int = 7) -> tuple[int, int]:
    """Messages with another person's string, and touches that were not read exactly once."""
    readers = [_Reader() for _ in range(_THREADS)]
    threads = [
        threading.Thread(target=_work, args=(readers[n], range(n, people, _THREADS), seed + n)) for n in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [name for reader in readers for name in reader.seen]
    missing = people - len(set(seen)) + len(seen) - len(set(seen))
    return sum(reader.foreign for reader in readers), missing


def _work(reader: _Reader, numbers: Sequence[int], seed: int) -> None:
    draw = random.Random(seed)
    hands = Hands(
        sink=reader,
        recheck=allow_all,
        sender=SENDER,
        clock=lambda: NOON,
        must_stop=lambda: False,
        draw=draw,
    )
    pace, start = SlicePace(), 0
    while start < len(numbers):
        size = draw.randint(1, 1_000)
        touches = tuple(map(_claimed, numbers[start : start + size]))
        handle(Claim("c", "test", "b", touches, NOON + timedelta(hours=1)), hands, pace)
        start += size


def _claimed(number: int) -> ClaimedTouch:
    touch = make_touch(number)
    draft = touch.draft
    return ClaimedTouch(
        touch_id=touch.touch_id,
        batch_id="b",
        person_id=touch.person_id,
        account_id=None,
        sender_id="main",
        channel=draft.channel,
        playbook=touch.playbook,
        step=touch.step,
        cycle=touch.cycle,
        address_hash=None,
        content_sha256=draft.content_sha256,
        idempotency_key=touch.touch_id,
        not_before=touch.not_before,
        expires_at=touch.expires_at,
        attempts=0,
        retry_budget=5,
        address=draft.to_address,
        subject=draft.subject,
        text=draft.text,
        html=draft.html,
        extra=json.dumps({"unsubscribe_url": link_of(touch.touch_id)}),
    )
