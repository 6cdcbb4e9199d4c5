"""Points, tiers, percentiles and the order of people."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.words import Tier
from models.calibration.calibrator import Floats, logit

POINTS_PER_LOGIT: Final = 10.0 / float(np.log(2.0))  # ten points double the odds
HIGH_FROM: Final = 60
MEDIUM_FROM: Final = 40


def points_of(p: Floats, *, anchor: float) -> NDArray[np.int64]:
    """clip(round(50 + 10 log2(odds(p) / odds(anchor))), 0, 100).

    Args:
        p: probabilities strictly between 0 and 1.
        anchor: base rate at which 50 stands.

    >>> points_of(np.array([0.05, 0.05 * 2 / (1 + 0.05)]), anchor=0.05).tolist()
    [50, 60]
    """
    values = 50.0 + POINTS_PER_LOGIT * (logit(p) - _logit_of(anchor))
    return np.minimum(np.maximum(np.rint(values), 0.0), 100.0).astype(np.int64)


@lru_cache(maxsize=64)
def _logit_of(anchor: float) -> float:
    return float(logit(anchor))


def tiers_of(points: NDArray[np.int64]) -> NDArray[np.object_]:
    """Tier of each number of points, 0..100."""
    return _TIERS[points]


def tier_of(points: int) -> str:
    """high >= 60, medium 40-59, low < 40."""
    return (Tier.HIGH if points >= HIGH_FROM else Tier.MEDIUM if points >= MEDIUM_FROM else Tier.LOW).value


_TIERS: Final = np.array([tier_of(points) for points in range(101)], dtype=object)


def percentiles_of(p: Floats) -> Floats:
    """Share of the day's people with a lower p, half of the equal ones added, 0..100."""
    if p.size == 0:
        return np.zeros(0)
    ordered = np.sort(p)
    below = np.searchsorted(ordered, p, side="left")
    upto = np.searchsorted(ordered, p, side="right")
    return np.round(100.0 * (below + upto) / (2.0 * p.size), 6)


def ranking(p: Floats, raw: Floats, person_id: NDArray[np.object_]) -> NDArray[np.intp]:
    """Order of people: by p, then raw score, both falling, then person_id."""
    return np.lexsort((person_id.astype(str), -raw, -p))
