from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from models.calibration.calibrator import expit, logit
from models.evaluation.metrics import evaluate, log_loss_gain
from models.evaluation.resampling import Resampler, interval


def _world(rows: int, seed: int = 1, groups: int = 400):
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-2.5, 1.0, rows))
    return p, rng.random(rows) < p, np.array([f"g{index % groups}" for index in range(rows)])


def test_measures_equal_those_of_scikit_learn() -> None:
    p, y, groups = _world(3_000)
    p = np.round(p, 3).clip(0.001, 0.999)  # ties
    found = evaluate(y=y, p=p, raw=p, groups=groups, reference_rate=0.1, seed=1)
    assert found.roc_auc.value == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    assert found.log_loss == pytest.approx(log_loss(y, p), abs=1e-12)
    unrounded, y2, _ = _world(3_000)
    again = evaluate(y=y2, p=unrounded, raw=unrounded, groups=groups, reference_rate=0.1, seed=1)
    assert again.pr_auc == pytest.approx(average_precision_score(y2, unrounded), abs=1e-12)


def test_a_perfect_model_is_calibrated_and_shows_the_expected_error() -> None:
    p, y, groups = _world(40_000, groups=8_000)
    found = evaluate(y=y, p=p, raw=p, groups=groups, reference_rate=float(y.mean()), seed=1)
    assert found.slope.low < 1.0 < found.slope.high
    assert found.intercept.low < 0.0 < found.intercept.high
    assert 0.3 < found.ece / found.ece_expected < 2.0


def test_a_model_that_exaggerates_shows_a_slope_below_one_and_a_larger_error() -> None:
    p, y, groups = _world(40_000, groups=8_000)
    wrong = expit(-2.5 + 2.0 * (logit(p) + 2.5))
    found = evaluate(y=y, p=wrong, raw=wrong, groups=groups, reference_rate=float(y.mean()), seed=1)
    assert found.slope.high < 0.7
    assert found.ece > 3 * found.ece_expected


def test_repeated_rows_of_the_same_people_make_no_interval_narrower() -> None:
    p, y, groups = _world(1_000, groups=1_000)
    once = evaluate(y=y, p=p, raw=p, groups=groups, reference_rate=0.1, seed=5)
    many = evaluate(
        y=np.tile(y, 6), p=np.tile(p, 6), raw=np.tile(p, 6), groups=np.tile(groups, 6), reference_rate=0.1, seed=5
    )
    width = once.roc_auc.high - once.roc_auc.low
    assert (many.roc_auc.high - many.roc_auc.low) == pytest.approx(width, rel=0.05)
    assert many.slope.high - many.slope.low == pytest.approx(once.slope.high - once.slope.low, rel=0.05)


def test_95_of_100_further_draws_fall_into_the_interval_of_200() -> None:
    rng = np.random.default_rng(4)
    held = []
    for _ in range(2_000):
        found = interval(0.0, rng.normal(size=200))
        held.append(norm.cdf(found.high) - norm.cdf(found.low))
    assert np.mean(held) == pytest.approx(0.95, abs=0.002)


def test_the_interval_of_no_gain_covers_zero_and_that_of_a_real_gain_does_not() -> None:
    p, y, groups = _world(6_000, groups=3_000)
    flat = np.full(p.size, y.mean())
    assert log_loss_gain(y=y, p_new=p, p_old=flat, groups=groups, seed=1).low > 0
    rng = np.random.default_rng(2)
    jittered = expit(logit(p) + rng.normal(0, 0.01, p.size))
    none = log_loss_gain(y=y, p_new=jittered, p_old=p, groups=groups, seed=1)
    assert none.low < 0 < none.high


def test_one_class_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="one class"):
        evaluate(
            y=np.zeros(5, bool), p=np.full(5, 0.1), raw=np.zeros(5), groups=list("abcde"), reference_rate=0.1, seed=1
        )


def test_resampling_takes_whole_groups_and_is_repeatable() -> None:
    groups = np.array(["a", "a", "b", "c"])
    first, second = (Resampler.of(groups, seed=3, draws=50) for _ in range(2))
    assert np.array_equal(first.weights, second.weights)
    assert (first.weights.sum(axis=1) == 3).all()
    assert np.array_equal(first.totals(np.array([1.0, 1.0, 0.0, 0.0])), 2 * first.weights[:, 0])
