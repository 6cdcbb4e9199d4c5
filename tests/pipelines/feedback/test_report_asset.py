from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.feedback.report.timing import stage_of, stage_seconds
from pipelines.feedback.report_assets import ASSETS, CHECKS, REPORT_KEY, report_path
from pipelines.partitions import ONE_RUN_PER_DAY, daily
from tests.pipelines.feedback.report_world import AS_OF, write_day

Run = tuple[dg.ExecuteInProcessResult, dg.DagsterInstance, Path]


@dg.asset(key=["campaigns", "campaign_batch"], partitions_def=daily, backfill_policy=ONE_RUN_PER_DAY)
def upstream() -> None:
    pass


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    engine = write_day(tmp_path_factory.mktemp("day"))
    definitions = dg.Definitions(assets=[upstream, *ASSETS], asset_checks=CHECKS, resources={"engine": engine})
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        result = job.execute_in_process(partition_key=AS_OF.isoformat(), instance=instance)
        yield result, instance, report_path(engine, AS_OF)


def test_the_asset_writes_the_page_and_its_checks_are_true(
    run: Run,
) -> None:
    result, _, page = run
    assert result.success
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    assert len(result.get_asset_check_evaluations()) == len(CHECKS)
    metadata = result.asset_materializations_for_node("feedback__daily_report")[0].metadata
    assert metadata["messages_ready"].value == 60
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_rerun_gives_the_same_page(run: Run, tmp_path: Path) -> None:
    from pipelines.feedback.report_assets import write_report

    again = write_day(tmp_path)
    write_report(again, AS_OF, seconds={"ingest": 99.0})
    assert report_path(again, AS_OF).read_bytes() == run[2].read_bytes()


def test_seconds_come_from_the_event_log(run: Run) -> None:
    result, instance, _ = run
    seconds = stage_seconds(instance, result.run_id)
    assert set(seconds) >= {"campaigns", "feedback"}
    assert all(value >= 0 for value in seconds.values())
    assert stage_seconds(instance, "no-such-run") == {}


def test_unreadable_inputs_fail_with_a_remedy(tmp_path: Path) -> None:
    engine = write_day(tmp_path, dormant=12, planned=1)
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        result = dg.materialize(
            [upstream, *ASSETS],
            partition_key="2026-05-25",
            resources={"engine": engine},
            instance=instance,
            raise_on_error=False,
        )
    failure = result.failure_data_for_node("feedback__daily_report")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "recovery run --as-of 2026-05-25" in (failure.user_failure_data.description or "")


@pytest.mark.parametrize(
    ("key", "stage"),
    [
        (["raw", "hubspot__contacts"], "ingest"),
        (["raw", "ledger__assignments"], "features"),
        (["marts", "lead_labels"], "features"),
        (["scores", "lead_scores"], "scoring"),
        (["elsewhere", "x"], "elsewhere"),
    ],
)
def test_schemas_belong_to_stages(key: list[str], stage: str) -> None:
    assert stage_of(dg.AssetKey(key)) == stage


def test_the_asset_is_described_and_owned() -> None:
    spec = ASSETS[0].specs_by_key[REPORT_KEY]
    assert spec.group_name == "feedback"
    assert spec.owners == ["team:data"]
    assert "A rerun" in (spec.description or "")
