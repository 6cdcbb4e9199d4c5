"""Before files of the outbox are written, what may no longer leave is taken out, and the others go on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent))

from world import DAY, World, later

from contracts.errors import PermanentError
from pipelines.campaigns.assets import publish_batch
from pipelines.campaigns.inputs import open_day_ledger
from pipelines.campaigns.sending import approve_batch, standing_batches
from recovery.delivery.words import TouchState
from recovery.ledger import BatchState, Ledger
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading, writing


def waiting(folder: Path) -> World:
    """A day whose batch waits for approval."""
    world = World(folder, settings={"approve_up_to_touches": 0})
    world.write()
    world.day()
    return world


def approve(world: World, ledger: Ledger, *, at: str = "2026-06-01T05:00:00+00:00") -> None:
    record, engine = standing_batches(ledger)[0].record, world.engine().model_copy(update={"fixed_now": at})
    approve_batch(engine, ledger, record.batch_id, sha256=record.sha256, by="somebody")


def states(ledger: Ledger) -> dict[str, tuple[str, str]]:
    touch = tables.touches
    with reading(ledger.engine) as connection:
        rows = connection.execute(sa.select(touch.c.touch_id, touch.c.state, touch.c.reason))
        return {row.touch_id: (row.state, row.reason) for row in rows if row.reason != "held_out"}


def take_away(ledger: Ledger, kind: str) -> str:
    """Words or permission of one touch; returns its id."""
    words = tables.contents
    name = next(name for name, (state, _) in sorted(states(ledger).items()) if state == TouchState.PLANNED.value)
    with writing(ledger.engine) as connection:
        connection.execute(sa.delete(words).where(words.c.kind == kind, words.c.ref_id == name))
    return name


@pytest.mark.parametrize(("kind", "reason"), [("permission", "permission_unknown"), ("touch", "content_erased")])
def test_what_is_gone_is_skipped_and_the_others_leave(tmp_path: Path, kind: str, reason: str) -> None:
    world = waiting(tmp_path)
    with open_day_ledger(world.engine().settings) as ledger:
        name = take_away(ledger, kind)
        approve(world, ledger)
        found = states(ledger)
    assert found.pop(name) == (TouchState.SKIPPED.value, reason)
    assert set(found.values()) == {(TouchState.SENT.value, "")}
    assert not [path for path, content in world.outbox_bytes().items() if name in path or name.encode() in content]


def test_touches_whose_time_is_over_are_skipped(tmp_path: Path) -> None:
    world = waiting(tmp_path)
    with open_day_ledger(world.engine().settings) as ledger:
        approve(world, ledger, at="2026-06-20T05:00:00+00:00")
        assert set(states(ledger).values()) == {(TouchState.SKIPPED.value, "expired")}


def test_a_batch_of_a_day_that_is_over_never_leaves(tmp_path: Path) -> None:
    world = waiting(tmp_path)
    with open_day_ledger(world.engine().settings) as ledger:
        world.write(later(4))
        with pytest.raises(PermanentError, match="a later day was scored"):
            approve(world, ledger)
        assert standing_batches(ledger)[0].record.state is BatchState.RECORDED
        before = world.outbox_bytes()
        publish_batch(world.engine(), DAY)
        assert {state for state, _ in states(ledger).values()} == {TouchState.PLANNED.value}
    assert world.outbox_bytes() == before
