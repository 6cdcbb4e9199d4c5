"""A template that fails for lead 777 of 1,000: that one is counted and told, the others are planned and delivered."""

from __future__ import annotations

import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench.delivery_world import approved, make_delivery, make_touch
from pipelines.campaigns import planning
from recovery.delivery.counts import count_batch
from recovery.delivery.deliver import Order
from recovery.delivery.words import TouchState
from recovery.drafting import Drafter
from recovery.drafting.render import HERE
from recovery.ledger import open_ledger
from recovery.ledger.engine import writing
from recovery.ledger.schema import metadata
from tests.pipelines.campaigns.world import World, person

POISON = "{% if lead.city == 'Atlantis' %}{{ lead.nothing.of.the.kind }}{% endif %}"


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """Templates that cannot write to anybody in Atlantis."""
    folder = tmp_path / "templates"
    shutil.copytree(HERE / "templates", folder)
    for path in folder.glob("*.txt.j2"):
        path.write_text(path.read_text(encoding="utf-8") + POISON, encoding="utf-8")
    return folder


def test_the_plan_leaves_out_one_lead_and_nobody_else(
    tmp_path: Path, templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "Drafter", partial(Drafter, folder=templates))
    world = World(tmp_path / "house", settings={"capacity_email": 1_000, "global_holdout": 0.0, "account_cap": 1_000})
    world.people = [person(n, city="Atlantis" if n == 777 else "Albany", account_id=None) for n in range(1_000)]
    world.write()
    world.day()
    facts = world.facts()
    assert facts["skipped"] == {"render_failed": 1}
    assert facts["planned"] + facts["held_out"] == 999
    reasons = {row["person_id"]: row for row in world.plan() if row["decision"] == "skipped"}
    assert reasons["person-00777"]["unlock"]
    assert world.facts("campaign_batch")["planned"] == facts["planned"]


def test_a_message_that_cannot_be_written_out_keeps_no_other_back(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        batch = approved(ledger, ledger.engine, [make_touch(n) for n in range(1_000)])
        contents = metadata.tables["contents"]
        with writing(ledger.engine) as connection:
            broken = sa.update(contents).where(contents.c.ref_id == "t0000777-1").values(extra='{"unsubscribe')
            connection.execute(broken)
        report = make_delivery(ledger.engine, tmp_path).run(Order(patience=timedelta(hours=1)))
        assert report.troubles == {}
        counts = count_batch(ledger.engine, batch)
    assert counts.by_state == {(TouchState.SENT, ""): 999, (TouchState.FAILED, "render_failed"): 1}
    assert counts.dead_letters == 1
