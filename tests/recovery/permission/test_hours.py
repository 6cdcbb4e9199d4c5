"""Windows on the recipient's own clock: every zone, every gap and fold, holidays, several zones at once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.permission import Hours, Window, next_window
from recovery.permission.hours import ALWAYS, daily, day_window, holidays_of

NINE_TO_FIVE = daily(9, 17)
OFFICE = daily(10, 17, range(5))
ZONES = sorted(available_timezones())
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("now", [datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 11, 1, 23, 30, tzinfo=UTC)])
def test_every_zone_gets_its_own_daytime_also_when_clocks_change(now: datetime) -> None:
    for name in ZONES:
        window = next_window([name], NINE_TO_FIVE, now)
        assert window is not None, name
        opens, closes = (moment.astimezone(ZoneInfo(name)) for moment in (window.opens, window.closes))
        assert (opens.hour, opens.minute, closes.hour, closes.minute) == (9, 0, 17, 0), name
        assert now < window.closes <= now + timedelta(days=2), name


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """Instants of 2026 at which the clock of a zone jumps, to the half-day."""
    zone = ZoneInfo(name)
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=12 * n) for n in range(2 * 366)]
    offsets = np.asarray([moment.astimezone(zone).utcoffset().total_seconds() for moment in hours])  # type: ignore[union-attr]
    return tuple(hours[i] for i in np.flatnonzero(np.diff(offsets)))


def minute_of(moment: datetime, name: str) -> float:
    local = moment.astimezone(ZoneInfo(name))
    return local.hour * 60 + local.minute + local.second / 60


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(ZONES),
    span=st.tuples(st.integers(0, 23 * 60), st.integers(1, 12 * 60)),
    near=st.integers(0, 10**6),
    offset=st.integers(-3 * 24 * 60, 3 * 24 * 60),
)
def test_no_instant_of_a_window_shows_a_time_outside_the_hours(
    name: str, span: tuple[int, int], near: int, offset: int
) -> None:
    opens, closes = span[0], min(span[0] + span[1], 24 * 60)
    jumps = changes(name) or (datetime(2026, 6, 1, tzinfo=UTC),)
    now = jumps[near % len(jumps)] + timedelta(minutes=offset)
    window = next_window([name], Hours(((opens, closes),) * 7), now)
    if window is None:  # the whole span may fall into a gap, but never on every day
        pytest.fail("no window within two weeks")
    assert window.closes > now
    length = window.closes - window.opens
    for share in np.linspace(0, 1, 24, endpoint=False):
        shown = minute_of(window.opens + length * float(share), name)
        assert opens <= shown < closes, (name, window)
    assert opens <= minute_of(window.closes - SECOND, name) < closes


def test_the_stricter_reading_holds_in_gap_and_fold() -> None:
    new_york, gap, fold = ("America/New_York",), date(2026, 3, 8), date(2026, 11, 1)
    opens_in_gap = day_window(new_york, Hours(((150, 600),) * 7), gap)  # 02:30 does not exist
    assert opens_in_gap is not None
    assert opens_in_gap.opens.astimezone(ZoneInfo("America/New_York")).hour == 3
    closes_in_fold = day_window(new_york, Hours(((0, 90),) * 7), fold)  # 01:30 happens twice
    assert closes_in_fold is not None
    assert closes_in_fold.closes == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    opens_in_fold = day_window(new_york, Hours(((90, 600),) * 7), fold)
    assert opens_in_fold is not None
    assert opens_in_fold.opens == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def test_a_day_that_a_zone_skipped_has_no_window() -> None:
    assert day_window(("Pacific/Apia",), ALWAYS, date(2011, 12, 30)) is None
    assert day_window(("Pacific/Apia",), NINE_TO_FIVE, date(2011, 12, 29)) is not None


def test_several_zones_narrow_the_window() -> None:
    window = next_window(["America/New_York", "Europe/London"], NINE_TO_FIVE, datetime(2026, 6, 1, tzinfo=UTC))
    assert window is not None
    assert (window.opens.hour, window.closes.hour) == (13, 16)


def test_zones_without_a_common_hour_have_no_window() -> None:
    assert next_window(["America/Los_Angeles", "Asia/Tokyo"], NINE_TO_FIVE, datetime(2026, 6, 1, tzinfo=UTC)) is None


def test_calls_wait_for_monday() -> None:
    saturday = datetime(2026, 6, 6, 12, tzinfo=UTC)
    window = next_window(["America/New_York"], OFFICE, saturday)
    assert window is not None
    assert window.opens == datetime(2026, 6, 8, 14, tzinfo=UTC)


def test_a_public_holiday_is_closed_and_the_next_day_is_not() -> None:
    hours = Hours(NINE_TO_FIVE.week, frozenset(["US"]))
    window = next_window(["America/New_York"], hours, datetime(2026, 11, 26, 15, tzinfo=UTC))  # Thanksgiving
    assert window is not None
    assert window.opens == datetime(2026, 11, 27, 14, tzinfo=UTC)
    assert date(2026, 7, 3) in holidays_of("US", 2026)  # observed: the fourth is a Saturday


def test_open_when_both_are() -> None:
    both = daily(8, 20).and_(Hours(daily(10, 21, range(6)).week, frozenset(["FR"])))
    assert both.week == ((600, 1200),) * 6 + (None,)
    assert both.calendars == {"FR"}
    assert daily(8, 10).and_(daily(10, 12)).week == (None,) * 7


@pytest.mark.parametrize("zones", [[], [""], ["No/Where"], ["America/New_York", "No/Where"]])
def test_an_unknown_zone_has_no_window(zones: list[str]) -> None:
    assert next_window(zones, NINE_TO_FIVE, datetime(2026, 6, 1, tzinfo=UTC)) is None


def test_time_that_must_be_left_moves_to_the_next_day() -> None:
    late = datetime(2026, 6, 1, 20, 30, tzinfo=UTC)
    today = next_window(["America/New_York"], NINE_TO_FIVE, late)
    tomorrow = next_window(["America/New_York"], NINE_TO_FIVE, late, least=timedelta(hours=1))
    assert today is not None
    assert tomorrow is not None
    assert tomorrow.opens - today.opens == timedelta(days=1)


def test_the_end_of_a_window_is_outside_it() -> None:
    closes = datetime(2026, 6, 1, 21, tzinfo=UTC)
    before, at = (next_window(["America/New_York"], NINE_TO_FIVE, now) for now in (closes - SECOND, closes))
    assert before == Window(datetime(2026, 6, 1, 13, tzinfo=UTC), closes)
    assert at is not None
    assert at.opens == datetime(2026, 6, 2, 13, tzinfo=UTC)
