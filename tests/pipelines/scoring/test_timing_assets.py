"""Uplift and timing beside the scores, on a hand-made warehouse with logged draws and touches."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from contracts.published import publish, read_manifest, read_published
from models.uplift import trial
from pipelines.resources import Engine
from pipelines.scoring import timing_assets
from pipelines.training import uplift_assets
from pipelines.training.uplift import read_trial
from tests.models.marts import AS_OF, engine_at, fill, snapshots
from tests.pipelines.scoring.touches import add_touches

PEOPLE = 400
_SPECS = [
    dg.AssetSpec(dg.AssetKey(key))
    for key in (
        ["marts", "lead_snapshots"], ["marts", "lead_labels"], ["marts", "dim_people"], ["marts", "fct_activities"],
        ["raw", "ledger__assignments"], ["scores", "lead_scores"],
    )
]  # fmt: skip


def _log(engine: Engine, frame: pd.DataFrame) -> None:
    """Every fourth weekly date is a past campaign: 60 % are mailed, 40 % held out, by a drawn number."""
    days = sorted(frame["as_of_date"].unique())[::4]
    rng = np.random.default_rng(5)
    rows = frame[frame["as_of_date"].isin(days)][["as_of_date", "person_id"]].reset_index(drop=True)
    mailed = rng.random(len(rows)) < 0.6
    drawn = rows.assign(
        assignment_id=[f"past-{index}" for index in range(len(rows))],
        channel="email",
        arm=np.where(mailed, "contacted", "held_out"),
        propensity=np.where(mailed, 0.6, 0.4),
    )
    with engine.warehouse.open() as connection:
        connection.register("drawn", drawn)
        connection.execute("create schema if not exists staging")
        connection.execute("create or replace table staging.stg_mapped__assignments as select * from drawn")
        connection.execute(
            "create or replace table marts.lead_labels as select l.*, d.assignment_id from marts.lead_labels as l "
            "left join (select person_id, cast(as_of_date as date) as day, assignment_id from drawn) as d "
            "on l.person_id = d.person_id and l.as_of_date = d.day"
        )


def _scores(engine: Engine) -> None:
    with engine.warehouse.open() as connection:
        people = connection.execute("select person_id from marts.dim_people order by 1").df()["person_id"].tolist()
    p = np.linspace(0.02, 0.4, len(people))
    publish(
        engine.settings.published_dir, dataset="lead_scores", as_of=AS_OF,
        table=pa.table({"person_id": people, "p": p, "points": [50] * len(people), "tier": ["medium"] * len(people)}),
    )  # fmt: skip


def _run(engine: Engine) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [*uplift_assets.ASSETS, *timing_assets.ASSETS, *_SPECS],
        partition_key=AS_OF.isoformat(),
        resources={"engine": engine},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """An installation with draws, touches and scores, run once."""
    engine = engine_at(tmp_path_factory.mktemp("timing"))
    frame = snapshots(people=PEOPLE, weeks=16)
    fill(engine, frame)
    _log(engine, frame)
    add_touches(engine)
    _scores(engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "LEAST_CONTROLS", 200)
        patch.setattr(trial, "LEAST_CONTROL_EVENTS", 15)
        assert _run(engine).success
    return engine


def _published(engine: Engine, dataset: str) -> pd.DataFrame:
    rows: pd.DataFrame = read_published(engine.settings.published_dir, dataset=dataset, as_of=AS_OF).to_pandas()
    return rows


def test_a_trial_holds_drawn_contacts_with_their_last_snapshot(made: Engine) -> None:
    with made.warehouse.open() as connection:
        rows = read_trial(made.warehouse, connection, as_of=AS_OF)
        early = read_trial(made.warehouse, connection, as_of=AS_OF - timedelta(days=60))
    assert rows["assignment_id"].is_unique
    assert rows["e"].tolist() == [0.6] * len(rows)
    assert 0.55 < rows["treated"].mean() < 0.65
    assert 0 < len(early) < len(rows)


def test_everyone_scored_has_both_chances(made: Engine) -> None:
    rows = _published(made, "lead_uplift")
    assert len(rows) == PEOPLE
    assert set(rows["channel"]) == {"email"}
    assert rows[["p_no_contact", "p_contact"]].stack().between(0, 1).all()
    model = _published(made, "uplift_model").iloc[0]
    assert model["is_sufficient"]
    assert model["average_low"] < 0 < model["average_high"]  # the hand-made contact does nothing


def test_the_best_hour_is_found_on_the_recipients_clock(made: Engine) -> None:
    rows = _published(made, "lead_timing")
    assert len(rows) == PEOPLE
    known = rows[rows["hour_basis"].isin(["everyone", "segment"])]
    assert len(known) > 0.7 * PEOPLE
    assert set(known["best_weekday"]) == {1}
    assert set(known["best_hour"]) == {10}
    assert known["hour_reason"].str.contains("too few touches").all()


def test_chances_by_day_rise_and_agree_with_the_score(made: Engine) -> None:
    rows = _published(made, "lead_timing").merge(_published(made, "lead_scores"), on="person_id")
    assert np.allclose(rows["p_return_30d"], rows["p"])
    assert (rows["p_return_30d"] <= rows["p_return_60d"]).all()
    assert (rows["p_return_60d"] <= rows["p_return_90d"]).all()
    assert rows["expected_value"].isna().all()  # no deal is known
    assert rows["answers_sms"].isna().all()  # never used
    assert rows["answers_email"].between(0, 1).all()


def test_a_rerun_gives_the_same_bytes(made: Engine) -> None:
    names = ("uplift_model", "lead_uplift", "lead_timing")
    root = made.settings.published_dir
    before = {name: read_manifest(root, dataset=name, as_of=AS_OF) for name in names}
    assert _run(made).success
    assert {name: read_manifest(root, dataset=name, as_of=AS_OF) for name in names} == before


def test_an_empty_installation_says_why(tmp_path: Path) -> None:
    engine = engine_at(tmp_path)
    assert _run(engine).success
    manifest = read_manifest(engine.settings.published_dir, dataset="lead_uplift", as_of=date(2026, 6, 1))
    assert manifest is not None
    assert manifest.rows == 0
    assert "no contact was drawn at random" in manifest.facts["reason"]
