"""Learners, the choice among them, groups whom contact harms, and what a policy is worth."""

from __future__ import annotations

import numpy as np
import pytest

from models.uplift.crossfit import cross_fit
from models.uplift.report import UpliftReport, assess_uplift, make_arms
from tests.models.uplift.trials import FEATURES, MadeTrial, make_trial


def _assess(made: MadeTrial, *, cost: float = 0.0) -> UpliftReport:
    return assess_uplift(
        made.frame,
        made.y,
        made.arm,
        FEATURES,
        control="none",
        propensity=made.own,
        groups=made.groups,
        cost=cost,
        seed=1,
    )["email"]


@pytest.fixture(scope="module")
def crossed() -> tuple[MadeTrial, UpliftReport]:
    """A contact that helps some and harms others."""
    made = make_trial(10_000, seed=3, base=-1.0, modified=1.0, effect=-0.2)
    return made, _assess(made)


def test_a_learner_of_differences_is_taken_where_differences_are_large(crossed: tuple[MadeTrial, UpliftReport]) -> None:
    report = crossed[1]
    assert report.learner.value in ("t_learner", "x_learner", "dr_learner")
    assert "standard errors" in report.reason


def test_the_policy_is_worth_most_of_what_an_oracle_gets(crossed: tuple[MadeTrial, UpliftReport]) -> None:
    made, report = crossed
    trial = make_arms(
        made.frame, made.y, made.arm, FEATURES, control="none", propensity=made.own, groups=made.groups
    ).trials["email"]
    contact = cross_fit(trial, seed=1, learners=(report.learner,)).uplift[report.learner] > 0
    true_value, oracle = np.where(contact, made.uplift, 0).mean(), np.maximum(made.uplift, 0).mean()
    assert true_value > 0.85 * oracle > 0.0
    assert made.uplift.mean() < 0.0
    assert report.policy_value.low < true_value < report.policy_value.high
    assert report.gain_over_all.low > 0
    assert report.policy_value.value == pytest.approx(report.treat_all.value + report.gain_over_all.value)


def test_harmed_are_declared_for_groups_of_five_hundred(crossed: tuple[MadeTrial, UpliftReport]) -> None:
    report = crossed[1]
    assert report.harmed
    for group in report.harmed:
        assert group.people >= 500
        assert group.effect.high < 0


def test_without_differences_one_number_is_enough_and_nobody_is_called_harmed() -> None:
    kept = [_assess(make_trial(5_000, seed=seed, base=-1.5)) for seed in range(3)]
    assert sum(report.learner.value in ("treat_all", "proportional") for report in kept) >= 2
    assert all(report.harmed == () for report in kept)


def test_every_arm_is_reported() -> None:
    made = make_trial(1_500, seed=5)
    arm = np.where((made.arm == "email") & (np.arange(1_500) % 2 == 0), "sms", made.arm).astype(object)
    found = assess_uplift(made.frame, made.y, arm, FEATURES, control="none", seed=1)
    assert set(found) == {"email", "sms"}


def test_values_decide_by_money() -> None:
    made = make_trial(5_000, seed=6, base=-1.5, effect=0.6)
    value = np.where(made.y, 100.0, np.nan)
    paid = assess_uplift(
        made.frame, made.y, made.arm, FEATURES, control="none", value=value, cost=1.0, groups=made.groups, seed=1
    )["email"]
    assert paid.treat_all.value == pytest.approx(100 * paid.average.value - 1.0, rel=1e-6)
    dear = assess_uplift(
        made.frame, made.y, made.arm, FEATURES, control="none", value=value, cost=60.0, groups=made.groups, seed=1
    )["email"]
    assert dear.contacted < 0.05
