"""Intervals by resampling accounts or people, never rows: weekly dates count one event several times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration.calibrator import Floats

DRAWS: Final = 200
_CELLS_AT_ONCE: Final = 4_000_000


class Interval(NamedTuple):
    """An estimate with its 95 % interval; NaN bounds where it cannot be had."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Resampler:
    """Bootstrap of groups by multiplicity weights (Efron, 1979), shared by all measures of one slice.

    Attributes:
        codes: group of each row, shape (rows,).
        weights: how often each draw takes each group, shape (draws, groups).
    """

    codes: NDArray[np.intp]
    weights: NDArray[np.float32]

    @staticmethod
    def of(groups: Any, *, seed: int, draws: int = DRAWS) -> Resampler:
        """Resampler over the distinct values of `groups`, shape (rows,)."""
        codes, distinct = pd.factorize(np.asarray(groups), sort=True)
        count = max(len(distinct), 1)
        rng = np.random.default_rng(seed)
        weights = np.empty((draws, count), dtype=np.float32)
        for draw in range(draws):
            weights[draw] = np.bincount(rng.integers(0, count, count), minlength=count)
        return Resampler(codes.astype(np.intp), weights)

    def totals(self, values: Floats) -> Floats:
        """Weighted sum of row values for each draw, shape (draws,)."""
        sums = np.bincount(self.codes, weights=values, minlength=self.weights.shape[1])
        return np.asarray(self.weights @ sums, dtype=np.float64)

    def means(self, values: Floats) -> Floats:
        """Weighted mean of row values for each draw, shape (draws,)."""
        return self.totals(values) / np.maximum(self.totals(np.ones_like(values)), 1e-12)

    def row_weights(self, order: NDArray[np.intp]) -> Iterator[NDArray[np.float32]]:
        """Weights of the rows in a given order, some draws at a time, shape (some, rows)."""
        at_once = max(1, _CELLS_AT_ONCE // max(order.size, 1))
        codes = self.codes[order]
        for start in range(0, self.weights.shape[0], at_once):
            yield self.weights[start : start + at_once, codes]


def grouped_error(values: Floats, groups: Any) -> float:
    """Standard error of a mean whose rows move together within a group (Liang and Zeger, 1986)."""
    codes, _ = pd.factorize(np.asarray(groups))
    sums = np.bincount(codes, weights=values - values.mean())
    return float(np.sqrt((sums**2).sum()) / values.size)


def interval(value: float, draws: Floats) -> Interval:
    """95 % percentile interval around an estimate."""
    finite = draws[np.isfinite(draws)]
    if finite.size < draws.size / 2 or finite.size == 0:
        return Interval(value, float("nan"), float("nan"))
    # Of so few draws numpy's own quantiles lie too far inside: theirs would be a 94 % interval.
    low, high = np.quantile(finite, [0.025, 0.975], method="weibull")
    return Interval(value, float(low), float(high))
