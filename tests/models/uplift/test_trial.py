"""Bad input gets a clear answer, and propensities are taken from the log."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.errors import BadInputError
from models.uplift.report import assess_uplift
from models.uplift.trial import make_arms
from tests.models.uplift.trials import FEATURES, make_trial

MADE = make_trial(600, seed=1, e=0.7, base=-1.0)


def test_treatment_without_variation_is_refused() -> None:
    everyone = np.full(600, "none", dtype=object)
    with pytest.raises(BadInputError, match="does not vary"):
        make_arms(MADE.frame, MADE.y, everyone, FEATURES, control="none")


@pytest.mark.parametrize("edge", [0.0, 1.0, np.nan])
def test_a_certain_propensity_is_refused_with_its_count(edge: float) -> None:
    own = MADE.own.copy()
    own[:7] = edge
    with pytest.raises(BadInputError, match="7 rows have a propensity"):
        make_arms(MADE.frame, MADE.y, MADE.arm, FEATURES, control="none", propensity=own)


def test_an_outcome_with_one_class_is_refused() -> None:
    with pytest.raises(BadInputError, match="one class"):
        make_arms(MADE.frame, np.zeros(600, dtype=bool), MADE.arm, FEATURES, control="none")


def test_near_certain_propensities_are_trimmed_and_said_so() -> None:
    own = np.where(MADE.arm == "none", 0.001, 0.999)
    arms = make_arms(MADE.frame, MADE.y, MADE.arm, FEATURES, control="none", propensity=own)
    assert arms.trials["email"].e.max() == pytest.approx(0.99)
    assert "600 propensities of email" in arms.notes[0]


def test_a_tiny_arm_is_left_out_and_named() -> None:
    arm = MADE.arm.copy()
    arm[:40] = "sms"
    arms = make_arms(MADE.frame, MADE.y, arm, FEATURES, control="none")
    assert set(arms.trials) == {"email"}
    assert arms.refused["sms"].startswith("only 40 rows")


def test_own_propensities_become_the_chance_of_the_arm() -> None:
    own = make_arms(MADE.frame, MADE.y, MADE.arm, FEATURES, control="none", propensity=MADE.own).trials["email"]
    named = make_arms(
        MADE.frame, MADE.y, MADE.arm, FEATURES, control="none", propensity={"none": 0.3, "email": 0.7}
    ).trials["email"]
    assert own.e == pytest.approx(np.full(600, 0.7))
    assert named.e == pytest.approx(own.e)


def test_of_several_arms_each_is_compared_with_the_control_alone() -> None:
    rng = np.random.default_rng(2)
    arm = rng.choice(np.array(["none", "email", "sms"], dtype=object), 600, p=[0.5, 0.3, 0.2])
    arms = make_arms(MADE.frame, MADE.y, arm, FEATURES, control="none",
                     propensity={"none": 0.5, "email": 0.3, "sms": 0.2})  # fmt: skip
    assert arms.trials["email"].e == pytest.approx(np.full(len(arms.trials["email"]), 0.375))
    assert len(arms.trials["sms"]) == int((arm != "email").sum())


def test_rows_without_an_arm_are_left_out_and_counted() -> None:
    arm = MADE.arm.copy()
    arm[:50] = None
    arms = make_arms(MADE.frame, MADE.y, arm, FEATURES, control="none", propensity=MADE.own)
    assert len(arms.trials["email"]) == 550
    assert "50 rows without an arm" in arms.notes[0]


def test_few_controls_choose_treat_all_and_say_so() -> None:
    report = assess_uplift(MADE.frame, MADE.y, MADE.arm, FEATURES, control="none", seed=1)["email"]
    assert report.learner.value == "treat_all"
    assert not report.is_sufficient
    assert "cannot tell people apart" in report.reason
    assert "everybody is contacted" in report.reason
    assert (report.contacted, report.qini.value) == (1.0, 0.0)
    assert report.policy_value == report.treat_all


def test_few_controls_contact_nobody_where_contact_surely_does_not_pay() -> None:
    report = assess_uplift(MADE.frame, MADE.y, MADE.arm, FEATURES, control="none", cost=5.0, seed=1)["email"]
    assert report.contacted == 0.0
    assert "nobody is contacted" in report.reason
    assert report.policy_value.value == 0.0
