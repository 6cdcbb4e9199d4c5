"""When a contact may happen: hours on the recipient's own clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS_AHEAD = 10


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours on the recipient's clock: `opens` <= hour < `closes` on `weekdays` (Monday is 0)."""

    opens: int
    closes: int
    weekdays: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of UTC time: `opens` included, `closes` excluded."""

    opens: datetime
    closes: datetime


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """The IANA zone, or None when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def next_window(zones: Iterable[str], hours: Hours, now: datetime, *, least: timedelta = timedelta(0)) -> Window | None:
    """First window that lies inside `hours` in every zone and has more than `least` left after `now`.

    Args:
        zones: IANA names; an unknown one makes the answer None, as does an empty list.
        hours: opening hours.
        now: aware UTC.
        least: time that must be left.
    """
    return _next_window(tuple(sorted(zones)), hours, now, least)


@lru_cache(maxsize=16384)
def _next_window(zones: tuple[str, ...], hours: Hours, now: datetime, least: timedelta) -> Window | None:
    known = [zone for zone in map(zone_of, zones) if zone is not None]
    if not known or len(known) < len(zones):
        return None
    first = (now - timedelta(days=1)).date()
    for ahead in range(_DAYS_AHEAD):
        day = first + timedelta(days=ahead)
        if day.weekday() not in hours.weekdays:
            continue
        opens = max(datetime.combine(day, time(hours.opens), zone).astimezone(UTC) for zone in known)
        closes = min(datetime.combine(day, time(hours.closes), zone).astimezone(UTC) for zone in known)
        if closes > opens and closes - max(opens, now) > least:
            return Window(opens=opens, closes=closes)
    return None
