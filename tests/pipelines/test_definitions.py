"""The code location as a user meets it: complete, described, and the same as yesterday unless meant otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from cli.reference import reference_text
from pipelines.definitions import build_definitions, defs
from pipelines.resources import PROJECT_ROOT, Engine

GOLDEN = Path(__file__).parents[1] / "golden" / "assets.json"
STAGES = {"ingest", "features", "training", "scoring", "campaigns", "feedback"}


def _structure() -> dict[str, dict[str, object]]:
    graph = defs.resolve_asset_graph()
    return {
        key.to_user_string(): {
            "group": node.group_name,
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "tags": dict(sorted(node.tags.items())),
            "kinds": sorted(node.kinds),
            "checks": sorted(check.name for check in node.check_keys),
        }
        for key in sorted(graph.get_all_asset_keys())
        if (node := graph.get(key)).is_materializable
    }


def test_assets_groups_deps_and_tags_are_as_agreed() -> None:
    found = json.dumps(_structure(), indent=1) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text(), "if the change is meant: UPDATE_GOLDEN=1 make test"


def test_every_asset_is_described_owned_and_in_a_stage() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        if node.is_materializable:
            assert node.group_name in STAGES, key
            assert node.description, key
            assert node.owners, key
            assert node.kinds, key
            assert node.partitions_def is not None, key


def test_every_check_is_described() -> None:
    graph = defs.resolve_asset_graph()
    undescribed = [key.name for key in graph.asset_check_keys if not graph.get(key).description]
    assert not [
        name for name in undescribed if not name.startswith(("not_null", "unique", "accepted", "relationships"))
    ]


def test_definitions_load_in_a_fresh_interpreter_without_any_environment() -> None:
    code = "import pipelines.definitions as d; print(len(d.ASSETS))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, env={}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_job_that_sends_exists_only_where_sending_is_allowed() -> None:
    names = [
        {job.name for job in build_definitions(Engine(overrides={"sending_allowed": allowed})).resolve_all_job_defs()}
        for allowed in (False, True)
    ]
    assert "campaign_send_job" not in names[0]
    assert "campaign_send_job" in names[1]


def test_the_schedule_runs_the_newest_day_at_the_stated_hour() -> None:
    schedule = defs.resolve_schedule_def("daily_recovery_schedule")
    assert schedule.cron_schedule == "0 5 * * *"
    assert schedule.execution_timezone == "UTC"
    now = datetime(2026, 6, 1, 5, 0, tzinfo=UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=now, repository_def=defs.get_repository_def()
        )
        request = schedule.evaluate_tick(context).run_requests
    assert request
    assert request[0].partition_key == "2026-06-01"


@pytest.mark.filterwarnings("error")
def test_the_job_takes_a_range_of_days_one_run_each() -> None:
    job = build_definitions(Engine()).resolve_job_def("daily_recovery_job")
    assert job.partitions_def is not None
    assert job.partitions_def.has_partition_key("2018-11-15")
    assert job.backfill_policy == dg.BackfillPolicy.multi_run(1)


def test_nothing_that_sends_is_registered_by_default() -> None:
    names = {job.name for job in defs.get_repository_def().get_all_jobs()}
    assert {name for name in names if not name.startswith("__")} == {"daily_recovery_job", "rights_job"}


def test_the_reference_page_is_fresh() -> None:
    page = PROJECT_ROOT / "docs" / "reference.md"
    assert page.read_text() == reference_text(), "run `make docs`"
