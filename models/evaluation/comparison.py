"""Champion against challenger on rows that neither has learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.calibration.calibrator import Floats
from models.evaluation.metrics import Bools, row_log_loss
from models.evaluation.resampling import Interval, Resampler, grouped_error, interval

# One look a week: Bonferroni over a year keeps false alarms at 5 % of years, however the weeks hang together.
LOOKS_A_YEAR: Final = 52
SURE: Final = NormalDist().inv_cdf(1.0 - 0.05 / LOOKS_A_YEAR)
_PLAIN: Final = NormalDist().inv_cdf(0.975)
_LEAST_EVENTS: Final = 30  # a slice with fewer events collapses and recovers by chance
_COLLAPSE: Final = 0.05  # share of a slice's log loss by which it must be worse


@dataclass(frozen=True)
class Comparison:
    """What the comparison found; gains are log loss of the champion minus that of the challenger, per row.

    Attributes:
        rows, events: compared.
        loss: log loss of the champion.
        gain: with its 95 % interval, clustered on accounts.
        surely: lower bound of the gain that is wrong in at most one year in twenty of weekly looks.
        collapsed: slices in which the challenger is surely and clearly worse, in words.
        profit: challenger minus champion at the plan's capacity with its 95 % interval, None without values.
    """

    rows: int
    events: int
    loss: float
    gain: Interval
    surely: float
    collapsed: tuple[str, ...] = ()
    profit: Interval | None = None

    @property
    def relative(self) -> float:
        """Gain as a share of the champion's log loss; below 0 the challenger is worse."""
        return self.gain.value / self.loss if self.loss > 0 else 0.0

    def figures(self) -> dict[str, float]:
        """Plain numbers by name, for a page."""
        found = {
            "rows": float(self.rows),
            "events": float(self.events),
            "champion_log_loss": self.loss,
            "gain": self.gain.value,
            "gain_low": self.gain.low,
            "gain_high": self.gain.high,
            "gain_surely": self.surely,
            "gain_relative": self.relative,
            "slices_collapsed": float(len(self.collapsed)),
        }
        if self.profit is not None:
            found |= {"profit": self.profit.value, "profit_low": self.profit.low, "profit_high": self.profit.high}
        return found


@dataclass(frozen=True)
class Capacity:
    """What the plan could do with a ranking.

    Attributes:
        share: of the rows with a value that can be contacted.
        value: of an event, per row, shape (rows,); NaN where none is known, such rows are left out.
        cost: of a contact.
    """

    share: float
    value: Floats
    cost: float


def compare(
    *,
    y: Bools,
    p_new: Floats,
    p_old: Floats,
    groups: NDArray[Any],
    slices: Mapping[str, NDArray[Any]] | None = None,
    capacity: Capacity | None = None,
    seed: int = 7,
) -> Comparison:
    """Compare two forecasts of the same rows.

    Args:
        y: outcomes, shape (rows,), at least one row.
        p_new, p_old: of challenger and champion.
        groups: account or person of each row; errors are clustered by it.
        slices: name -> value of each row; each value is one slice.
        capacity: None where no values are known.
        seed: of the resampling of profit.
    """
    old = row_log_loss(p_old, y)
    saved = old - row_log_loss(p_new, y)
    value, error = float(saved.mean()), grouped_error(saved, groups)
    collapsed = []
    for name, values in (slices or {}).items():
        for one in np.unique(values[values != None].astype(str)).tolist():  # noqa: E711 - by element
            rows = values.astype(str) == one
            if told := _collapse(saved[rows], old[rows], y[rows], groups[rows]):
                collapsed.append(f"{name} {one}: {told}")
    return Comparison(
        rows=int(y.size),
        events=int(y.sum()),
        loss=float(old.mean()),
        gain=Interval(value, value - _PLAIN * error, value + _PLAIN * error),
        surely=value - SURE * error,
        collapsed=tuple(collapsed),
        profit=None if capacity is None else _profit(y, p_new, p_old, groups, capacity, seed),
    )


def _collapse(saved: Floats, old: Floats, y: Bools, groups: NDArray[Any]) -> str | None:
    if int(y.sum()) < _LEAST_EVENTS or int((~y).sum()) < _LEAST_EVENTS:
        return None
    value, error, loss = float(saved.mean()), grouped_error(saved, groups), float(old.mean())
    if value + SURE * error < 0 and -value > _COLLAPSE * loss:
        return f"log loss {100 * -value / loss:.1f} % higher on {saved.size:,} rows"
    return None


def _profit(y: Bools, p_new: Floats, p_old: Floats, groups: NDArray[Any], capacity: Capacity, seed: int) -> Interval:
    """Profit of the rows ranked highest by expected value, new minus old, among those with a value."""
    known = np.isfinite(capacity.value)
    value, worth = capacity.value[known], y[known] * capacity.value[known] - capacity.cost
    most = max(1, int(capacity.share * value.size))

    def taken(p: Floats) -> Floats:
        chosen = np.zeros(value.size)
        chosen[np.argsort(-p[known] * value, kind="stable")[:most]] = 1.0
        return chosen

    difference = (taken(p_new) - taken(p_old)) * worth
    sampler = Resampler.of(groups[known], seed=seed)
    return interval(float(difference.sum()), sampler.totals(difference))
