from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from contracts.errors import BadInputError
from models.calibration.calibrator import logit
from models.training.candidates import ORDER, RecipeName
from models.training.matrix import clean_frame, usable_features
from models.training.recipe import Outcome, TrainingPlan, train
from tests.models.world import SPECS, panel


def test_a_clear_law_gives_a_model_that_beats_base_rate_and_card(outcome: Outcome) -> None:
    assert outcome.refused is None
    chosen = next(one for one in outcome.candidates if one.name == outcome.chosen)
    assert chosen.evaluation.skill.low > 0
    assert outcome.gain_over_card is not None
    assert outcome.gain_over_card.low > 0
    assert [one.name for one in outcome.candidates] == ["rule_scorecard", *(name.value for name in ORDER)]


def test_the_chosen_candidate_is_also_reported_without_exposure(outcome: Outcome) -> None:
    for candidate in outcome.candidates:
        assert (candidate.without_exposure is not None) == (candidate.name == outcome.chosen)
        if candidate.without_exposure is not None:
            assert 0.5 < candidate.without_exposure["roc_auc"] < 1.0


def test_no_signal_gives_chance_and_no_skill(plan: TrainingPlan) -> None:
    areas = []
    for seed in (5, 6):
        for candidate in train(panel(people=500, strength=0.0, seed=seed), SPECS, plan).candidates[1:]:
            areas.append(candidate.evaluation.roc_auc.value)
            assert candidate.evaluation.skill.low <= 0
    assert abs(np.mean(areas) - 0.5) < 0.06


def test_the_same_input_gives_the_same_model(frame: pd.DataFrame, outcome: Outcome, plan: TrainingPlan) -> None:
    again = train(frame, SPECS, plan)
    assert again.model is not None
    assert outcome.model is not None
    assert np.array_equal(again.model.raw(frame), outcome.model.raw(frame))
    assert again.candidates == outcome.candidates


@pytest.mark.parametrize("recipe", [name for name in ORDER if name is not RecipeName.AVERAGE])
def test_contributions_baseline_and_calibration_add_up_to_logit_p(
    frame: pd.DataFrame, plan: TrainingPlan, recipe: RecipeName
) -> None:
    model = train(frame, SPECS, replace(plan, recipes=(recipe,))).model
    assert model is not None
    rows = frame.iloc[:3_000]
    values, baseline, calibration = model.contributions(rows)
    assert values.shape == (3_000, len(model.feature_names))
    assert np.abs(values.sum(axis=1) + baseline + calibration - logit(model.p(rows))).max() < 1e-6
    assert np.abs(values.sum(axis=1) + baseline - model.raw(rows)).max() < 1e-9
    # A contribution that is always zero would add up too: the strongest feature of the law moves people.
    strongest = model.feature_names.index("days_since_last_inbound")
    assert values[:, strongest].std() > 0.2


def test_alone_and_in_the_batch_the_score_is_the_same(frame: pd.DataFrame, outcome: Outcome) -> None:
    assert outcome.model is not None
    batch = outcome.model.p(frame.iloc[:50])
    alone = np.concatenate([outcome.model.p(frame.iloc[[row]]) for row in range(50)])
    assert np.abs(batch - alone).max() < 1e-12


def test_unseen_categories_infinite_and_missing_values_get_a_score(frame: pd.DataFrame, outcome: Outcome) -> None:
    assert outcome.model is not None
    rows = frame.iloc[:4].copy()
    rows["title_level"] = ["never seen", None, "vp", ""]
    rows["employee_count"] = [np.inf, -np.inf, np.nan, 1e300]
    p = outcome.model.p(rows)
    assert ((p > 0) & (p < 1)).all()
    assert len(outcome.model.p(rows.iloc[:0])) == 0


def test_a_missing_column_is_named(frame: pd.DataFrame, outcome: Outcome) -> None:
    assert outcome.model is not None
    with pytest.raises(BadInputError, match="is_free_mail"):
        outcome.model.p(frame.drop(columns=["is_free_mail"]))


def test_constant_and_empty_features_are_dropped_and_infinite_values_counted(frame: pd.DataFrame) -> None:
    rows = frame.iloc[:2_000].copy()
    rows["is_free_mail"] = 1.0
    rows["employee_count"] = np.nan
    rows["industry_group"] = None
    rows.loc[rows.index[:7], "inbound_last_90d"] = np.inf
    kept, report = usable_features(rows, SPECS)
    assert {spec.name for spec in SPECS} - {spec.name for spec in kept} == {
        "is_free_mail", "employee_count", "industry_group",
    }  # fmt: skip
    assert report.dropped["is_free_mail"] == "the same value in all training rows"
    assert report.dropped["employee_count"] == "no value in the training rows"
    assert report.infinite == {"inbound_last_90d": 7}
    assert not np.isinf(clean_frame(rows, SPECS)["inbound_last_90d"]).any()


def test_training_goes_on_with_broken_columns(frame: pd.DataFrame, plan: TrainingPlan) -> None:
    rows = frame.copy()
    rows["is_free_mail"] = 1.0
    rows["employee_count"] = np.nan
    rows.loc[rows.index[::50], "inbound_last_90d"] = np.inf
    found = train(rows, SPECS, plan)
    assert found.refused is None
    assert found.model is not None
    assert "employee_count" not in found.model.feature_names


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f.iloc[:0], "no outcome is mature"),
        (lambda f: f.assign(y=False), "nobody came back"),
        (lambda f: f.assign(y=True), "everybody came back"),
        (lambda f: f[f["as_of_date"] > f["as_of_date"].max().replace(month=4)], "mature weekly dates are too few"),
        (lambda f: f[f["person_id"] < "p000050"], "are needed"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_with_a_reason_and_a_working_card(
    frame: pd.DataFrame, plan: TrainingPlan, change, reason: str
) -> None:
    found = train(change(frame), SPECS, plan)
    assert found.model is None
    assert found.refused is not None
    assert reason in found.refused
    p = found.card.p(np.array([1.0, 50.0, 100.0]))
    assert ((p > 0) & (p < 1)).all()
    assert (np.diff(p) >= 0).all()


def test_one_class_in_a_later_slice_is_refused(frame: pd.DataFrame, plan: TrainingPlan) -> None:
    late = sorted(frame["as_of_date"].unique())[-3:]
    found = train(frame.assign(y=frame["y"] & ~frame["as_of_date"].isin(late)), SPECS, plan)
    assert found.refused == "0 outcomes in the test slice; 20 are needed"


def test_events_are_counted_once_however_many_weeks_see_them(frame: pd.DataFrame, plan: TrainingPlan) -> None:
    one_event_each = frame.assign(event_at=pd.Timestamp("2026-01-01"))
    found = train(one_event_each, SPECS, plan)
    assert found.train_events <= found.train_people
