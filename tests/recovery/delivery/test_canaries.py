"""Nobody gets words of another person, whatever the size of the group (W1)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from bench.delivery_canaries import foreign_canaries
from bench.delivery_world import NOON, SENDER, approved, make_touch
from recovery.delivery.claim import claim_group
from recovery.delivery.handle import write_out
from recovery.delivery.words import Settlement
from recovery.ledger import Ledger
from recovery.ledger.schema import metadata


def test_w1_no_foreign_canary_in_groups_of_one_to_a_thousand() -> None:
    assert foreign_canaries(10_000) == (0, 0)


@pytest.mark.parametrize("column", ["address", "subject", "text", "html", "extra"])
def test_w1_words_of_another_touch_do_not_fit(ledger: Ledger, engine: sa.Engine, column: str) -> None:
    from datetime import timedelta

    batch = approved(ledger, engine, [make_touch(1), make_touch(2)])
    contents = metadata.tables["contents"]
    with engine.begin() as connection:
        foreign = connection.execute(
            sa.select(contents.c[column]).where(contents.c.ref_id == "t0000002-1")
        ).scalar_one()
        mixed = sa.update(contents).where(contents.c.ref_id == "t0000001-1").values({column: foreign})
        connection.execute(mixed)
    claim = claim_group(engine, sink="test", batch_id=batch, now=NOON, lease=timedelta(minutes=5))
    first, second = (write_out(touch, SENDER, now=NOON) for touch in claim.touches)
    assert isinstance(first, Settlement)
    assert first.reason == "content_changed"
    assert not isinstance(second, Settlement)
