"""Times of day as schedules take them."""

from __future__ import annotations


def cron_of(time: str) -> str:
    """Cron line of every day at a time of day.

    >>> cron_of("05:30")
    '30 5 * * *'

    Args:
        time: `HH:MM`.
    """
    hour, minute = map(int, time.split(":"))
    return f"{minute} {hour} * * *"


def later(time: str, hours: int) -> str:
    """A time of day some hours later, past midnight too.

    >>> later("13:05", 12)
    '01:05'
    """
    hour, minute = map(int, time.split(":"))
    return f"{(hour + hours) % 24:02d}:{minute:02d}"
