"""Calibrators: maps from raw log odds to p, each a handful of plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Method = Literal["none", "sigmoid", "beta", "isotonic"]

ISOTONIC_EVENTS: Final = 1_000  # below this isotonic steps follow noise (Niculescu-Mizil and Caruana, 2005)
_RIDGE: Final = 1.0  # keeps the fit finite when a slice separates perfectly
_FAR: Final = 30.0


def _within(values: Floats, low: float, high: float) -> Floats:
    # On few values a good deal faster than numpy.clip.
    return np.asarray(np.minimum(np.maximum(values, low), high), dtype=np.float64)


def logit(p: Floats | float) -> Floats:
    """Log odds; p strictly between 0 and 1."""
    values = np.asarray(p, dtype=np.float64)
    return np.log(values) - np.log1p(-values)


def expit(z: Floats | float) -> Floats:
    """Inverse of `logit`, without overflow."""
    values = _within(np.asarray(z, dtype=np.float64), -_FAR * 20, _FAR * 20)
    return 1.0 / (1.0 + np.exp(-values))


@dataclass(frozen=True)
class Calibrator:
    """Maps raw log odds to p. p is clipped to [1/(n+2), 1 - 1/(n+2)], n the rows it was fitted on.

    With s = expit(raw), log odds before recalibration are raw (`none`), intercept + slope raw (`sigmoid`),
    intercept + slope ln s - upper ln(1 - s) (`beta`; Kull, Silva Filho and Flach, 2017), or those of p read from
    `knots` (`isotonic`). A recalibration makes them shift + stretch x log odds.

    Attributes:
        method: how it maps.
        intercept, slope: as above.
        rows: rows of the slice.
        knots: raw log odds and p of the isotonic steps, else empty.
        upper: of `beta`: how far high scores are stretched; equal to `slope` it is a sigmoid.
        shift, stretch: of the last recalibration; 0 and 1 without one.
    """

    method: Method
    intercept: float
    slope: float
    rows: int
    knots: tuple[tuple[float, float], ...] = ()
    upper: float = 0.0
    shift: float = 0.0
    stretch: float = 1.0

    def apply(self, raw: Floats) -> Floats:
        """Calibrated p of raw log odds; never falls with `raw`."""
        edge = 1.0 / (self.rows + 2.0)
        p = self._mapped(np.asarray(raw, dtype=np.float64))
        if self.shift != 0.0 or self.stretch != 1.0:
            p = expit(self.shift + self.stretch * logit(_within(p, edge, 1.0 - edge)))
        return np.asarray(_within(p, edge, 1.0 - edge), dtype=np.float64)

    def _mapped(self, raw: Floats) -> Floats:
        if self.method == "isotonic":
            x, y = np.array(self.knots, dtype=np.float64).T
            return np.asarray(np.interp(raw, x, y), dtype=np.float64)
        if self.method == "beta":
            low, high = beta_terms(raw)
            return expit(self.intercept + self.slope * low + self.upper * high)
        return expit(self.intercept + self.slope * raw)

    def recalibrated(self, shift: float, stretch: float) -> Calibrator:
        """This calibrator followed by shift + stretch x log odds, on top of a recalibration that it has."""
        return replace(self, shift=shift + stretch * self.shift, stretch=stretch * self.stretch)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**vars(self), "knots": [list(pair) for pair in self.knots]}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Calibrator:
        """Inverse of `to_dict`."""
        knots = tuple((float(x), float(y)) for x, y in data["knots"])
        numbers = {name: float(data[name]) for name in ("intercept", "slope", "upper", "shift", "stretch")}
        return Calibrator(method=data["method"], rows=int(data["rows"]), knots=knots, **numbers)


def beta_terms(raw: Floats) -> tuple[Floats, Floats]:
    """ln s and -ln(1 - s) of s = expit(raw): the parts of the log odds that matter below and above one half."""
    return -np.logaddexp(0.0, -raw), np.logaddexp(0.0, raw)


def fit_sigmoid(
    raw: Floats, y: NDArray[np.bool_], *, weights: Floats | None = None, least_slope: float = 0.0
) -> Calibrator:
    """Platt scaling on the logit (Platt, 1999) with Newton steps.

    Args:
        raw: raw log odds (or any score), shape (n,).
        y: outcome, shape (n,).
        weights: weight of each row; None counts all alike.
        least_slope: lower bound of the slope; 0 keeps the order of the raw score at worst flat.
    """
    mass = np.ones(y.size) if weights is None else weights
    # Centred and scaled so that Newton is well conditioned whatever the unit of `raw`.
    centre, scale = float(raw.mean()), float(raw.std()) or 1.0
    a, b = logistic_line((raw - centre) / scale, y, mass)
    slope = b / scale
    if slope < least_slope:
        slope = least_slope
        a = offset_intercept(slope * (raw - centre), y, mass)
    return Calibrator("sigmoid", float(a - slope * centre), float(slope), int(y.size))


def fit_beta(raw: Floats, y: NDArray[np.bool_], *, weights: Floats | None = None) -> Calibrator:
    """Beta calibration: a sigmoid whose slope may differ below and above one half; a negative part is left out."""
    mass = np.ones(y.size) if weights is None else weights
    parts = np.column_stack(beta_terms(raw))
    free = [0, 1]
    while free:
        columns = parts[:, free]
        centre, scale = columns.mean(axis=0), np.where(columns.std(axis=0) > 0, columns.std(axis=0), 1.0)
        fitted = newton_logistic((columns - centre) / scale, y, mass)
        slopes = fitted[1:] / scale
        if (slopes >= 0).all():
            both = np.zeros(2)
            both[free] = slopes
            intercept = float(fitted[0] - slopes @ centre)
            return Calibrator("beta", intercept, float(both[0]), int(y.size), upper=float(both[1]))
        free.pop(int(np.argmin(slopes)))
    return Calibrator("beta", offset_intercept(np.zeros(y.size), y, mass), 0.0, int(y.size))


def fit_isotonic(raw: Floats, y: NDArray[np.bool_], *, weights: Floats | None = None) -> Calibrator:
    """Isotonic steps joined by lines, as far as the events allow; rank by the raw score where it makes ties.

    Raises:
        ValueError: fewer than 1,000 events.
    """
    if int(y.sum()) < ISOTONIC_EVENTS:
        raise ValueError(f"isotonic calibration needs {ISOTONIC_EVENTS} events, found {int(y.sum())}")
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(raw, y.astype(np.float64), sample_weight=weights)
    knots = tuple(zip(fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist(), strict=True))
    return Calibrator("isotonic", 0.0, 1.0, int(y.size), knots)


def fit_calibrator(
    raw: Floats, y: NDArray[np.bool_], *, method: Method = "sigmoid", weights: Floats | None = None
) -> Calibrator:
    """Calibrator of the wished method; isotonic falls back to sigmoid when events are few."""
    if method == "none":
        return Calibrator("none", 0.0, 1.0, int(y.size))
    if method == "beta":
        return fit_beta(raw, y, weights=weights)
    if method == "isotonic" and int(y.sum()) >= ISOTONIC_EVENTS:
        return fit_isotonic(raw, y, weights=weights)
    return fit_sigmoid(raw, y, weights=weights)


def logistic_line(x: Floats, y: NDArray[np.bool_], weights: Floats | None = None) -> tuple[float, float]:
    """Intercept and slope of P(y) = expit(a + b x), with a weak ridge on the slope."""
    fitted = newton_logistic(x[:, None], y, np.ones(y.size) if weights is None else weights)
    return float(fitted[0]), float(fitted[1])


def newton_logistic(X: Floats, y: NDArray[np.bool_], weights: Floats) -> Floats:
    """Intercept and slopes of a weighted logistic regression on few scaled columns, with a weak ridge on the slopes.

    Args:
        X: scaled columns, shape (n, k).
        y, weights: outcome and weight of each row, shape (n,).
    """
    target = y.astype(np.float64)
    design = np.column_stack([np.ones(y.size), X])
    ridge = np.r_[0.0, np.full(X.shape[1], _RIDGE)]
    mean = float(np.clip(np.average(target, weights=weights), 1e-6, 1 - 1e-6))
    fitted = np.r_[float(logit(mean)), np.zeros(X.shape[1])]
    for _ in range(50):
        p = expit(design @ fitted)
        curve = np.maximum(weights * p * (1 - p), 1e-9)
        gradient = design.T @ (weights * (target - p)) - ridge * fitted
        hessian = design.T @ (design * curve[:, None]) + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        # A bounded step keeps Newton from overshooting on nearly separated data.
        step *= min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))
        fitted = fitted + step
        if float(np.abs(step).max()) < 1e-10:
            break
    return np.asarray(fitted, dtype=np.float64)


def offset_intercept(offset: Floats, y: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Intercept of P(y) = expit(a + offset)."""
    mass = np.ones(y.size) if weights is None else weights
    target = y.astype(np.float64)
    a = float(logit(float(np.clip(np.average(target, weights=mass), 1e-6, 1 - 1e-6)))) - float(offset.mean())
    for _ in range(50):
        p = expit(a + offset)
        step = float((mass * (target - p)).sum() / max(float((mass * p * (1 - p)).sum()), 1e-9))
        step = float(np.clip(step, -4, 4))
        a += step
        if abs(step) < 1e-10:
            break
    return a


def calibration_in_the_large(p: Floats, y: NDArray[np.bool_]) -> float:
    """Intercept with the slope held at 1: 0 when p is right on average."""
    return offset_intercept(logit(p), y)
