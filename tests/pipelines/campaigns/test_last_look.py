"""What is approved for the outbox is looked at once more before its files are written; a stale batch never is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent))

from world import DAY, World, later

from contracts.errors import PermanentError
from pipelines.campaigns.assets import publish_batch
from pipelines.campaigns.inputs import open_day_ledger
from pipelines.campaigns.sending import approve_batch
from pipelines.resources import Engine
from recovery.delivery.approval import approve
from recovery.delivery.counts import count_batch
from recovery.delivery.words import TouchState
from recovery.ledger import BatchRecord, BatchState, Ledger
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading, writing
from recovery.permission import Stance
from recovery.permission.book import Entry, record_words
from recovery.permission.context import dump_context, load_context
from recovery.rights.matching import Identifiers
from recovery.rights.requests import erase_from_ledger

MORNING = datetime(2026, 6, 1, 5, 30)


class Waiting:
    """A batch of 1 June that waits for approval."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder, settings={"approve_up_to_touches": 0, "capacity_call": 0})
        self.world.write()
        self.world.day()
        self.clock = "2026-06-01T05:30:00+00:00"
        self.record = self.ledger_of(lambda ledger: ledger.batches()[0])
        with open_day_ledger(self.engine.settings) as ledger, reading(ledger.engine) as connection:
            touch = tables.touches.c
            query = sa.select(touch.touch_id, touch.person_id, touch.address_hash, touch.channel)
            query = query.where(touch.state == "planned", touch.channel == "email").order_by(touch.touch_id)
            self.first: Any = connection.execute(query.limit(1)).one()

    @property
    def engine(self) -> Engine:
        return self.world.engine().model_copy(update={"fixed_now": self.clock})

    def ledger_of(self, read: Any) -> Any:
        with open_day_ledger(self.engine.settings) as ledger:
            return read(ledger)

    def write(self, *statements: Any) -> None:
        with open_day_ledger(self.engine.settings) as ledger, writing(ledger.engine) as connection:
            for statement in statements:
                connection.execute(statement)

    def approve(self) -> BatchRecord:
        with open_day_ledger(self.engine.settings) as ledger:
            return approve_batch(self.engine, ledger, self.record.batch_id, sha256=self.record.sha256, by="ann")

    def counts(self) -> dict[tuple[TouchState, str], int]:
        counts = self.ledger_of(lambda ledger: count_batch(ledger.engine, self.record.batch_id))
        return {key: count for key, count in counts.by_state.items() if key != (TouchState.SKIPPED, "held_out")}

    def has_mail_for_first(self) -> bool:
        return bool(list(self.world.outbox.rglob(f"{self.first.touch_id}.eml")))

    def state(self) -> BatchState:
        return self.ledger_of(lambda ledger: ledger.batches()[0].state)


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    return Waiting(tmp_path)


def context_of(waiting: Waiting) -> Any:
    rows = tables.contents
    return sa.and_(rows.c.kind == "permission", rows.c.ref_id == waiting.first.touch_id)


def assert_first_is_skipped(waiting: Waiting, reason: str) -> None:
    """That touch alone; the others are written."""
    others = waiting.record.planned - 1
    assert waiting.counts() == {(TouchState.SENT, ""): others, (TouchState.SKIPPED, reason): 1}
    assert not waiting.has_mail_for_first()
    assert waiting.state() is BatchState.EMITTED


def test_without_a_context_nobody_knows_whether_the_touch_is_permitted(waiting: Waiting) -> None:
    waiting.write(sa.delete(tables.contents).where(context_of(waiting)))
    waiting.approve()
    assert_first_is_skipped(waiting, "permission_unknown")


@pytest.mark.parametrize("by", ["address_hash", "person_id"])
def test_a_refusal_is_found_without_a_context(waiting: Waiting, by: str) -> None:
    waiting.write(sa.delete(tables.contents).where(context_of(waiting)))
    refusal = Entry("email", Stance.REFUSED, "opt_out", "page", since=MORNING, **{by: getattr(waiting.first, by)})
    with open_day_ledger(waiting.engine.settings) as ledger, writing(ledger.engine) as connection:
        record_words(connection, [refusal], now=MORNING)
    waiting.approve()
    assert_first_is_skipped(waiting, "opted_out")


def test_a_person_who_is_erased_while_the_batch_waits_holds_nobody_else_back(waiting: Waiting) -> None:
    who = Identifiers(person_ids=frozenset([waiting.first.person_id]), touch_ids=frozenset([waiting.first.touch_id]))
    with open_day_ledger(waiting.engine.settings) as ledger:
        erase_from_ledger(
            ledger.engine, who, suppress=[(waiting.first.address_hash, "all")], sender_id="main", now=MORNING
        )
    waiting.approve()
    assert_first_is_skipped(waiting, "content_erased")


def test_a_ground_that_is_gone_is_no_ground(waiting: Waiting) -> None:
    def grounds_gone(ledger: Ledger) -> str:
        with reading(ledger.engine) as connection:
            text = connection.execute(sa.select(tables.contents.c.extra).where(context_of(waiting))).scalar_one()
        context = load_context(text)
        without = {name: getattr(context.facts, name) for name in context.facts.__slots__} | {"facts": frozenset()}
        return dump_context(type(context)(type(context.facts)(**without), context.address_hashes))

    changed = waiting.ledger_of(grounds_gone)
    waiting.write(sa.update(tables.contents).where(context_of(waiting)).values(extra=changed))
    waiting.approve()
    assert_first_is_skipped(waiting, "consent_required")


def test_what_expired_before_the_approval_is_in_no_file(waiting: Waiting) -> None:
    waiting.clock = "2026-06-01T23:59:00+00:00"
    waiting.approve()
    assert waiting.counts() == {(TouchState.SKIPPED, "expired"): waiting.record.planned}
    assert not list(waiting.world.outbox.rglob("*.eml"))
    assert waiting.state() is BatchState.EMITTED


def test_a_batch_of_an_earlier_day_is_not_approved(waiting: Waiting) -> None:
    waiting.world.write(later(4))
    waiting.clock = "2026-06-05T05:00:00+00:00"
    with pytest.raises(PermanentError, match="stale") as told:
        waiting.approve()
    assert "--cancel" in str(told.value)
    assert waiting.state() is BatchState.RECORDED
    waiting.world.settings["approve_up_to_touches"] = 1_000
    assert publish_batch(waiting.engine, DAY)[1] == "waits", "also where it would be approved by itself"
    assert waiting.counts() == {(TouchState.PLANNED, ""): waiting.record.planned}
    assert not list(waiting.world.outbox.rglob("*.eml"))


def test_a_batch_that_was_approved_and_not_written_is_not_written_on_a_later_day(waiting: Waiting) -> None:
    waiting.ledger_of(
        lambda ledger: approve(
            ledger.engine, waiting.record.batch_id, sha256=waiting.record.sha256, by="ann", method="whole", now=MORNING
        )
    )
    waiting.world.write(later(1))
    waiting.clock = "2026-06-02T05:00:00+00:00"
    with pytest.raises(PermanentError, match="stale"):
        publish_batch(waiting.engine, DAY)
    assert waiting.state() is BatchState.APPROVED
    assert not list(waiting.world.outbox.rglob("*.eml"))
