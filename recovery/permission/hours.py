"""When a contact may happen: hours on the recipient's own clock, over every zone, gap, fold and holiday."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

_DAYS_AHEAD: Final = 15
_DAY: Final = 24 * 60
_ONE_DAY: Final = timedelta(days=1)

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours on the recipient's clock.

    Attributes:
        week: for Monday to Sunday the span of minutes after midnight, first included, last excluded; None = closed.
        calendars: public holidays that are closed, such as `US-AL` or `FR`.
    """

    week: tuple[Span | None, ...]
    calendars: frozenset[str] = frozenset()

    def and_(self, other: Hours) -> Hours:
        """Open when both are."""
        week = tuple(_overlap(mine, theirs) for mine, theirs in zip(self.week, other.week, strict=True))
        return Hours(week, self.calendars | other.calendars)


ALWAYS: Final = Hours(((0, _DAY),) * 7)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of UTC time: `opens` included, `closes` excluded."""

    opens: datetime
    closes: datetime


def daily(opens: int, closes: int, weekdays: Iterable[int] = range(7)) -> Hours:
    """The same hours on each of the weekdays (Monday is 0); arguments are full hours."""
    days = frozenset(weekdays)
    return Hours(tuple((opens * 60, closes * 60) if day in days else None for day in range(7)))


def _overlap(one: Span | None, other: Span | None) -> Span | None:
    if one is None or other is None:
        return None
    opens, closes = max(one[0], other[0]), min(one[1], other[1])
    return (opens, closes) if opens < closes else None


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """The IANA zone, or None when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=4096)
def holidays_of(calendar: str, year: int) -> frozenset[date]:
    """Public holidays of a country or subdivision in one year, observed days included.

    Args:
        calendar: ISO 3166 code, `US` or `US-AL`.
        year: calendar year.
    """
    country, _, subdivision = calendar.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year))


def is_holiday(calendars: frozenset[str], day: date) -> bool:
    """Whether the day is a public holiday in one of the calendars."""
    return any(day in holidays_of(calendar, day.year) for calendar in calendars)


def next_window(
    zones: Iterable[str], hours: Hours | Callable[[date], Hours], now: datetime, *, least: timedelta = timedelta(0)
) -> Window | None:
    """First window that lies inside the hours in every zone and has more than `least` left after `now`.

    Args:
        zones: IANA names; an unknown one makes the answer None, as does an empty list.
        hours: opening hours, or those in force on a day of the recipient.
        now: aware UTC.
        least: time that must be left.
    """
    return first_after(coming_windows(tuple(sorted(zones)), hours, now.date()), now, least=least)


def coming_windows(zones: tuple[str, ...], hours: Hours | Callable[[date], Hours], day: date) -> tuple[Window, ...]:
    """Windows of two weeks around a UTC day, the day before included: some zone still has it."""
    days = (day + ahead * _ONE_DAY for ahead in range(-1, _DAYS_AHEAD))
    found = (day_window(zones, hours if isinstance(hours, Hours) else hours(local), local) for local in days)
    return tuple(window for window in found if window is not None)


def first_after(windows: Iterable[Window], now: datetime, *, least: timedelta = timedelta(0)) -> Window | None:
    """The first window that has more than `least` left after `now`."""
    return next((window for window in windows if window.closes - max(window.opens, now) > least), None)


@lru_cache(maxsize=65536)
def day_window(zones: tuple[str, ...], hours: Hours, day: date) -> Window | None:
    """The stretch of one calendar day that is open on the clocks of all zones; None = closed or a zone is unknown."""
    known = [zone for zone in map(zone_of, zones) if zone is not None]
    span = hours.week[day.weekday()]
    if span is None or not known or len(known) < len(zones) or is_holiday(hours.calendars, day):
        return None
    opens = max(_moment(day, span[0], zone, max) for zone in known)
    closes = min(_moment(day, span[1], zone, min) for zone in known)
    if opens >= closes or any(not _shows(opens, zone, day) for zone in known):
        return None
    return Window(opens, closes)


def _moment(day: date, minute: int, zone: ZoneInfo, pick: Callable[[datetime, datetime], datetime]) -> datetime:
    """The UTC instant of a wall time. In a gap or a fold there are two readings: `pick` takes the stricter one."""
    local = datetime.combine(day, time(), zone) if minute < _DAY else datetime.combine(day + _ONE_DAY, time(), zone)
    local = local.replace(hour=minute % _DAY // 60, minute=minute % 60)
    return pick(local.astimezone(UTC), local.replace(fold=1).astimezone(UTC))


def _shows(moment: datetime, zone: ZoneInfo, day: date) -> bool:
    """Whether the zone's calendar has that day: zones at the date line have skipped some."""
    return moment.astimezone(zone).date() == day
