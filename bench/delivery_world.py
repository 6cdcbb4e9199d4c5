"""Batches, sinks and clocks to try the delivery on; everything real but the people."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import sqlalchemy as sa

from contracts.words import Channel
from recovery.addresses import address_key_of
from recovery.batch import Batch, Touch, assignments_of, contents_of, make_batch, touches_of
from recovery.delivery.approval import approve
from recovery.delivery.deliver import Delivery, Route
from recovery.delivery.handle import Backoff, Hands, allow_all
from recovery.delivery.words import Recheck
from recovery.delivery.worker import Terms, Worker
from recovery.drafting.render import Draft, content_hash
from recovery.ledger import BatchRecord, BatchState, Ledger
from recovery.sinks.protocol import Mailbox, OutgoingTouch, Receipt, ReceiptStatus

DAY = date(2026, 6, 1)
NOON = datetime(2026, 6, 1, 12)  # noqa: DTZ001 - naive UTC, as the ledger keeps it
SENDER = Mailbox("Acme", "hello@acme.example")
KEY = address_key_of(b"k" * 32)


class Clock:
    """A clock that is moved by hand or by sleeping."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Now, naive UTC."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.now += timedelta(seconds=seconds)


def link_of(name: str) -> str:
    """Link for unsubscribing of a touch, which its words name too."""
    return f"https://acme.example/u?t={name}"


def make_touch(
    number: int,
    *,
    channel: Channel = Channel.EMAIL,
    arm: str = "contacted",
    opens: datetime = NOON - timedelta(hours=1),
    closes: datetime = NOON + timedelta(hours=8),
    step: int = 1,
    address: str | None = None,
) -> Touch:
    """A touch whose words carry the canary string of its person."""
    name = f"t{number:07d}-{step}"
    canary = f"canary-{number:07d}"
    to = address if address is not None else f"lead{number}@people.example"
    subject, text, html = f"About {canary}", f"Hello {canary}\n\n{link_of(name)}", f"<p>Hello {canary}</p>"
    draft = Draft(channel, to, subject, text, html, content_hash(name, channel, to, subject, text, html))
    return Touch(
        touch_id=name,
        person_id=f"person-{number:07d}",
        account_id=None,
        source="s",
        crm="hubspot",
        record_object="contacts",
        record_id=str(number),
        draft=draft,
        not_before=opens,
        expires_at=closes,
        playbook="b2b@1",
        step=step,
        cycle=1,
        arm=arm,
        propensity=0.5,
        rank=number,
    )


def record(
    ledger: Ledger,
    touches: Sequence[Touch],
    *,
    sink: str = "test",
    as_of: date = DAY,
    now: datetime = NOON - timedelta(hours=2),
    retry_budget: int = 5,
    sinks: Mapping[Channel, str] | None = None,
    rules: str = "r",
    contexts: Mapping[str, str] = MappingProxyType({}),
) -> Batch:
    """Write a batch down; it waits for approval."""
    batch = make_batch(touches, as_of=as_of, sender_id="main", policy_version="p", model="m", rules=rules)
    row = BatchRecord(
        batch.batch_id, batch.sha256, as_of, "main", BatchState.RECORDED, len(batch.planned), batch.held_out,
        batch.batch_id, now, policy_version="p", model="m", rules=rules,
    )  # fmt: skip
    ledger.record_batch(
        row,
        assignments_of(batch),
        touches=touches_of(
            batch,
            sinks=sinks or dict.fromkeys(Channel, sink),
            address_hash=KEY.hash,
            recorded_at=now,
            retry_budget=retry_budget,
        ),
        contents=contents_of(
            batch,
            unsubscribe_link=link_of,
            created_at=now,
            contexts=contexts,
        ),
    )
    return batch


def approved(ledger: Ledger, engine: sa.Engine, touches: Sequence[Touch], **options: object) -> str:
    """Record and approve; returns the batch's identifier."""
    batch = record(ledger, touches, **options)  # type: ignore[arg-type]
    approve(engine, batch.batch_id, sha256=batch.sha256, by="test", method="whole", now=NOON - timedelta(hours=2))
    return batch.batch_id


Behaviour = Callable[[OutgoingTouch], Receipt]


def accept(touch: OutgoingTouch) -> Receipt:
    """Take everything."""
    return Receipt(touch.touch_id, ReceiptStatus.SENT, f"p-{touch.touch_id}", "250")


class RecordingSink:
    """Writes every touch that it takes to a file, durably enough to survive the death of its process."""

    has_idempotency_key = False

    def __init__(self, folder: Path, behaviour: Behaviour = accept, name: str = "test") -> None:
        self.name = name
        self.path = folder / f"{name}.jsonl"
        self._behaviour = behaviour
        self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.is_closed = False

    def send(self, touches: Sequence[OutgoingTouch]) -> Sequence[Receipt]:
        """See `Sink.send`."""
        receipts = []
        for touch in touches:
            receipt = self._behaviour(touch)
            if receipt.status in (ReceiptStatus.SENT, ReceiptStatus.UNKNOWN):
                line = [touch.touch_id, touch.person_id, touch.address, touch.subject, touch.text]
                os.write(self._handle, json.dumps(line).encode() + b"\n")
            receipts.append(receipt)
        return receipts

    def look_up(self, touch_ids: Sequence[str]) -> Mapping[str, ReceiptStatus] | None:  # noqa: ARG002 - the protocol's
        """It cannot be asked."""
        return None

    def close(self) -> None:
        """Let go of the file."""
        if not self.is_closed:
            os.close(self._handle)
            self.is_closed = True


def delivered(folder: Path, name: str = "test") -> Counter[str]:
    """How often each touch reached the far end."""
    path = folder / f"{name}.jsonl"
    if not path.exists():
        return Counter()
    return Counter(json.loads(line)[0] for line in path.read_text().splitlines())


def make_delivery(
    engine: sa.Engine,
    folder: Path,
    *,
    behaviour: Behaviour = accept,
    clock: Clock | None = None,
    recheck: Recheck = allow_all,
    terms: Terms | None = None,
    workers: int = 1,
    is_paused: Callable[[], bool] = lambda: False,
    open_sink: Callable[[], object] | None = None,
    backoff: Backoff | None = None,
) -> Delivery:
    """A run over the recording sink."""
    clock = clock or Clock()
    route = Route(
        "test",
        open_sink or (lambda: RecordingSink(folder, behaviour)),  # type: ignore[arg-type]
        terms=terms or Terms(look_seconds=0.0),
        workers=workers,
    )
    return Delivery(
        engine=engine,
        routes=[route],
        recheck=lambda: recheck,
        sender=SENDER,
        control_dir=folder / "control",
        is_paused=is_paused,
        clock=clock,
        sleep=clock.sleep,
        seed=7,
        backoff=backoff or Backoff(),
    )


def make_worker(
    engine: sa.Engine,
    sink: object,
    *,
    clock: Callable[[], datetime] | None = None,
    recheck: Recheck = allow_all,
    terms: Terms | None = None,
    must_stop: Callable[[], bool] = lambda: False,
) -> Worker:
    """One worker over any sink."""
    hands = Hands(
        sink=sink,  # type: ignore[arg-type]
        recheck=recheck,
        sender=SENDER,
        clock=clock or Clock(),
        must_stop=must_stop,
        draw=random.Random(7),
    )
    return Worker(engine, hands, terms or Terms(look_seconds=0.0), name="w", sleep=lambda _s: None)
