from __future__ import annotations

import numpy as np
import pytest

from models.calibration.calibrator import Calibrator, expit, fit_beta, fit_calibrator, fit_sigmoid, logit
from models.calibration.choice import choose_calibrator
from models.calibration.recalibration import LEAST_EVENTS, newest_months, recalibrate, roll


def scores(rows: int, law, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Raw scores and outcomes whose log odds are `law(raw)`."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(-1.5, 1.2, rows)
    return raw, rng.random(rows) < expit(law(raw))


@pytest.mark.parametrize(
    ("rows", "law", "expected"),
    [
        (6_000, lambda raw: raw, {"none"}),
        (6_000, lambda raw: 0.7 + 0.5 * raw, {"sigmoid"}),
        (60_000, lambda raw: np.where(raw > -1.5, -1.0, -3.0), {"isotonic"}),
        (40, lambda raw: raw - 3, {"none"}),
    ],
)
def test_the_method_follows_the_law_of_the_scores(rows: int, law, expected: set[str]) -> None:
    raw, y = scores(rows, law)
    found = choose_calibrator(raw, y, groups=np.arange(rows))
    assert found.calibrator.method in expected
    assert found.reason


def test_isotonic_is_not_even_tried_below_a_thousand_events() -> None:
    raw, y = scores(4_000, lambda raw: np.where(raw > -1.5, -1.0, -3.0))
    assert y.sum() < 1_000
    assert set(choose_calibrator(raw, y, groups=np.arange(4_000)).losses) == {"none", "sigmoid", "beta"}


def test_beta_bends_where_a_sigmoid_cannot() -> None:
    raw, y = scores(60_000, lambda raw: 0.3 - 0.4 * np.logaddexp(0, -raw) + 1.6 * np.logaddexp(0, raw))
    bent, straight = fit_beta(raw, y), fit_sigmoid(raw, y)
    truth = expit(0.3 - 0.4 * np.logaddexp(0, -raw) + 1.6 * np.logaddexp(0, raw))
    assert np.abs(bent.apply(raw) - truth).max() < 0.3 * np.abs(straight.apply(raw) - truth).max()
    assert bent.slope == pytest.approx(0.4, abs=0.05)
    assert bent.upper == pytest.approx(1.6, abs=0.15)


def test_beta_never_falls_even_on_a_reversed_score() -> None:
    raw, y = scores(5_000, lambda raw: -raw - 3)
    assert (np.diff(fit_beta(raw, y).apply(np.sort(raw))) >= 0).all()


def test_weights_count_as_repeated_rows() -> None:
    raw, y = scores(3_000, lambda raw: 0.5 + 0.6 * raw)
    weights = np.where(np.arange(3_000) < 1_000, 3.0, 1.0)
    rows = np.repeat(np.arange(3_000), weights.astype(int))
    for method in ("sigmoid", "beta"):
        weighted = fit_calibrator(raw, y, method=method, weights=weights)
        repeated = fit_calibrator(raw[rows], y[rows], method=method)
        assert weighted.slope == pytest.approx(repeated.slope, abs=0.01)
        assert weighted.intercept == pytest.approx(repeated.intercept, abs=0.01)


def test_a_recalibration_works_on_the_log_odds_and_can_be_repeated() -> None:
    raw = np.linspace(-4, 2, 50)
    for method in ("sigmoid", "none"):
        first = Calibrator(method, 0.0, 0.9, 10_000)
        twice = first.recalibrated(0.4, 0.8).recalibrated(-0.1, 1.5)
        expected = -0.1 + 1.5 * (0.4 + 0.8 * logit(first.apply(raw)))
        assert logit(twice.apply(raw)) == pytest.approx(expected, abs=1e-9)
        assert Calibrator.from_dict(twice.to_dict()) == twice


def months_of(rows: int, count: int = 6) -> np.ndarray:
    return np.repeat(np.arange(count), rows // count)


def test_a_calibrator_that_keeps_its_promise_is_left_alone() -> None:
    called = 0
    for seed in range(12):
        raw, y = scores(3_000, lambda raw: raw, seed)
        found = recalibrate(
            Calibrator("none", 0, 1, 9_000), raw=raw, y=y, month=months_of(3_000), groups=np.arange(3_000)
        )
        called += found.called_for
    assert called <= 2


def test_a_changed_base_rate_gets_a_new_intercept_and_a_flattened_score_a_new_slope() -> None:
    used = Calibrator("none", 0.0, 1.0, 9_000)
    raw, y = scores(3_000, lambda raw: raw + 1.2)
    found = recalibrate(used, raw=raw, y=y, month=months_of(3_000), groups=np.arange(3_000))
    assert found.remedy == "intercept"
    assert found.calibrator.shift == pytest.approx(1.2, abs=0.25)
    raw, y = scores(6_000, lambda raw: 0.4 * raw)
    found = recalibrate(used, raw=raw, y=y, month=months_of(6_000), groups=np.arange(6_000))
    assert found.remedy == "slope"
    assert found.calibrator.stretch == pytest.approx(0.4, abs=0.15)
    assert found.gain > 0


def test_few_matured_outcomes_call_for_nothing_and_only_the_newest_months_count() -> None:
    raw, y = scores(200, lambda raw: raw + 3)
    few = np.flatnonzero(y)[: LEAST_EVENTS - 1]
    rows = np.concatenate([few, np.flatnonzero(~y)])
    found = recalibrate(Calibrator("none", 0, 1, 99), raw=raw[rows], y=y[rows], month=np.zeros(rows.size), groups=rows)
    assert not found.called_for
    assert "are needed" in found.reason
    y = np.tile(np.r_[np.ones(300, bool), np.zeros(700, bool)], 4)
    newest, names = newest_months(y, np.repeat([1, 2, 3, 4], 1_000))
    assert names == (4,)
    assert newest.min() == 3_000


def test_rolling_beats_nothing_under_drift_and_never_looks_ahead() -> None:
    rng = np.random.default_rng(5)
    raw = rng.normal(-2, 1, 12_000)
    month = np.repeat(np.arange(12), 1_000)
    y = rng.random(12_000) < expit(raw + 0.25 * month)
    used = Calibrator("none", 0.0, 1.0, 9_000)
    p = roll(used, raw=raw, y=y, month=month, groups=np.arange(12_000))

    def loss(p: np.ndarray) -> float:
        return float(-np.where(y, np.log(p), np.log1p(-p)).mean())

    assert loss(p) < 0.9 * loss(used.apply(raw))
    changed = np.where(month >= 6, ~y, y)
    again = roll(used, raw=raw, y=changed, month=month, groups=np.arange(12_000))
    assert np.array_equal(again[month <= 6], p[month <= 6])
    assert not np.array_equal(again[month > 6], p[month > 6])
