"""The rule from drift to a decision, line by line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.drift.decision import Action, Evidence, decide_action
from models.drift.scores import THRESHOLD, stability_index
from models.evaluation.resampling import Interval

BAD_ORDER = Interval(0.4, 0.35, 0.45)


@pytest.mark.parametrize(
    ("evidence", "action", "words"),
    [
        (Evidence(), Action.KEEP, "nothing has drifted"),
        (Evidence(matured_auc=BAD_ORDER, has_previous=True, gate_promotes=True), Action.ROLL_BACK, "worse than chance"),
        (Evidence(matured_auc=BAD_ORDER), Action.KEEP, "nothing"),
        (Evidence(matured_auc=Interval(0.48, 0.44, 0.52), has_previous=True), Action.KEEP, "nothing"),
        (Evidence(drift_severe=True, drifted_share=0.6, gate_promotes=True), Action.HOLD, "60 % of the features"),
        (Evidence(failing_backtest="3 of 90 happened"), Action.HOLD, "3 of 90"),
        (Evidence(failing_backtest="3 of 90 happened", recalibration="-0.9"), Action.RECALIBRATE, "-0.9"),
        (Evidence(gate_promotes=True, recalibration="-0.2", drift_warns=True), Action.PROMOTE, "passed the gate"),
        (Evidence(recalibration="-0.2", drift_warns=True, drifted_share=0.3), Action.RECALIBRATE, "-0.2"),
        (Evidence(drift_warns=True, drifted_share=0.3), Action.RETRAIN, "30 %"),
        (Evidence(out_of_range_share=0.06), Action.RETRAIN, "outside the training range"),
        (Evidence(out_of_range_share=0.05), Action.KEEP, "nothing"),
        (Evidence(score_index=0.25), Action.RETRAIN, "stability index 0.25"),
        (Evidence(score_index=0.24), Action.KEEP, "nothing"),
        (Evidence(campaign_changed=True), Action.RETRAIN, "campaign changed"),
    ],
)
def test_the_first_line_that_holds_decides(evidence: Evidence, action: Action, words: str) -> None:
    verdict = decide_action(evidence)
    assert verdict.action is action
    assert words in verdict.reasons[0]


@given(
    st.builds(
        Evidence,
        drifted_share=st.none() | st.floats(0, 1),
        drift_warns=st.booleans(),
        drift_severe=st.booleans(),
        out_of_range_share=st.floats(0, 1),
        score_index=st.none() | st.floats(0, 9),
        matured_auc=st.none() | st.just(BAD_ORDER),
        failing_backtest=st.none() | st.just("it failed"),
        recalibration=st.none() | st.just("shift"),
        has_previous=st.booleans(),
        gate_promotes=st.booleans(),
        campaign_changed=st.booleans(),
    )
)
def test_nothing_is_promoted_under_severe_drift_and_nothing_goes_back_to_nothing(found: Evidence) -> None:
    verdict = decide_action(found)
    assert verdict.reasons
    if found.drift_severe:
        assert verdict.action in (Action.HOLD, Action.ROLL_BACK)
    if not found.has_previous:
        assert verdict.action is not Action.ROLL_BACK
    assert (verdict.action is Action.PROMOTE) <= found.gate_promotes


def test_the_index_sees_a_shift_and_not_another_sample() -> None:
    rng = np.random.default_rng(2)
    then = rng.normal(-2.5, 1.0, 5_000)
    calm, moved = stability_index(rng.normal(-2.5, 1.0, 5_000), then), stability_index(then + 0.8, then)
    assert calm is not None
    assert moved is not None
    assert calm < 0.02 < THRESHOLD < moved
    assert stability_index(then[:0], then) is None
    assert stability_index(np.full(50, -3.0), np.full(80, -3.0)) == pytest.approx(0, abs=1e-9)
