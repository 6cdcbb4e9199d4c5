"""Dates and the weekly grid. An as-of date means its 00:00 UTC; weeks start on Monday."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta


def midnight(day: date) -> datetime:
    """00:00 UTC of a day, aware."""
    return datetime.combine(day, time(), tzinfo=UTC)


def grid_dates(as_of: date, weeks: int) -> tuple[date, ...]:
    """The last `weeks` Mondays not later than `as_of`, ascending.

    >>> grid_dates(date(2026, 6, 3), 2)
    (datetime.date(2026, 5, 25), datetime.date(2026, 6, 1))
    """
    last = as_of - timedelta(days=as_of.weekday())
    return tuple(last - timedelta(weeks=back) for back in reversed(range(weeks)))
