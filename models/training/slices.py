"""Time slices of the weekly panel: train earlier, calibrate later, test latest, a horizon between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

_MOST_DATES_TO_TEST: Final = 6  # longer slices would only take dates from training


@dataclass(frozen=True)
class Slices:
    """As-of dates of each slice, ascending; consecutive slices lie at least one horizon apart."""

    train: tuple[date, ...]
    calibrate: tuple[date, ...]
    test: tuple[date, ...]

    @property
    def rehearsal(self) -> date:
        """Last date that the rehearsed recipe may learn from: one horizon before the first test date."""
        return self.calibrate[-1]


def plan_slices(dates: Sequence[date], *, horizon_days: int) -> Slices | None:
    """Slices of the mature as-of dates, or None when the panel is too short for two gaps.

    Calibration and test get the same number of dates, as many as leave training at least twice as many; a short
    panel is tried with one date each.

    >>> weeks = [date(2026, 1, 5) + timedelta(weeks=i) for i in range(21)]
    >>> [len(part) for part in (lambda s: (s.train, s.calibrate, s.test))(plan_slices(weeks, horizon_days=30))]
    [7, 3, 3]
    """
    ordered = tuple(sorted(set(dates)))
    gap = timedelta(days=horizon_days)
    for size in range(_MOST_DATES_TO_TEST, 0, -1):
        found = _cut(ordered, size, gap)
        if found is not None and len(found.train) >= (2 * size if size > 1 else 1):
            return found
    return None


def _cut(dates: tuple[date, ...], size: int, gap: timedelta) -> Slices | None:
    test = dates[-size:]
    before_test = tuple(day for day in dates if test and day <= test[0] - gap)
    calibrate = before_test[-size:]
    train = tuple(day for day in dates if calibrate and day <= calibrate[0] - gap)
    if len(test) < size or len(calibrate) < size or not train:
        return None
    return Slices(train=train, calibrate=calibrate, test=test)
