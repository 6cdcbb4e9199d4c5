"""Time to return: a discrete-time hazard on censored follow-up gives the shape, the score gives the level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models.calibration.calibrator import Floats, expit
from models.features import FeatureSpec
from models.training.matrix import clean_frame
from models.training.table import TableCoder

# Days after the as-of date at which a period ends; the hazard is one number within a period.
ENDS: Final = (7, 14, 30, 45, 60, 90)
_STARTS: Final = (0, *ENDS[:-1])
HORIZONS: Final = (30, 60, 90)
LEAST_EVENTS: Final = 100
_STRENGTH: Final = 0.05
_ROWS_AT_ONCE: Final = 200_000
_LATENESS: Final = np.linspace(-1.0, 1.0, len(ENDS))


@dataclass(frozen=True)
class Returns:
    """Chance and time of return of each person, shape (people,).

    Attributes:
        by_day: P(return) by 30, 60 and 90 days, shape (people, 3).
        median_days: day by which the chance reaches one half; NaN is not reached within 90 days.
        median_if_returning: median day among those who return within 90 days.
    """

    by_day: Floats
    median_days: Floats
    median_if_returning: Floats


@dataclass(frozen=True)
class HazardModel:
    """Log odds of return in each period (Singer and Willett, 1993), or one hazard for all days where too few returned.

    Attributes:
        features: columns read; empty when the hazard is constant.
        coder: of the columns, None when constant.
        coefficients: shape (2, matrix columns): of the columns, and of the columns times how late the period is.
        periods: log odds of each period, shape (periods,).
        events: returns it was learned from.
        words: what it rests on.
    """

    features: tuple[FeatureSpec, ...]
    coder: TableCoder | None
    coefficients: Floats
    periods: Floats
    events: int
    words: str

    def hazards(self, frame: pd.DataFrame) -> Floats:
        """Added-up hazard by the end of each period, shape (people, periods)."""
        if self.coder is None:
            return np.tile(np.asarray(ENDS, dtype=np.float64), (len(frame), 1))
        always, late = self.coefficients @ self.coder.transform(clean_frame(frame, self.features)).T
        chance = expit(always[:, None] + late[:, None] * _LATENESS[None, :] + self.periods[None, :])
        return np.asarray(np.cumsum(-np.log1p(-np.clip(chance, 1e-9, 1 - 1e-9)), axis=1))


def person_periods(days: Floats, followed: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Rows of a discrete-time hazard: person, period and whether the return came in it.

    Args:
        days: days until the return, NaN where none was seen, shape (people,).
        followed: days from the snapshot to the end of the data, shape (people,). A period that was not watched to
            its end is left out whether or not a return was seen in it, else returns alone would count; so is
            everything after a return.
    """
    starts, ends = np.asarray(_STARTS, dtype=np.float64), np.asarray(ENDS, dtype=np.float64)
    seen = np.where(np.isnan(days) | (days > followed), np.inf, days)[:, None]
    hit = (seen >= starts) & (seen < ends)
    person, period = np.nonzero((seen >= starts) & (followed[:, None] >= ends))
    return person, period, hit[person, period]


def fit_hazard(
    frame: pd.DataFrame, days: Floats, followed: Floats, features: Sequence[FeatureSpec], *, groups: object, seed: int
) -> HazardModel:
    """Learn the hazard of past snapshots.

    Args:
        frame: features of past snapshots, shape (snapshots, >= features).
        days, followed: see `person_periods`.
        features: columns to use.
        groups: account or person of each snapshot.
        seed: of the coder.
    """
    person, period, hit = person_periods(days, followed)
    events = int(hit.sum())
    if events < LEAST_EVENTS:
        words = f"one hazard for all days: only {events} returns were followed, {LEAST_EVENTS} are needed"
        return HazardModel((), None, np.zeros((2, 0)), np.zeros(len(ENDS)), events, words)
    coder = TableCoder("linear", knots=3, seed=seed)
    came = np.bincount(person[hit], minlength=len(frame)) > 0
    matrix = coder.fit_transform(clean_frame(frame, features), features, came, groups, np.ones(len(frame)))
    dummies, mine = np.eye(len(ENDS))[period], matrix[person]
    model = LogisticRegression(C=_STRENGTH, max_iter=30, solver="newton-cholesky")
    model.fit(np.concatenate([mine, mine * _LATENESS[period][:, None], dummies], axis=1), hit)
    weights = np.asarray(model.coef_[0], dtype=np.float64)
    periods = weights[-len(ENDS) :] + float(model.intercept_[0])
    words = f"hazard by period from {len(frame):,} past snapshots with {events:,} returns"
    slopes = weights[: -len(ENDS)].reshape(2, -1)
    return HazardModel(tuple(features), coder, slopes, periods, events, words)


def returns(model: HazardModel, frame: pd.DataFrame, p: Floats, *, horizon_days: int = 30) -> Returns:
    """Chance of return by day, with P(return within the horizon) equal to the score's p.

    The hazard added up to day t is the model's, times whatever makes it agree with p at the horizon.
    """
    parts = [
        _returns(model, frame.iloc[start : start + _ROWS_AT_ONCE], p[start : start + _ROWS_AT_ONCE], horizon_days)
        for start in range(0, max(len(frame), 1), _ROWS_AT_ONCE)
    ]
    columns = zip(*((one.by_day, one.median_days, one.median_if_returning) for one in parts), strict=True)
    return Returns(*(np.concatenate(column) for column in columns))


def _returns(model: HazardModel, frame: pd.DataFrame, p: Floats, horizon_days: int) -> Returns:
    added = np.concatenate([np.zeros((len(frame), 1)), model.hazards(frame)], axis=1)
    days = np.asarray((0, *ENDS), dtype=np.float64)
    at_horizon = _at(days, added, np.full(len(frame), float(horizon_days)))
    level = -np.log1p(-np.clip(p, 1e-9, 1 - 1e-9)) / np.maximum(at_horizon, 1e-12)
    added = added * level[:, None]
    by_day = np.column_stack([-np.expm1(-_at(days, added, np.full(len(frame), float(day)))) for day in HORIZONS])
    median = _day_of(days, added, np.full(len(frame), np.log(2.0)))
    among = _day_of(days, added, -np.log1p(-0.5 * by_day[:, -1]))
    return Returns(by_day, median, among)


def _at(days: Floats, added: Floats, day: Floats) -> Floats:
    """Added-up hazard at a day, straight between the ends of periods."""
    place = np.clip(np.searchsorted(days, day, side="right") - 1, 0, days.size - 2)
    rows = np.arange(added.shape[0])
    share = (day - days[place]) / (days[place + 1] - days[place])
    low, high = added[rows, place], added[rows, place + 1]
    return np.asarray(low + share * (high - low))


def _day_of(days: Floats, added: Floats, wanted: Floats) -> Floats:
    """Day at which the added-up hazard reaches `wanted`; NaN after the last."""
    place = (added < wanted[:, None]).sum(axis=1)
    inside = np.clip(place, 1, days.size - 1)
    rows = np.arange(added.shape[0])
    low, high = added[rows, inside - 1], added[rows, inside]
    share = np.clip((wanted - low) / np.maximum(high - low, 1e-300), 0.0, 1.0)
    found = days[inside - 1] + share * (days[inside] - days[inside - 1])
    return np.where(place >= days.size, np.nan, found)
