"""Rolling recalibration: what matured outcomes say about the promises of past months, and whether to act on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration.calibrator import Calibrator, Floats, fit_sigmoid, logit, offset_intercept
from models.evaluation.metrics import row_log_loss
from models.evaluation.resampling import grouped_error

LEAST_EVENTS: Final = 50  # outcomes of the rarer class that a new intercept needs
LEAST_EVENTS_SLOPE: Final = 200  # and a new slope
_PARTS: Final = 5
Remedy = Literal["none", "intercept", "slope"]


@dataclass(frozen=True)
class Recalibration:
    """What was decided.

    Attributes:
        called_for: whether the calibrator should be replaced.
        reason: in words with the numbers.
        remedy: `none`, a new `intercept`, or a new intercept and `slope`.
        calibrator: the one to use from now on.
        gain: cross-fitted log loss a row that the remedy saves on the matured outcomes.
        months: months that were learned from, oldest first.
    """

    called_for: bool
    reason: str
    remedy: Remedy
    calibrator: Calibrator
    gain: float
    months: tuple[Any, ...]


def recalibrate(
    current: Calibrator, *, raw: Floats, y: NDArray[np.bool_], month: Any, groups: Any, seed: int = 7
) -> Recalibration:
    """Whether matured outcomes call for a new intercept or slope, and the calibrator with it.

    The newest months are taken until they hold enough events. A remedy is adopted when the log loss that it saves on
    groups it was not fitted on exceeds one standard error; the slope moves only where it saves more than one standard
    error beyond the intercept.

    Args:
        current: the calibrator in use.
        raw: raw log odds of people scored in the past, shape (rows,).
        y: their matured outcomes.
        month: sortable month in which each was scored.
        groups: account or person of each row.
        seed: of the cross-fitting.
    """
    rows, months = newest_months(y, month)
    events = min(int(y[rows].sum()), int((~y[rows]).sum()))
    if events < LEAST_EVENTS:
        told = f"{events} outcomes of the rarer kind have matured; {LEAST_EVENTS} are needed"
        return Recalibration(False, told, "none", current, 0.0, months)
    x, outcome = logit(current.apply(raw[rows])), y[rows]
    codes = pd.factorize(np.asarray(groups)[rows], sort=True)[0]
    losses = {remedy: _cross_fitted(remedy, x, outcome, codes, seed) for remedy in _remedies(events)}
    chosen: Remedy = "none"
    for remedy in list(losses)[1:]:
        saved = losses[chosen] - losses[remedy]
        if float(saved.mean()) > grouped_error(saved, codes):
            chosen = remedy
    shift, stretch = _line(chosen, x, outcome)
    gain = float((losses["none"] - losses[chosen]).mean())
    expected, found = float(current.apply(raw[rows]).sum()), int(outcome.sum())
    told = f"of {expected:.0f} returns promised in {len(months)} months, {found} happened"
    if chosen == "none":
        return Recalibration(False, f"{told}: no correction saves more than its error", "none", current, 0.0, months)
    told = f"{told}: log odds become {shift:+.3f} {stretch:+.3f} x log odds, saving {gain:.5f} log loss a person"
    return Recalibration(True, told, chosen, current.recalibrated(shift, stretch), gain, months)


def roll(
    current: Calibrator, *, raw: Floats, y: NDArray[np.bool_], month: Any, groups: Any, lag: int = 1, seed: int = 7
) -> Floats:
    """p of every row under monthly recalibration: a month is calibrated by what matured before it, shape (rows,).

    Args:
        current: calibrator at the start.
        raw, y, groups: of all rows.
        month: sortable month of each row.
        lag: months until an outcome is mature; 1 uses the month before.
        seed: of the cross-fitting.
    """
    place, distinct = pd.factorize(np.asarray(month), sort=True)
    p = np.empty(y.size)
    for index in range(len(distinct)):
        now, past = place == index, place <= index - lag
        used = current
        if past.any():
            known = {"raw": raw[past], "y": y[past], "month": place[past], "groups": np.asarray(groups)[past]}
            used = recalibrate(current, seed=seed, **known).calibrator
        p[now] = used.apply(raw[now])
    return p


def newest_months(y: NDArray[np.bool_], month: Any) -> tuple[NDArray[np.intp], tuple[Any, ...]]:
    """Rows of the fewest newest months with enough events for a slope, or of all, and those months."""
    place, distinct = pd.factorize(np.asarray(month), sort=True)
    for first in range(len(distinct) - 1, -1, -1):
        rows = np.flatnonzero(place >= first)
        if min(int(y[rows].sum()), int((~y[rows]).sum())) >= LEAST_EVENTS_SLOPE or first == 0:
            return rows, tuple(distinct[first:])
    return np.zeros(0, dtype=np.intp), ()


def _remedies(events: int) -> Sequence[Remedy]:
    return ("none", "intercept", "slope") if events >= LEAST_EVENTS_SLOPE else ("none", "intercept")


def _line(remedy: Remedy, x: Floats, y: NDArray[np.bool_]) -> tuple[float, float]:
    if remedy == "none":
        return 0.0, 1.0
    if remedy == "intercept":
        return offset_intercept(x, y), 1.0
    fitted = fit_sigmoid(x, y)
    return fitted.intercept, fitted.slope


def _cross_fitted(remedy: Remedy, x: Floats, y: NDArray[np.bool_], codes: NDArray[np.intp], seed: int) -> Floats:
    part = (np.random.default_rng(seed).permutation(int(codes.max()) + 1) % _PARTS)[codes]
    loss = np.empty(y.size)
    for index in range(_PARTS):
        inside = part == index
        known = ~inside
        mixed = bool(y[known].any()) and not bool(y[known].all())
        shift, stretch = _line(remedy if mixed else "none", x[known], y[known])
        p = Calibrator("sigmoid", shift, stretch, int(known.sum())).apply(x[inside])
        loss[inside] = row_log_loss(p, y[inside])
    return loss
