"""Calibration by slice: does the promise hold for each CRM, channel, dormancy and tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from models.calibration.calibrator import Floats
from models.evaluation.metrics import Bools, calibration_error
from models.evaluation.resampling import Interval, Resampler, interval
from models.scoring.points import points_of, tiers_of

LEAST_EXPECTED: Final = 10.0  # promised returns below which a slice is counted and not judged
_MOST_VALUES: Final = 20


@dataclass(frozen=True)
class SliceFigures:
    """One value of one column.

    Attributes:
        column, value: which people.
        rows, events: how many; events came back.
        promised: sum of p.
        ratio: events / promised with its interval; None where too little was promised.
        ece_excess: ECE by ten bins less its mean under perfect calibration; None likewise.
    """

    column: str
    value: str
    rows: int
    events: int
    promised: float
    ratio: Interval | None
    ece_excess: float | None

    def flat(self) -> dict[str, Any]:
        """JSON-ready form."""
        bounds = self.ratio or (None, None, None)
        names = zip(("ratio", "ratio_low", "ratio_high"), bounds, strict=True)
        plain = {name: value for name, value in vars(self).items() if name != "ratio"}
        return plain | dict(names) | {"holds": self.holds}

    @property
    def holds(self) -> bool:
        """Whether the interval of the ratio does not exclude 1; a slice that is not judged holds."""
        return self.ratio is None or not (self.ratio.low > 1.0 or self.ratio.high < 1.0)


def by_slice(*, y: Bools, p: Floats, groups: Any, labels: Mapping[str, Any], seed: int) -> list[SliceFigures]:
    """Figures of the twenty most frequent values of every column, columns in the given order, values by size.

    Args:
        y, p: outcome and calibrated p, shape (rows,).
        groups: account or person of each row; intervals resample them.
        labels: column name -> value of each row, shape (rows,); missing values are a slice of their own.
        seed: of the resampling.
    """
    names = np.asarray(groups)
    found = []
    for column, values in labels.items():
        text = pd.Series(np.asarray(values, dtype=object)).map(
            lambda value: "(unknown)" if pd.isna(value) else str(value)
        )
        for value in text.value_counts().index[:_MOST_VALUES]:
            inside = (text == value).to_numpy()
            found.append(_figures(column, str(value), y[inside], p[inside], names[inside], seed))
    return found


def slices_of(frame: pd.DataFrame, p: Floats, *, anchor: float) -> dict[str, Any]:
    """Parts of the people in which a model must hold: CRM, channel they came by, silence, tier; those that are there.

    Args:
        frame: features, one row each.
        p: chance that the tier is read from, shape (rows,).
        anchor: base rate at which 50 points stand.
    """
    found: dict[str, Any] = {}
    for name, column in (("CRM", "crm_system"), ("channel", "lead_source_group")):
        if column in frame.columns:
            values = frame[column].astype(object)
            found[name] = values.where(values.notna(), None).to_numpy(dtype=object)
    if "days_since_last_inbound" in frame.columns:
        found["silent"] = np.asarray(dormancy_bands(frame["days_since_last_inbound"]), dtype=object)
    return found | {"tier": tiers_of(points_of(p, anchor=anchor))}


def dormancy_bands(days: Any) -> Any:
    """Labels of days since the last own act: up to 60, 90, 180, 365 days, and longer."""
    edges = [-np.inf, 60, 90, 180, 365, np.inf]
    names = ["up to 60 days", "61 to 90 days", "91 to 180 days", "181 to 365 days", "over a year"]
    return pd.cut(np.asarray(days, dtype=np.float64), edges, labels=names).astype(object)


def _figures(column: str, value: str, y: Bools, p: Floats, groups: Any, seed: int) -> SliceFigures:
    promised, events = float(p.sum()), int(y.sum())
    if promised < LEAST_EXPECTED:
        return SliceFigures(column, value, int(y.size), events, promised, None, None)
    sampler = Resampler.of(groups, seed=seed)
    draws = sampler.totals(y.astype(np.float64)) / np.maximum(sampler.totals(p), 1e-12)
    error, expected = calibration_error(p, y, groups=sampler.codes)
    ratio = interval(events / promised, draws)
    return SliceFigures(column, value, int(y.size), events, promised, ratio, error - expected)
