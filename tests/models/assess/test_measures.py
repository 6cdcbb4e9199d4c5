"""Weighted measures agree with the plain ones and with rows that are written out."""

from __future__ import annotations

import numpy as np
import pytest

from models.assess.measures import evaluate_rows, lift_of, reliability_of
from models.calibration.calibrator import expit

RNG = np.random.default_rng(3)


def _rows(count: int = 1_200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    raw = RNG.normal(-1, 1, count).round(2)
    return RNG.random(count) < expit(raw), expit(raw), raw


def _evaluate(y, p, raw, groups, weights):  # type: ignore[no-untyped-def]
    return evaluate_rows(y=y, p=p, raw=raw, groups=groups, weights=weights, reference_rate=0.3, seed=1)


def test_equal_weights_change_nothing() -> None:
    y, p, raw = _rows()
    plain = _evaluate(y, p, raw, np.arange(y.size), None).flat()
    weighted = _evaluate(y, p, raw, np.arange(y.size), np.full(y.size, 7.0)).flat()
    for name, value in plain.items():
        assert weighted[name] == pytest.approx(value, rel=0.02, abs=2e-3), name
    for name in ("roc_auc", "pr_auc", "skill", "brier", "lift_at_10", "ece", "intercept", "top_decile"):
        assert weighted[name] == pytest.approx(plain[name], abs=1e-9), name


def test_a_weight_stands_for_so_many_rows() -> None:
    y, p, raw = _rows(800)
    weight = RNG.integers(1, 4, y.size)
    rows = np.repeat(np.arange(y.size), weight)
    written_out = _evaluate(y[rows], p[rows], raw[rows], rows, None).flat()
    weighted = _evaluate(y, p, raw, np.arange(y.size), weight.astype(float)).flat()
    for name in ("roc_auc", "skill", "brier", "log_loss", "base_rate", "intercept", "slope", "accuracy"):
        assert weighted[name] == pytest.approx(written_out[name], abs=0.01 if name == "slope" else 2e-3), name
    assert weighted["roc_auc_low"] == pytest.approx(written_out["roc_auc_low"], abs=0.01)


def test_undersampled_negatives_weighted_back_give_the_population() -> None:
    y, p, raw = _rows(40_000)
    kept = y | (RNG.random(y.size) < 0.2)
    weight = np.where(y, 1.0, 5.0)[kept]
    whole = _evaluate(y, p, raw, np.arange(y.size), None)
    part = _evaluate(y[kept], p[kept], raw[kept], np.arange(int(kept.sum())), weight)
    assert part.base_rate == pytest.approx(whole.base_rate, rel=0.03)
    assert part.roc_auc.value == pytest.approx(whole.roc_auc.value, abs=0.01)
    assert part.intercept.value == pytest.approx(0.0, abs=0.06)
    assert part.slope.value == pytest.approx(1.0, abs=0.06)


def test_pictures_count_a_weight_as_so_many_rows() -> None:
    y, p, raw = _rows(4_000)
    p = p + RNG.random(p.size) * 1e-9  # no ties, which would be put into bins by their place
    weight = RNG.integers(1, 4, y.size)
    rows = np.repeat(np.arange(y.size), weight)
    weights = weight.astype(float)
    table, written_out = reliability_of(p, y, weights), reliability_of(p[rows], y[rows], None)
    assert len(table) == len(written_out) == 10
    for mine, other in zip(table, written_out, strict=True):
        assert mine["p"] == pytest.approx(other["p"], abs=2e-3)
        assert mine["observed"] == pytest.approx(other["observed"], abs=0.01)
    lift = dict(lift_of(y, p, raw, weights))
    whole = lift_of(y[rows], p[rows], raw[rows], None)
    shares = np.array(sorted(lift))
    for share, found in whole:
        assert lift[shares[np.abs(shares - share).argmin()]] == pytest.approx(found, abs=0.01)
    assert lift_of(y, p, raw, np.ones(y.size))[-1] == pytest.approx((1.0, 1.0))
