"""Features whose power collapses when they are read a little earlier: they know what happened after the as-of date.

An honest feature of a person fades slowly: what was known a day or a week ago tells nearly as much. One that was
filled by the outcome, or around it, is nearly worthless as soon as it is read before it was filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from models.calibration.calibrator import Floats
from models.features import FeatureSpec
from models.leaks.columns import Bools, auc_alone

LAGS: Final = (1, 7, 30)
_POWERFUL: Final = 0.10  # AUC above one half that is worth a doubt
_KEPT: Final = 0.35  # share of it that an honest feature keeps at the first lags
_FIRST_LAGS: Final = 7  # days; by 30 a short window has honestly moved on


@dataclass(frozen=True)
class Fading:
    """Power of a feature by lag.

    Attributes:
        feature: its name.
        power: lag in days -> AUC alone less one half; 0 is the as-of date itself.
        lost_at: first lag at which the power has collapsed, None when it fades as honest features do.
    """

    feature: str
    power: dict[int, float]
    lost_at: int | None

    @property
    def words(self) -> str:
        """What was seen, for a reader."""
        shown = ", ".join(f"{0.5 + value:.3f} at {lag} days" for lag, value in self.power.items())
        return f"{self.feature}: AUC alone {shown}"


def power_by_lag(
    panel: pd.DataFrame, features: Sequence[FeatureSpec], *, lags: Sequence[int] = LAGS, seed: int
) -> tuple[Fading, ...]:
    """Power of every feature read at the as-of date and `lags` days before it, against the same outcomes.

    Args:
        panel: person_id, as_of_date (date), y (bool; only read on the dates judged) and the features; it holds the
            earlier dates too.
        features: features of the panel.
        lags: days; a lag for which the panel has no dates is left out.
        seed: of the halves on which a feature alone is judged.

    Returns:
        One `Fading` per feature; empty when no person is seen on two dates that are a lag apart.
    """
    moment = pd.to_datetime(panel["as_of_date"]).to_numpy(dtype="datetime64[D]").astype(np.int64)
    keys = pd.MultiIndex.from_arrays([panel["person_id"], moment])
    places = pd.Series(np.arange(len(panel)), index=keys)
    earlier = {}
    for lag in sorted(set(lags)):
        found = places.reindex(pd.MultiIndex.from_arrays([panel["person_id"], moment - lag])).to_numpy()
        if int((~np.isnan(found)).sum()) >= 200:
            earlier[lag] = found
    if not earlier:
        return ()
    y = panel["y"].to_numpy(dtype=bool)
    half = np.random.default_rng(seed).integers(0, 2, len(panel))
    return tuple(_fading(panel[spec.name], spec, y, half, earlier) for spec in features)


def _fading(
    column: pd.Series,
    spec: FeatureSpec,
    y: Bools,
    half: np.ndarray,
    earlier: dict[int, Floats],
) -> Fading:
    power: dict[int, float] = {}
    lost = None
    for lag, found in earlier.items():
        rows = np.flatnonzero(~np.isnan(found))
        if not y[rows].any() or y[rows].all():
            continue
        now, low = auc_alone(column.iloc[rows], spec.kind, y[rows], half[rows])
        then, _ = auc_alone(column.iloc[found[rows].astype(np.intp)], spec.kind, y[rows], half[rows])
        power.setdefault(0, now - 0.5)
        power[lag] = then - 0.5
        if lost is None and lag <= _FIRST_LAGS and low - 0.5 >= _POWERFUL and then - 0.5 < _KEPT * (now - 0.5):
            lost = lag
    return Fading(spec.name, power, lost)


def suspects_of(fadings: Sequence[Fading]) -> tuple[Fading, ...]:
    """The features whose power collapsed."""
    return tuple(fading for fading in fadings if fading.lost_at is not None)
