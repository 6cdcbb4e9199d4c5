"""Measures of a probability forecast for rare events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.calibration.calibrator import Floats, calibration_in_the_large, logistic_line, logit
from models.evaluation.resampling import Interval, Resampler, interval

BINS: Final = 10
TOP_SHARE: Final = 0.10
ACCURACY_WORDS: Final = (
    "accuracy equals the majority class for almost any model at a base rate below 20 %; the line of 85 % is met by "
    "log-loss skill over the base rate with its lower bound above 0, lift at 10 % of at least 2 and beating the "
    "scorecard"
)
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Evaluation:
    """How good a forecast is on one slice. Intervals resample accounts or people.

    Attributes:
        rows, people, events: size of the slice; events count rows.
        reference_rate: base rate known before the slice, the forecast to beat.
        skill: 1 - log loss / log loss of the reference rate.
        top_decile: observed / expected events among the tenth with the highest p.
        intercept, slope: calibration in the large and slope on the logit; 0 and 1 are perfect.
        ece, ece_expected: by ten bins of equal mass, and what a perfect model shows at this size.
    """

    rows: int
    people: int
    events: int
    base_rate: float
    reference_rate: float
    log_loss: float
    log_loss_reference: float
    skill: Interval
    roc_auc: Interval
    pr_auc: float
    lift_at_10: Interval
    brier: float
    intercept: Interval
    slope: Interval
    top_decile: Interval
    ece: float
    ece_expected: float
    accuracy: float
    majority: float

    def flat(self) -> dict[str, float]:
        """Metrics by name; an interval adds `_low` and `_high`. Values that do not exist are left out."""
        values: dict[str, float] = {}
        for name, value in vars(self).items():
            if isinstance(value, Interval):
                values |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
            else:
                values[name] = float(value)
        return {name: value for name, value in values.items() if np.isfinite(value)}


def row_log_loss(p: Floats, y: Bools) -> Floats:
    """-log likelihood of each row, shape (rows,)."""
    return -np.where(y, np.log(p), np.log1p(-p))


def evaluate(*, y: Bools, p: Floats, raw: Floats, groups: Any, reference_rate: float, seed: int) -> Evaluation:
    """All measures of one slice.

    Args:
        y, p, raw: outcome, calibrated p and tie-breaking raw score, shape (rows,).
        groups: account or person of each row, shape (rows,).
        reference_rate: base rate known before the slice.
        seed: of the resampling.

    Raises:
        ValueError: the slice is empty or holds one class only.
    """
    if y.size == 0 or y.all() or not y.any():
        raise ValueError("a slice with one class cannot be judged")
    sampler = Resampler.of(groups, seed=seed)
    order = np.lexsort((-raw, -p))
    loss = row_log_loss(p, y)
    reference = row_log_loss(np.full(y.size, reference_rate), y)
    skill_draws = 1.0 - sampler.totals(loss) / sampler.totals(reference)
    ece, expected = calibration_error(p, y, groups=sampler.codes)
    top = order[: max(1, round(TOP_SHARE * y.size))]
    in_top = np.zeros(y.size)
    in_top[top] = 1.0
    base = float(y.mean())
    return Evaluation(
        rows=int(y.size),
        people=int(sampler.weights.shape[1]),
        events=int(y.sum()),
        base_rate=base,
        reference_rate=reference_rate,
        log_loss=float(loss.mean()),
        log_loss_reference=float(reference.mean()),
        skill=interval(1.0 - float(loss.sum() / reference.sum()), skill_draws),
        roc_auc=roc_auc_interval(y, p, raw, sampler),
        pr_auc=average_precision(y[order]),
        lift_at_10=interval(
            float(y[top].mean()) / base,
            _ratio(sampler.totals(in_top * y), sampler.totals(in_top)) / sampler.means(y.astype(np.float64)),
        ),
        brier=float(np.mean((p - y) ** 2)),
        intercept=_intercept(p, y, sampler),
        slope=_slope(p, y, sampler),
        top_decile=interval(
            float(y[top].sum() / p[top].sum()), _ratio(sampler.totals(in_top * y), sampler.totals(in_top * p))
        ),
        ece=ece,
        ece_expected=expected,
        accuracy=float(np.mean((p >= 0.5) == y)),
        majority=max(base, 1.0 - base),
    )


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0))


def roc_auc_interval(y: Bools, p: Floats, raw: Floats, sampler: Resampler) -> Interval:
    """Area under the ROC curve, ties in p broken by the raw score."""
    order = np.lexsort((raw, p))
    sorted_y = y[order]
    key = np.stack([p[order], raw[order]])
    starts = np.flatnonzero(np.r_[True, (key[:, 1:] != key[:, :-1]).any(axis=0)])
    ends = np.r_[starts[1:], y.size]
    block = np.repeat(np.arange(starts.size), ends - starts)
    positives = np.flatnonzero(sorted_y)
    first, last = starts[block[positives]], ends[block[positives]]
    point = _auc(np.ones((1, y.size), dtype=np.float32), sorted_y, positives, first, last)
    draws = [_auc(w, sorted_y, positives, first, last) for w in sampler.row_weights(order)]
    return interval(float(point[0]), np.concatenate(draws))


def _auc(
    weights: NDArray[np.float32], y: Bools, positives: NDArray[np.intp], first: NDArray[Any], last: NDArray[Any]
) -> Floats:
    """Weighted AUC of each row of `weights`, rows sorted by score; ties count one half."""
    negatives = np.zeros((weights.shape[0], y.size + 1), dtype=np.float64)
    np.cumsum(np.where(y, 0.0, weights), axis=1, out=negatives[:, 1:])
    below = 0.5 * (negatives[:, first] + negatives[:, last])
    mass = weights[:, positives]
    return _ratio((mass * below).sum(axis=1), mass.sum(axis=1) * negatives[:, -1])


def average_precision(y_by_rank: Bools) -> float:
    """Average precision of outcomes sorted by falling score."""
    hits = np.cumsum(y_by_rank)
    ranks = np.arange(1, y_by_rank.size + 1)
    return float((hits / ranks)[y_by_rank].mean()) if hits[-1] else float("nan")


def equal_mass_bins(p: Floats, bins: int = BINS) -> NDArray[np.intp]:
    """Bin of each row, 0..bins-1, bins of equal mass by rank of p."""
    rank = np.empty(p.size, dtype=np.intp)
    rank[np.argsort(p, kind="stable")] = np.arange(p.size)
    return (rank * bins) // max(p.size, 1)


def calibration_error(p: Floats, y: Bools, *, groups: NDArray[np.intp]) -> tuple[float, float]:
    """ECE by equal mass, and its mean under perfect calibration.

    A bin's mean residual is then about normal around 0; rows of one group move together, so its spread is taken
    from sums by group: E|N(0, s)| = s sqrt(2 / pi).
    """
    bins = equal_mass_bins(p)
    residual = y.astype(np.float64) - p
    error = expected = 0.0
    for index in range(BINS):
        inside = bins == index
        if not inside.any():
            continue
        by_group = np.bincount(groups[inside], weights=residual[inside])
        error += abs(float(residual[inside].sum()))
        expected += float(np.sqrt(np.sum(by_group**2))) * float(np.sqrt(2.0 / np.pi))
    return error / p.size, expected / p.size


def _intercept(p: Floats, y: Bools, sampler: Resampler) -> Interval:
    """Calibration in the large with a grouped sandwich interval."""
    value = calibration_in_the_large(p, y)
    variance = float((p * (1 - p)).sum())
    by_group = np.bincount(sampler.codes, weights=y - p)
    error = float(np.sqrt(np.sum((by_group - by_group.mean()) ** 2))) / max(variance, 1e-12)
    return Interval(value, value - 1.96 * error, value + 1.96 * error)


def _slope(p: Floats, y: Bools, sampler: Resampler) -> Interval:
    """Calibration slope with a grouped sandwich interval."""
    x = logit(p)
    if float(x.std()) < 1e-9:
        return Interval(float("nan"), float("nan"), float("nan"))
    a, b = logistic_line(x, y)
    fitted = 1.0 / (1.0 + np.exp(-(a + b * x)))
    w = fitted * (1 - fitted)
    residual = y - fitted
    bread = np.array([[w.sum(), (w * x).sum()], [(w * x).sum(), (w * x * x).sum()]])
    meat = np.stack([np.bincount(sampler.codes, weights=residual), np.bincount(sampler.codes, weights=residual * x)])
    inverse = np.linalg.pinv(bread)
    error = float(np.sqrt(max((inverse @ (meat @ meat.T) @ inverse)[1, 1], 0.0)))
    return Interval(b, b - 1.96 * error, b + 1.96 * error)


def log_loss_gain(*, y: Bools, p_new: Floats, p_old: Floats, groups: Any, seed: int) -> Interval:
    """Mean log loss of the old forecast minus that of the new one; above 0 the new one is better."""
    difference = row_log_loss(p_old, y) - row_log_loss(p_new, y)
    sampler = Resampler.of(groups, seed=seed)
    return interval(float(difference.mean()), sampler.means(difference))


def reliability(p: Floats, y: Bools) -> list[dict[str, float]]:
    """Mean p, observed rate and rows of ten bins of equal mass."""
    bins = equal_mass_bins(p)
    table = []
    for index in range(BINS):
        inside = bins == index
        if inside.any():
            table.append(
                {"p": float(p[inside].mean()), "observed": float(y[inside].mean()), "rows": float(inside.sum())}
            )
    return table


def lift_curve(y: Bools, p: Floats, raw: Floats) -> list[tuple[float, float]]:
    """Share of people taken from the top (per cent steps) and share of events found among them."""
    order = np.lexsort((-raw, -p))
    found = np.cumsum(y[order]) / max(int(y.sum()), 1)
    steps = np.unique(np.clip(np.rint(np.linspace(0.01, 1.0, 100) * y.size).astype(int), 1, y.size))
    return [(float(step / y.size), float(found[step - 1])) for step in steps]
