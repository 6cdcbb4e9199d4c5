"""The launchpad of the sending job: a dry run by default, and an approval that bears a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa

from pipelines.campaigns.send_job import campaign_send_job
from recovery.ledger import BatchState, open_ledger
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading
from tests.pipelines.campaigns.world import DAY, World


def launch(world: World, **config: Any) -> dg.ExecuteInProcessResult:
    run_config = {"ops": {"send_approved_batches": {"config": config}}}
    return campaign_send_job.execute_in_process(run_config, resources={"engine": world.engine()}, raise_on_error=False)


def test_an_approval_of_the_launchpad_bears_a_name(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.settings = {"sending_allowed": True, "approve_up_to_touches": 0}
    world.write()
    assert world.run().success
    with open_ledger(world.engine().settings.ledger_sqlalchemy_url) as ledger:

        def approvers() -> list[str]:
            with reading(ledger.engine) as connection:
                return list(connection.execute(sa.select(tables.approvals.c.decided_by)).scalars())

        batch = ledger.batch_of(as_of=DAY, sender_id="main")
        assert batch is not None
        named = {"batch_id": batch.batch_id, "approve_sha256": batch.sha256}
        refused = launch(world, **named, approved_by=" ")
        assert not refused.success
        (failure,) = refused.filter_events(lambda event: event.is_step_failure)
        assert "bears the name of who gives it" in str(failure.step_failure_data.error)
        assert approvers() == []
        assert launch(world, **named, approved_by="Ann").success
        assert approvers() == ["Ann"]
        assert ledger.batch_of(as_of=DAY, sender_id="main").state is BatchState.EMITTED
