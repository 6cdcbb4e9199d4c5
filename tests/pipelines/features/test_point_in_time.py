"""The three point-in-time tests: the past stays as it is, no signal gives AUC .5, alone equals in the batch."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.feature_algebra import Activity, LeadHistory
from models.feature_attributes import RAW_ATTRIBUTES
from models.features import FEATURES, evaluate
from pipelines.features.build import FeatureStage
from tests.pipelines.features import raw_world as raw

AS_OF = date(2026, 6, 1)
T = datetime(2026, 5, 11)
PAST = "select * from marts.lead_snapshots where as_of_date <= ? order by as_of_date, person_id"


def build(folder: Path, *, changed: bool) -> FeatureStage:
    stage = raw.stage(folder, training_weeks=6)
    people, acts = raw.contacts(60), raw.activities(60, seed=11, per_person=12)
    if changed:
        late = acts["created_at"] >= T
        acts.loc[late, "activity_type"] = "CALL"
        acts.loc[late, "occurred_at"] -= pd.Timedelta(days=60)
        people["lead_status"] = "Unqualified"
        people["owner_id"] = "somebody else"
        people["is_in_sequence"] = True
    with stage.warehouse.open() as connection:
        raw.make_raw(connection)
        raw.declare(connection, ("hs", "hubspot"))
        raw.landing(connection, "hubspot__contacts", people)
        raw.landing(connection, "hubspot__activities", acts)
        if changed:
            correction = people.assign(job_title="Director", email_domain="other.example").iloc[:50]
            when = {"exported_at": datetime(2026, 5, 31, 23, 30), "is_history": False}
            raw.landing(connection, "hubspot__contacts", correction, **when)
            backfill = raw.activities(60, seed=12, per_person=4).assign(record_id=lambda f: "late" + f["record_id"])
            raw.landing(connection, "hubspot__activities", backfill, mode="incremental", **when)
    raw.run(stage, AS_OF)
    return stage


def test_changing_everything_after_a_date_leaves_its_snapshots_byte_identical(tmp_path: Path) -> None:
    before, after = (build(tmp_path / str(flag), changed=flag) for flag in (False, True))
    past = raw.rows_of(before, PAST, [T.date()])
    assert len(past) > 50
    assert past == raw.rows_of(after, PAST, [T.date()])
    assert raw.rows_of(before, PAST, [AS_OF]) != raw.rows_of(after, PAST, [AS_OF])


def test_a_world_without_signal_gives_an_auc_of_one_half(random_world: FeatureStage) -> None:
    names = [spec.name for spec in FEATURES if spec.kind != "category"]
    with random_world.warehouse.open() as connection:
        frame = connection.execute(
            "select s.*, l.is_reactivated from marts.lead_snapshots as s join marts.lead_labels as l "
            "using (as_of_date, person_id) where l.is_reactivated is not null order by as_of_date, person_id"
        ).df()
    is_train = frame["person_id"].map(lambda key: int(key[:4], 16) % 2 == 0).to_numpy()
    x = frame[names].fillna(-1.0).to_numpy(dtype=float)
    y = frame["is_reactivated"].astype(bool).to_numpy()
    last = (frame["as_of_date"] == frame["as_of_date"].max()).to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.01)).fit(x[is_train], y[is_train])
    test = ~is_train & last
    positives, negatives = int(y[test].sum()), int((~y[test]).sum())
    assert positives > 30
    assert negatives > 30
    error = math.sqrt((positives + negatives + 1) / (12 * positives * negatives))
    auc = roc_auc_score(y[test], model.predict_proba(x[test])[:, 1])
    assert abs(auc - 0.5) < 3 * error


def test_a_column_that_tells_the_outcome_would_be_seen_by_that_test() -> None:
    rng = np.random.default_rng(5)
    y = rng.random(400) < 0.4
    error = math.sqrt(401 / (12 * y.sum() * (~y).sum()))
    assert abs(roc_auc_score(y, y + rng.normal(size=400)) - 0.5) > 3 * error


def test_a_person_alone_equals_the_person_in_the_batch(random_world: FeatureStage) -> None:
    columns = "occurred_at, observed_at, kind, direction, actor, outcome_level, reply_class, is_machine"
    with random_world.warehouse.open() as connection:
        batch = connection.execute(
            f"select s.*, {', '.join('p.' + name + ' as raw_' + name for name in RAW_ATTRIBUTES)} "
            "from marts.lead_snapshots as s join intermediate.int_people__dates as p using (as_of_date, person_id) "
            "where s.as_of_date = ? order by person_id limit 25",
            [AS_OF],
        )
        names = [column[0] for column in batch.description or []]
        for row in batch.fetchall():
            one = dict(zip(names, row, strict=True))
            groups = [
                connection.execute(f"select {columns} from marts.fct_activities where {condition}", values).fetchall()
                for condition, values in (
                    ("person_id = ?", [one["person_id"]]),
                    ("account_id = ? and person_id <> ?", [one["account_id"], one["person_id"]]),
                )
            ]
            own, colleagues = (tuple(Activity(*values) for values in group) for group in groups)
            lead = LeadHistory(own, colleagues, {name: one["raw_" + name] for name in RAW_ATTRIBUTES})
            for name, value in evaluate(lead, AS_OF).items():
                if isinstance(value, float):
                    assert one[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name
                else:
                    assert one[name] == value, name


def test_a_day_later_keeps_the_past_and_a_rerun_changes_nothing(random_world: FeatureStage) -> None:
    past = raw.rows_of(random_world, PAST, [AS_OF])
    raw.run(random_world, AS_OF + timedelta(days=1))
    assert raw.rows_of(random_world, PAST, [AS_OF]) == past
    raw.run(random_world, AS_OF + timedelta(days=1))
    assert random_world.build_people(AS_OF + timedelta(days=1)).is_reused
    assert random_world.build_marts(AS_OF + timedelta(days=1)).is_reused
    raw.run(random_world, AS_OF)
    assert raw.rows_of(random_world, PAST, [AS_OF]) == past
