from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration.calibrator import (
    Calibrator,
    calibration_in_the_large,
    expit,
    fit_calibrator,
    fit_isotonic,
    fit_sigmoid,
    logit,
)


def _sample(rows: int = 20_000):
    rng = np.random.default_rng(0)
    raw = rng.normal(0, 1.5, rows)
    return raw, rng.random(rows) < expit(-2.0 + 0.6 * raw)


def test_the_sigmoid_finds_intercept_and_slope() -> None:
    raw, y = _sample()
    found = fit_sigmoid(raw, y)
    assert found.intercept == pytest.approx(-2.0, abs=0.1)
    assert found.slope == pytest.approx(0.6, abs=0.05)
    assert calibration_in_the_large(found.apply(raw), y) == pytest.approx(0.0, abs=1e-3)


def test_a_reversed_score_is_made_flat_and_never_turned_round() -> None:
    raw, y = _sample()
    found = fit_sigmoid(-raw, y)
    assert found.slope == 0.0
    assert found.apply(raw).mean() == pytest.approx(y.mean(), abs=1e-6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.floats(0, 5), st.integers(0, 1_000))
def test_p_never_leaves_its_bounds_and_never_falls_with_the_score(raw: list[float], slope: float, rows: int) -> None:
    p = Calibrator("sigmoid", -2.0, slope, rows).apply(np.sort(np.array(raw)))
    edge = 1 / (rows + 2)
    assert ((p >= edge) & (p <= 1 - edge)).all()
    assert (np.diff(p) >= 0).all()


def test_isotonic_needs_a_thousand_events() -> None:
    raw, y = _sample(2_000)
    with pytest.raises(ValueError, match="needs 1000 events"):
        fit_isotonic(raw, y)
    assert fit_calibrator(raw, y, method="isotonic").method == "sigmoid"
    raw, y = _sample(20_000)
    found = fit_calibrator(raw, y, method="isotonic")
    assert found.method == "isotonic"
    assert (np.diff(found.apply(np.linspace(-9, 9, 99))) >= 0).all()


def test_a_perfectly_separated_slice_stays_finite() -> None:
    raw = np.linspace(-1, 1, 200)
    found = fit_sigmoid(raw, raw > 0)
    assert np.isfinite([found.intercept, found.slope]).all()


def test_a_calibrator_survives_its_plain_form() -> None:
    raw, y = _sample(20_000)
    for method in ("sigmoid", "beta", "isotonic", "none"):
        found = fit_calibrator(raw, y, method=method)
        assert Calibrator.from_dict(found.to_dict()) == found


def test_logit_and_expit_undo_each_other() -> None:
    p = np.array([1e-9, 0.2, 0.999])
    assert expit(logit(p)) == pytest.approx(p, rel=1e-12)
