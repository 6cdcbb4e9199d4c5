"""Calibrators: a sigmoid on the logit by default, isotonic only where events are plenty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Method = Literal["none", "sigmoid", "isotonic"]

_ISOTONIC_EVENTS: Final = 1_000  # below this isotonic steps follow noise (Niculescu-Mizil and Caruana, 2005)
_RIDGE: Final = 1.0  # keeps the fit finite when a slice separates perfectly
_FAR: Final = 30.0


def logit(p: Floats | float) -> Floats:
    """Log odds; p strictly between 0 and 1."""
    values = np.asarray(p, dtype=np.float64)
    return np.log(values) - np.log1p(-values)


def expit(z: Floats | float) -> Floats:
    """Inverse of `logit`, without overflow."""
    values = np.clip(np.asarray(z, dtype=np.float64), -_FAR * 20, _FAR * 20)
    return 1.0 / (1.0 + np.exp(-values))


@dataclass(frozen=True)
class Calibrator:
    """Maps raw log odds to p. p is clipped to [1/(n+2), 1 - 1/(n+2)], n the rows it was fitted on.

    Attributes:
        method: how it maps.
        intercept, slope: of the sigmoid on the logit.
        rows: rows of the slice.
        knots: raw log odds and p of the isotonic steps, else empty.
    """

    method: Method
    intercept: float
    slope: float
    rows: int
    knots: tuple[tuple[float, float], ...] = ()

    def apply(self, raw: Floats) -> Floats:
        """Calibrated p of raw log odds; rises with `raw`."""
        if self.method == "isotonic":
            x, y = np.array(self.knots, dtype=np.float64).T
            p = np.interp(raw, x, y)
        else:
            p = expit(self.intercept + self.slope * np.asarray(raw, dtype=np.float64))
        edge = 1.0 / (self.rows + 2.0)
        return np.asarray(np.clip(p, edge, 1.0 - edge), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "method": self.method,
            "intercept": self.intercept,
            "slope": self.slope,
            "rows": self.rows,
            "knots": [list(pair) for pair in self.knots],
        }

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Calibrator:
        """Inverse of `to_dict`."""
        knots = tuple((float(x), float(y)) for x, y in data["knots"])
        return Calibrator(data["method"], float(data["intercept"]), float(data["slope"]), int(data["rows"]), knots)


def fit_sigmoid(raw: Floats, y: NDArray[np.bool_], *, least_slope: float = 0.0) -> Calibrator:
    """Platt scaling on the logit (Platt, 1999) with Newton steps.

    Args:
        raw: raw log odds (or any score), shape (n,).
        y: outcome, shape (n,).
        least_slope: lower bound of the slope; 0 keeps the order of the raw score at worst flat.
    """
    # Centred and scaled so that Newton is well conditioned whatever the unit of `raw`.
    centre, scale = float(raw.mean()), float(raw.std()) or 1.0
    a, b = logistic_line((raw - centre) / scale, y)
    slope = b / scale
    if slope < least_slope:
        slope = least_slope
        a = _offset_intercept(slope * (raw - centre), y)
    return Calibrator("sigmoid", float(a - slope * centre), float(slope), int(y.size))


def fit_isotonic(raw: Floats, y: NDArray[np.bool_]) -> Calibrator:
    """Isotonic steps joined by lines, as far as the events allow.

    Raises:
        ValueError: fewer than 1,000 events.
    """
    if int(y.sum()) < _ISOTONIC_EVENTS:
        raise ValueError(f"isotonic calibration needs {_ISOTONIC_EVENTS} events, found {int(y.sum())}")
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(raw, y.astype(np.float64))
    knots = tuple(zip(fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist(), strict=True))
    return Calibrator("isotonic", 0.0, 1.0, int(y.size), knots)


def fit_calibrator(raw: Floats, y: NDArray[np.bool_], *, method: Method = "sigmoid") -> Calibrator:
    """Calibrator of the wished method; isotonic falls back to sigmoid when events are few."""
    if method == "none":
        return Calibrator("none", 0.0, 1.0, int(y.size))
    if method == "isotonic" and int(y.sum()) >= _ISOTONIC_EVENTS:
        return fit_isotonic(raw, y)
    return fit_sigmoid(raw, y)


def logistic_line(x: Floats, y: NDArray[np.bool_]) -> tuple[float, float]:
    """Intercept and slope of P(y) = expit(a + b x), with a weak ridge on the slope."""
    target = y.astype(np.float64)
    mean = float(np.clip(target.mean(), 1e-6, 1 - 1e-6))
    a, b = float(logit(mean)), 0.0
    for _ in range(50):
        p = expit(a + b * x)
        w = np.maximum(p * (1 - p), 1e-9)
        residual = target - p
        gradient = np.array([residual.sum(), (residual * x).sum() - _RIDGE * b])
        wx = float((w * x).sum())
        hessian = np.array([[w.sum(), wx], [wx, (w * x * x).sum() + _RIDGE]])
        step = np.linalg.solve(hessian, gradient)
        # A bounded step keeps Newton from overshooting on nearly separated data.
        step *= min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))
        a, b = a + float(step[0]), b + float(step[1])
        if float(np.abs(step).max()) < 1e-10:
            break
    return a, b


def _offset_intercept(offset: Floats, y: NDArray[np.bool_]) -> float:
    """Intercept of P(y) = expit(a + offset)."""
    target = y.astype(np.float64)
    a = float(logit(float(np.clip(target.mean(), 1e-6, 1 - 1e-6)))) - float(offset.mean())
    for _ in range(50):
        p = expit(a + offset)
        step = float((target - p).sum() / max(float((p * (1 - p)).sum()), 1e-9))
        step = float(np.clip(step, -4, 4))
        a += step
        if abs(step) < 1e-10:
            break
    return a


def calibration_in_the_large(p: Floats, y: NDArray[np.bool_]) -> float:
    """Intercept with the slope held at 1: 0 when p is right on average."""
    return _offset_intercept(logit(p), y)
