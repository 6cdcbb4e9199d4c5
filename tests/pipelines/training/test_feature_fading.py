"""The search for leaks on real stores: a planted one is named, the clean world raises none, a week is judged once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from contracts.published import read_manifest, read_published
from pipelines.resources import Engine
from pipelines.training.assets import training_set
from pipelines.training.fading import DATASET, fading_day
from pipelines.training.fading_assets import ASSETS, CHECKS, evaluate_fading
from tests.models.marts import AS_OF, engine_at, fill, snapshots

LEAKY = "opens_last_90d"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return snapshots(people=600, weeks=20)


def _run(engine: Engine) -> dg.ExecuteInProcessResult:
    marts = [dg.AssetSpec(dg.AssetKey(["marts", name])) for name in ("lead_snapshots", "lead_labels")]
    return dg.materialize(
        [training_set, *ASSETS, *CHECKS, *marts],
        partition_key=AS_OF.isoformat(),
        resources={"engine": engine},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def test_the_clean_world_raises_none_and_the_week_is_judged_once(tmp_path: Path, frame: pd.DataFrame) -> None:
    engine = engine_at(tmp_path)
    fill(engine, frame)
    (check,) = _run(engine).get_asset_check_evaluations()
    assert check.passed
    assert "No feature collapses when read 7, 28 days earlier, on 600 people" in str(check.description)
    published = engine.settings.published_dir
    rows = read_published(published, dataset=DATASET, as_of=AS_OF)
    assert set(rows["lag_days"].to_pylist()) == {0, 7, 28}
    first = read_manifest(published, dataset=DATASET, as_of=AS_OF)
    assert first is not None
    tomorrow = AS_OF + timedelta(days=1)
    kept, computed = fading_day(engine, as_of=tomorrow, panel="another")
    assert computed
    same, computed = fading_day(engine, as_of=tomorrow + timedelta(days=1), panel="another")
    assert not computed
    assert same.facts == kept.facts
    assert same.rows == kept.rows


def test_a_sampled_panel_still_holds_people_in_every_week(tmp_path: Path, frame: pd.DataFrame) -> None:
    number = frame["person_id"].str[1:].astype(int)
    week = pd.to_datetime(frame["as_of_date"]).map(pd.Timestamp.toordinal) // 7
    in_turn, stays = (number + week) % 4 == 0, number % 16 == 0  # as dbt's `is_sampled` at one person in four
    sampled = frame.assign(person_id=number.map("{:08x}".format))[in_turn | stays]
    engine = engine_at(tmp_path)
    fill(engine, sampled)
    with engine.warehouse.open() as connection:  # who is there out of turn does not train
        week_of = "(as_of_date - date '0001-01-01' + 1) // 7"
        connection.execute(
            f"update marts.lead_snapshots set is_training = (cast('0x' || person_id as bigint) + {week_of}) % 4 = 0"
        )
        trains = connection.execute("select count(*) from marts.lead_snapshots where is_training").fetchone()
    assert trains == (int(in_turn.sum()),)
    (check,) = _run(engine).get_asset_check_evaluations()
    assert "read 7, 28 days earlier" in str(check.description)


def test_a_planted_leak_is_named_with_its_figures(tmp_path: Path, frame: pd.DataFrame) -> None:
    engine = engine_at(tmp_path)
    rng = np.random.default_rng(1)
    told = frame["y"].to_numpy(dtype=float) * (rng.random(len(frame)) < 0.7) + rng.poisson(0.1, len(frame))
    fill(engine, frame.assign(**{LEAKY: told}))
    (check,) = _run(engine).get_asset_check_evaluations()
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert f"1 of the features may know the outcome: {LEAKY}: AUC alone" in str(check.description)


def test_nothing_is_claimed_where_nothing_can_be_judged(tmp_path: Path) -> None:
    engine = engine_at(tmp_path)
    (check,) = _run(engine).get_asset_check_evaluations()
    assert check.passed
    assert "nothing was judged" in str(check.description)
    assert evaluate_fading({"suspects": {}, "people": 5, "lags": []})[0]
