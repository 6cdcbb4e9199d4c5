"""How good a ranking by uplift and a policy are, from randomised rows; errors are clustered by group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from models.calibration.calibrator import Floats
from models.evaluation.resampling import Interval, Resampler, interval

Bools = NDArray[np.bool_]
_LEVEL: Final = 0.975


def clustered_mean(values: Floats, groups: Any, weights: Floats | None = None) -> Interval:
    """Weighted mean of row values with a 95 % interval by sums over groups.

    The error is that of a ratio of group sums, so unequal groups are allowed for (Liang and Zeger, 1986), with the
    t quantile of the number of groups that carry the spread (Satterthwaite's degrees of freedom).
    """
    mass = np.ones(values.size) if weights is None else weights
    total = float(mass.sum())
    mean = float((mass * values).sum()) / total
    codes, distinct = pd.factorize(np.asarray(groups))
    if len(distinct) < 2:
        return Interval(mean, float("nan"), float("nan"))
    sums = np.bincount(codes, weights=mass * (values - mean))
    squares = sums**2
    variance = float(squares.sum()) * len(distinct) / (len(distinct) - 1)
    error = float(np.sqrt(variance)) / total
    fourth = float((squares**2).sum())
    freedom = float(squares.sum()) ** 2 / fourth if fourth > 0 else float(len(distinct))
    reach = float(student.ppf(_LEVEL, max(freedom, 1.0))) * error
    return Interval(mean, mean - reach, mean + reach)


def effect_scores(y: Floats, treated: Bools, e: Floats, mu_treated: Floats, mu_control: Floats) -> Floats:
    """Doubly robust score of each row's effect, shape (rows,); its mean is the average effect (Robins et al., 1994).

    Unbiased whatever the outcome models say, because `e` is known from the assignment log.
    """
    return (
        mu_treated
        - mu_control
        + np.where(treated, (y - mu_treated) / e, 0.0)
        - np.where(treated, 0.0, (y - mu_control) / (1.0 - e))
    )


def policy_value(scores: Floats, contact: Bools, cost: float, groups: Any, weights: Floats | None = None) -> Interval:
    """Mean net worth per row of contacting `contact` instead of nobody (Athey and Wager, 2021).

    Args:
        scores: doubly robust scores in units of worth, shape (rows,).
        contact: whom the policy contacts, decided without the row's own outcome.
        cost: of one contact.
        groups: account or person of each row.
        weights: rows of the population that each row stands for.
    """
    return clustered_mean(np.where(contact, scores - cost, 0.0), groups, weights)


def inverse_scores(y: Floats, treated: Bools, e: Floats) -> Floats:
    """Inverse propensity score of each row's effect, shape (rows,) (Horvitz and Thompson, 1952)."""
    return np.where(treated, y / e, -y / (1.0 - e))


@dataclass(frozen=True)
class _Ranking:
    """Rows in falling order of a score; `last` is the position of the last row of each value."""

    order: NDArray[np.intp]
    last: NDArray[np.intp]

    @staticmethod
    def by(score: Floats) -> _Ranking:
        order = np.argsort(-score, kind="stable")
        return _Ranking(order, np.r_[np.flatnonzero(np.diff(score[order])), score.size - 1])

    def area(self, y: Floats, treated: Floats, mass: Floats) -> tuple[float, float]:
        """Area under the Qini curve, and under the diagonal to its end.

        gained = outcomes of the contacted - outcomes of the controls x contacted / controls (Radcliffe, 2007), over
        the rows taken from the top.
        """
        w = mass[self.order]
        in_arm = w * treated[self.order]
        hit = y[self.order]
        x, n_t, y_t = (np.cumsum(one)[self.last] for one in (w, in_arm, in_arm * hit))
        n_c, y_c = x - n_t, np.cumsum((w - in_arm) * hit)[self.last]
        gained = y_t - np.divide(y_c * n_t, n_c, out=np.zeros_like(y_c), where=n_c > 0)
        area = float(np.trapezoid(np.r_[0.0, gained], np.r_[0.0, x]))
        return area, 0.5 * float(x[-1] * gained[-1])


class _Qini:
    """Qini of one ranking under changing weights of the rows."""

    def __init__(self, y: Bools, treated: Bools, e: Floats, uplift: Floats, weights: Floats | None) -> None:
        mass = np.ones(y.size) if weights is None else weights
        self.y, self.treated = y.astype(np.float64), treated.astype(np.float64)
        self.mass = mass * np.where(treated, e.mean() / e, (1.0 - e.mean()) / (1.0 - e))
        self.own = _Ranking.by(uplift)
        self.ideal = _Ranking.by(self.y * np.where(treated, 1.0, -1.0))

    def value(self, times: Floats | float = 1.0) -> float:
        mass = self.mass * times
        area, chance = self.own.area(self.y, self.treated, mass)
        best, _ = self.ideal.area(self.y, self.treated, mass)
        return (area - chance) / (best - chance) if abs(best - chance) > 1e-12 else float("nan")


def qini(y: Bools, treated: Bools, e: Floats, uplift: Floats, weights: Floats | None = None) -> float:
    """Normalised Qini coefficient: area between the Qini curve and the diagonal, 1 for the best order of these rows.

    The best order puts contacted rows with an outcome first and controls with one last (Radcliffe, 2007, with
    negative effects; the definition of scikit-uplift's `qini_auc_score`). Rows tied in uplift are taken together.
    Rows count by their arm's mean propensity over their own, which is 1 where all have the same.
    """
    return _Qini(y, treated, e, uplift, weights).value()


def qini_interval(
    y: Bools, treated: Bools, e: Floats, uplift: Floats, groups: Any, *, seed: int, weights: Floats | None = None
) -> Interval:
    """`qini` with an interval that resamples groups."""
    judged = _Qini(y, treated, e, uplift, weights)
    sampler = Resampler.of(groups, seed=seed)
    draws = [judged.value(one) for part in sampler.row_weights(np.arange(y.size)) for one in part]
    return interval(judged.value(), np.asarray(draws))


def uplift_at(
    share: float, y: Floats, treated: Bools, e: Floats, uplift: Floats, groups: Any, weights: Floats | None = None
) -> Interval:
    """Effect among the `share` of rows with the highest uplift: mean of the contacted less mean of the controls.

    Rows tied at the cut count in part; each arm's mean counts rows by inverse propensity (Hajek, 1971), and the
    interval is the clustered one of that difference.
    """
    mass = np.ones(y.size) if weights is None else weights
    inside = mass * _top_share(uplift, mass, share)
    w = inside / np.where(treated, e, 1.0 - e)
    in_arm, in_control = w * treated, w * ~treated
    if not in_arm.any() or not in_control.any():
        return Interval(float("nan"), float("nan"), float("nan"))
    mean_t = float((in_arm * y).sum() / in_arm.sum())
    mean_c = float((in_control * y).sum() / in_control.sum())
    value = mean_t - mean_c
    influence = in_arm * (y - mean_t) / in_arm.sum() - in_control * (y - mean_c) / in_control.sum()
    spread = clustered_mean(influence * y.size, groups)
    return Interval(value, value + spread.low - spread.value, value + spread.high - spread.value)


def _top_share(uplift: Floats, mass: Floats, share: float) -> Floats:
    """How much of each row belongs to the top `share`, 0..1: rows tied at the cut belong to it in part."""
    values, codes = np.unique(-uplift, return_inverse=True)
    by_value = np.bincount(codes, weights=mass, minlength=values.size)
    room = share * float(mass.sum()) - np.r_[0.0, np.cumsum(by_value)[:-1]]
    part = np.clip(room / np.maximum(by_value, 1e-300), 0.0, 1.0)
    return np.asarray(part[codes], dtype=np.float64)
