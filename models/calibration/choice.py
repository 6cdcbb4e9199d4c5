"""Chooses the calibration method on its own slice by cross-fitted log loss, the simpler when in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration.calibrator import ISOTONIC_EVENTS, Calibrator, Floats, Method, fit_calibrator
from models.evaluation.metrics import row_log_loss
from models.evaluation.resampling import grouped_error

_PARTS: Final = 5
_LEAST_EVENTS: Final = 30  # fewer outcomes cannot correct a score; it is taken as it is


@dataclass(frozen=True)
class CalibrationChoice:
    """A calibrator fitted on the whole slice, why this method, and the cross-fitted mean log loss of each."""

    calibrator: Calibrator
    reason: str
    losses: dict[str, float]


def choose_calibrator(
    raw: Floats, y: NDArray[np.bool_], *, groups: Any, weights: Floats | None = None, seed: int = 7
) -> CalibrationChoice:
    """Calibrator of a slice of scores that the scorer has not learned from.

    The slice is cut into five parts by group; every method is judged on the parts that it was not fitted on. `none`
    stays unless the sigmoid does better; `beta` and `isotonic` (from 1,000 events) must beat that by more than one
    standard error.

    Args:
        raw: out-of-fold raw log odds, shape (rows,).
        y: outcome, shape (rows,).
        groups: account or person of each row, shape (rows,).
        weights: weight of each row.
        seed: of the parts.
    """
    events = min(int(y.sum()), int((~y).sum()))
    mass = np.ones(y.size) if weights is None else np.asarray(weights, dtype=np.float64)
    if events < _LEAST_EVENTS:
        plain = fit_calibrator(raw, y, method="none")
        return CalibrationChoice(plain, f"{events} events are too few to correct the score", {})
    methods: list[Method] = ["none", "sigmoid", "beta"]
    if int(y.sum()) >= ISOTONIC_EVENTS * _PARTS / (_PARTS - 1):
        methods.append("isotonic")
    codes = pd.factorize(np.asarray(groups), sort=True)[0]
    losses = {method: _cross_fitted(method, raw, y, codes, mass, seed) for method in methods}
    means = {method: float(loss.mean()) for method, loss in losses.items()}
    chosen: Method = "sigmoid" if means["sigmoid"] < means["none"] else "none"
    for method in methods[2:]:
        ahead = losses[chosen] - losses[method]
        if float(ahead.mean()) > grouped_error(ahead, codes):
            chosen = method
    told = ", ".join(f"{method} {mean:.5f}" for method, mean in means.items())
    reason = f"{chosen}: cross-fitted log loss on {y.size:,} rows with {int(y.sum()):,} events: {told}"
    return CalibrationChoice(
        fit_calibrator(raw, y, method=chosen, weights=mass), reason, {str(name): mean for name, mean in means.items()}
    )


def _cross_fitted(
    method: Method, raw: Floats, y: NDArray[np.bool_], codes: NDArray[np.intp], mass: Floats, seed: int
) -> Floats:
    part = (np.random.default_rng(seed).permutation(int(codes.max()) + 1) % _PARTS)[codes]
    loss = np.zeros(y.size)
    for index in range(_PARTS):
        inside = part == index
        if not inside.any():
            continue
        known = ~inside
        one_class = y[known].all() or not y[known].any()
        fitted = fit_calibrator(raw[known], y[known], method="none" if one_class else method, weights=mass[known])
        loss[inside] = row_log_loss(fitted.apply(raw[inside]), y[inside])
    return np.asarray(loss * mass / mass.mean(), dtype=np.float64)
