"""Did past scores come true: what was promised on a past day against what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.calibration.calibrator import Floats
from models.evaluation.metrics import Bools, roc_auc_interval, row_log_loss
from models.evaluation.resampling import Interval, Resampler, interval

# Clearly failing: the whole interval of observed / expected lies outside this band, or that of the AUC below .5.
RATIO_BAND: Final = (0.5, 2.0)
_LEAST_EXPECTED: Final = 10.0  # fewer expected events decide nothing


@dataclass(frozen=True)
class BacktestDay:
    """One matured day.

    Attributes:
        promised, happened: sum of p and number of reactivated people among those with a mature outcome.
        ratio: happened / promised.
        roc_auc: None when one class only.
    """

    scored_date: date
    score_kind: str
    model_version: str
    people: int
    promised: float
    happened: int
    ratio: Interval
    log_loss: float
    roc_auc: Interval | None


def backtest_day(
    *,
    scored_date: date,
    score_kind: str,
    model_version: str,
    p: Floats,
    raw: Floats,
    y: Bools,
    groups: NDArray[Any],
    seed: int,
) -> BacktestDay:
    """Judge one matured day; arrays have shape (people,), at least one row."""
    sampler = Resampler.of(groups, seed=seed)
    hits = y.astype(np.float64)
    draws = sampler.totals(hits) / np.maximum(sampler.totals(p), 1e-12)
    mixed = bool(y.any()) and not bool(y.all())
    return BacktestDay(
        scored_date=scored_date,
        score_kind=score_kind,
        model_version=model_version,
        people=int(y.size),
        promised=float(p.sum()),
        happened=int(y.sum()),
        ratio=interval(float(y.sum() / p.sum()), draws),
        log_loss=float(row_log_loss(p, y).mean()),
        roc_auc=roc_auc_interval(y, p, raw, sampler) if mixed else None,
    )


def failing(days: list[BacktestDay]) -> str | None:
    """Why the newest matured model day clearly fails, or None. Scorecard days promise nothing and never fail."""
    judged = [day for day in days if day.score_kind == "model" and day.promised >= _LEAST_EXPECTED]
    if not judged:
        return None
    day = max(judged, key=lambda one: one.scored_date)
    low, high = RATIO_BAND
    if day.ratio.low > high or day.ratio.high < low:
        return (
            f"of {day.promised:.0f} returns promised on {day.scored_date}, {day.happened} happened "
            f"(ratio {day.ratio.value:.2f}, {day.ratio.low:.2f} to {day.ratio.high:.2f})"
        )
    if day.roc_auc is not None and day.roc_auc.high < 0.5:
        return f"the order of {day.scored_date} was worse than chance (AUC {day.roc_auc.value:.2f})"
    return None
