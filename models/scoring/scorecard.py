"""The rule scorecard (title 40 %, company size 30 %, industry 30 %): baseline of every model, and its fallback."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration.calibrator import Calibrator, Floats, expit, fit_sigmoid, logit
from models.scoring.scorecard_words import PRIOR_RATE

NAME: Final = "rule_scorecard"
FEATURE_NAMES: Final = ("title_level", "employee_count", "industry_group")
TITLE_POINTS: Final = {"c_level": 40.0, "vp": 35.0, "director": 25.0, "manager": 15.0, "individual": 5.0}
SIZE_POINTS: Final = ((5000.0, 30.0), (1000.0, 25.0), (500.0, 20.0), (100.0, 15.0), (50.0, 10.0))
INDUSTRY_POINTS: Final = {
    "technology": 30.0,
    "healthcare": 30.0,
    "finance": 30.0,
    "retail": 20.0,
    "manufacturing": 20.0,
    "nonprofit": 15.0,
    "education": 15.0,
}
# Assumed where no outcome is known yet: 20 points of the card double the odds.
PRIOR_SLOPE: Final = float(np.log(2.0) / 20.0)
PRIOR_WORDS: Final = "assumed: 5 % come back within the horizon, and 20 points of the card double the odds"
_LEAST, _MOST = 1.0, 100.0


def card_points(frame: pd.DataFrame) -> Floats:
    """Points of title, size and industry, shape (n, 3); unknown or unlisted values give 0."""
    rows = len(frame)
    title = _looked_up(frame, "title_level", TITLE_POINTS)
    industry = _looked_up(frame, "industry_group", INDUSTRY_POINTS)
    size = np.zeros(rows)
    if "employee_count" in frame.columns:
        employees = pd.to_numeric(frame["employee_count"], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        for least, points in reversed(SIZE_POINTS):
            size[employees >= least] = points
    return np.column_stack([title, size, industry])


def _looked_up(frame: pd.DataFrame, column: str, table: dict[str, float]) -> Floats:
    if column not in frame.columns:
        return np.zeros(len(frame))
    return np.asarray(frame[column].map(table).fillna(0.0).to_numpy(dtype=np.float64))


def card_score(frame: pd.DataFrame) -> Floats:
    """Score of the card, 1-100."""
    return np.asarray(np.clip(card_points(frame).sum(axis=1), _LEAST, _MOST), dtype=np.float64)


def card_says_something(frame: pd.DataFrame) -> bool:
    """Whether title, company size or industry is known of anybody; without any the card gives everyone the same."""
    return any(name in frame.columns and bool(frame[name].notna().any()) for name in FEATURE_NAMES)


@dataclass(frozen=True)
class Scorecard:
    """The card with what turns its score into p.

    Attributes:
        intercept, slope: p = expit(intercept + slope * score); the slope is never negative, so the card's order
            stays.
        average: mean score of the people it was calibrated on; contributions are told against it.
        means: mean points of title, size and industry.
        basis: `outcomes` when calibrated on labels, `prior` when assumed.
        rows: rows of the calibration slice.
    """

    intercept: float
    slope: float
    average: float
    means: tuple[float, float, float]
    basis: str
    rows: int

    def p(self, score: Floats) -> Floats:
        """Probability of reactivation for card scores."""
        if self.basis == "prior":
            return expit(self.intercept + self.slope * score)
        return Calibrator("sigmoid", self.intercept, self.slope, self.rows).apply(score)

    def contributions(self, frame: pd.DataFrame) -> tuple[Floats, float]:
        """Logit contributions of the three features, shape (n, 3), and the baseline."""
        means = np.array(self.means)
        return self.slope * (card_points(frame) - means), self.intercept + self.slope * float(means.sum())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return asdict(self) | {"means": list(self.means)}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Scorecard:
        """Inverse of `to_dict`."""
        return Scorecard(**(data | {"means": tuple(data["means"])}))


def calibrated_card(frame: pd.DataFrame, y: NDArray[np.bool_]) -> Scorecard:
    """Card calibrated on outcomes; with one class only, or no rows, the stated prior."""
    if len(frame) == 0 or not y.any() or y.all():
        return prior_card(frame)
    score = card_score(frame)
    points = card_points(frame).mean(axis=0)
    fitted = fit_sigmoid(score, y)
    return Scorecard(
        intercept=fitted.intercept,
        slope=fitted.slope,
        average=float(score.mean()),
        means=(float(points[0]), float(points[1]), float(points[2])),
        basis="outcomes",
        rows=fitted.rows,
    )


def prior_card(frame: pd.DataFrame) -> Scorecard:
    """Card with assumed rates, centred on the people at hand."""
    score = card_score(frame) if len(frame) else np.array([50.0])
    points = card_points(frame).mean(axis=0) if len(frame) else np.zeros(3)
    average = float(score.mean())
    return Scorecard(
        intercept=float(logit(PRIOR_RATE)) - PRIOR_SLOPE * average,
        slope=PRIOR_SLOPE,
        average=average,
        means=(float(points[0]), float(points[1]), float(points[2])),
        basis="prior",
        rows=len(frame),
    )
