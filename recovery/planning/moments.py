"""The moment of a contact: the first surely good hour of the person inside the permitted window, else its start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from recovery.permission.hours import zone_of

GoodHours = Mapping[str, Sequence[int] | None]
_HOUR: Final = timedelta(hours=1)
_MOST_DAYS: Final = 7


def at_good_hour(begins: datetime, ends: datetime, zone: str | None, hours: Sequence[int] | None) -> datetime:
    """Start of the first good hour that lies whole between `begins` and `ends`, else `begins`.

    Args:
        begins, ends: the permitted window, aware.
        zone: of the recipient's clock; None keeps `begins`.
        hours: good hour (0-23) of Monday to Sunday on that clock, -1 where none is known; None keeps `begins`.
    """
    clock = zone_of(zone) if zone and hours is not None else None
    if clock is None or hours is None:
        return begins
    local = begins.astimezone(clock)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    for day in range(_MOST_DAYS):
        date = midnight + timedelta(days=day)
        hour = hours[date.weekday()]
        if hour < 0:
            continue
        start = date.replace(hour=hour).astimezone(begins.tzinfo)
        # An hour that has begun still counts.
        moment = max(start, begins)
        if moment < start + _HOUR and start + _HOUR <= ends:
            return moment
        if start > ends:
            break
    return begins
