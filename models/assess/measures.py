"""Measures of a probability forecast whose rows stand for different numbers of people.

The same definitions as `models.evaluation.metrics.evaluate`, to which rows without weights go; every sum is weighted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.assess.table import Bools, Floats
from models.calibration.calibrator import expit, logit
from models.evaluation.metrics import BINS, TOP_SHARE, Evaluation, evaluate, lift_curve, reliability, row_log_loss
from models.evaluation.resampling import Interval, Resampler, interval


def evaluate_rows(
    *, y: Bools, p: Floats, raw: Floats, groups: Any, weights: Floats | None, reference_rate: float, seed: int
) -> Evaluation:
    """All measures of held-out rows; see `evaluate`. `weights` is None when every row stands for itself.

    Raises:
        ValueError: the rows hold one class only.
    """
    if weights is None:
        return evaluate(y=y, p=p, raw=raw, groups=groups, reference_rate=reference_rate, seed=seed)
    if y.size == 0 or y.all() or not y.any():
        raise ValueError("a slice with one class cannot be judged")
    w = weights / weights.mean()
    sampler = Resampler.of(groups, seed=seed)
    order = np.lexsort((-raw, -p))
    loss, reference = row_log_loss(p, y) * w, row_log_loss(np.full(y.size, reference_rate), y) * w
    base = float(np.average(y, weights=w))
    reached = np.cumsum(w[order]) / w.sum()
    in_top = np.zeros(y.size)
    in_top[order[: max(1, int(np.searchsorted(reached, TOP_SHARE, side="right")))]] = 1.0
    top = in_top * w
    ece, expected = _calibration_error(p, y, w, sampler)
    intercept, slope = _line(p, y, w, sampler)
    return Evaluation(
        rows=int(y.size),
        people=int(sampler.weights.shape[1]),
        events=int(y.sum()),
        base_rate=base,
        reference_rate=reference_rate,
        log_loss=float(loss.mean()),
        log_loss_reference=float(reference.mean()),
        skill=interval(
            1.0 - float(loss.sum() / reference.sum()), 1.0 - sampler.totals(loss) / sampler.totals(reference)
        ),
        roc_auc=weighted_auc(y, p, raw, w, sampler),
        pr_auc=_average_precision(y[order], w[order]),
        lift_at_10=interval(
            float((top * y).sum() / top.sum()) / base,
            _ratio(sampler.totals(top * y), sampler.totals(top)) / _ratio(sampler.totals(w * y), sampler.totals(w)),
        ),
        brier=float(np.average((p - y) ** 2, weights=w)),
        intercept=intercept,
        slope=slope,
        top_decile=interval(
            float((top * y).sum() / (top * p).sum()), _ratio(sampler.totals(top * y), sampler.totals(top * p))
        ),
        ece=ece,
        ece_expected=expected,
        accuracy=float(np.average((p >= 0.5) == y, weights=w)),
        majority=max(base, 1.0 - base),
    )


def reliability_of(p: Floats, y: Bools, weights: Floats | None) -> list[dict[str, float]]:
    """Mean p, observed rate and rows of ten bins of equal mass, of the population where rows have weights."""
    if weights is None:
        return reliability(p, y)
    bins = _bins(p, weights)
    return [
        {
            "p": float(np.average(p[inside], weights=weights[inside])),
            "observed": float(np.average(y[inside], weights=weights[inside])),
            "rows": float(inside.sum()),
        }
        for inside in (bins == index for index in range(BINS))
        if inside.any()
    ]


def lift_of(y: Bools, p: Floats, raw: Floats, weights: Floats | None) -> list[tuple[float, float]]:
    """Share of people taken from the top (per cent steps) and share of events found among them, weighted likewise."""
    if weights is None:
        return lift_curve(y, p, raw)
    order = np.lexsort((-raw, -p))
    taken = np.cumsum(weights[order]) / weights.sum()
    found = np.cumsum((weights * y)[order]) / float((weights * y).sum())
    places = np.unique(np.minimum(np.searchsorted(taken, np.linspace(0.01, 1.0, 100)), taken.size - 1))
    return [(float(taken[at]), float(found[at])) for at in places]


def weighted_auc(y: Bools, p: Floats, raw: Floats, w: Floats, sampler: Resampler) -> Interval:
    """Weighted area under the ROC curve, ties in p broken by the raw score; ties of both count one half."""
    order = np.lexsort((raw, p))
    hit = y[order]
    key = np.stack([p[order], raw[order]])
    starts = np.flatnonzero(np.r_[True, (key[:, 1:] != key[:, :-1]).any(axis=0)])
    point = _auc(w[order][None, :], hit, starts)
    draws = [_auc(drawn * w[order], hit, starts) for drawn in sampler.row_weights(order)]
    return interval(float(point[0]), np.concatenate(draws))


def _auc(weights: NDArray[Any], hit: Bools, starts: NDArray[Any]) -> Floats:
    plus = np.add.reduceat(np.where(hit, weights, 0.0), starts, axis=1)
    minus = np.add.reduceat(np.where(hit, 0.0, weights), starts, axis=1)
    below = np.cumsum(minus, axis=1) - 0.5 * minus
    return _ratio((plus * below).sum(axis=1), plus.sum(axis=1) * minus.sum(axis=1))


def _average_precision(y: Bools, w: Floats) -> float:
    precision = np.cumsum(w * y) / np.cumsum(w)
    return float((precision * w * y).sum() / (w * y).sum())


def _calibration_error(p: Floats, y: Bools, w: Floats, sampler: Resampler) -> tuple[float, float]:
    """ECE by bins of equal weight, and its mean under perfect calibration (see `calibration_error`)."""
    bins = _bins(p, w)
    residual = w * (y - p)
    error = expected = 0.0
    for index in range(BINS):
        inside = bins == index
        by_group = np.bincount(sampler.codes[inside], weights=residual[inside]) if inside.any() else np.zeros(1)
        error += abs(float(residual[inside].sum()))
        expected += float(np.sqrt(np.sum(by_group**2))) * float(np.sqrt(2.0 / np.pi))
    return error / float(w.sum()), expected / float(w.sum())


def _bins(p: Floats, w: Floats) -> NDArray[np.intp]:
    """Bin of equal weight of each row, by rising p."""
    rising = np.argsort(p, kind="stable")
    share = (np.cumsum(w[rising]) - w[rising]) / w.sum()
    bins = np.empty(p.size, dtype=np.intp)
    bins[rising] = np.minimum((share * BINS + 1e-9).astype(np.intp), BINS - 1)
    return bins


def _line(p: Floats, y: Bools, w: Floats, sampler: Resampler) -> tuple[Interval, Interval]:
    """Calibration in the large, and slope on the logit, with grouped sandwich intervals."""
    x = logit(p)
    a = 0.0
    for _ in range(50):
        q = expit(a + x)
        step = float((w * (y - q)).sum() / max(float((w * q * (1 - q)).sum()), 1e-12))
        a += float(np.clip(step, -4, 4))
        if abs(step) < 1e-10:
            break
    spread = float(np.sqrt((np.bincount(sampler.codes, weights=w * (y - p)) ** 2).sum()))
    error = spread / max(float((w * p * (1 - p)).sum()), 1e-12)
    large = Interval(a, a - 1.96 * error, a + 1.96 * error)
    if float(x.std()) < 1e-9:
        return large, Interval(float("nan"), float("nan"), float("nan"))
    beta = np.array(_weighted_line(x, y, w))
    design = np.column_stack([np.ones_like(x), x])
    q = expit(design @ beta)
    bread = np.linalg.pinv((design * (w * q * (1 - q))[:, None]).T @ design)
    scores = np.stack([np.bincount(sampler.codes, weights=w * (y - q) * column) for column in design.T])
    error = float(np.sqrt(max(float((bread @ (scores @ scores.T) @ bread)[1, 1]), 0.0)))
    return large, Interval(float(beta[1]), float(beta[1]) - 1.96 * error, float(beta[1]) + 1.96 * error)


def _weighted_line(x: Floats, y: Bools, w: Floats) -> tuple[float, float]:
    """Intercept and slope of P(y) = expit(a + b x) on weighted rows, by Newton steps."""
    rate = float(np.clip(np.average(y, weights=w), 1e-6, 1 - 1e-6))
    beta = np.array([float(logit(rate)), 0.0])
    design = np.column_stack([np.ones_like(x), x])
    for _ in range(50):
        q = expit(design @ beta)
        hessian = (design * (w * np.maximum(q * (1 - q), 1e-12))[:, None]).T @ design
        move = np.linalg.pinv(hessian) @ (design.T @ (w * (y - q)))
        beta = beta + move * min(1.0, 4.0 / max(float(np.abs(move).max()), 1e-12))
        if float(np.abs(move).max()) < 1e-10:
            break
    return float(beta[0]), float(beta[1])


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(np.shape(above), np.nan), where=np.asarray(below) > 0))
