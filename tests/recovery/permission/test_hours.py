"""Windows on the recipient's own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from recovery.permission import next_window
from recovery.permission.hours import Hours

NINE_TO_FIVE = Hours(9, 17, (0, 1, 2, 3, 4, 5, 6))
OFFICE = Hours(10, 17, (0, 1, 2, 3, 4))


@pytest.mark.parametrize("now", [datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 11, 1, 23, 30, tzinfo=UTC)])
def test_every_zone_gets_its_own_daytime_also_when_clocks_change(now: datetime) -> None:
    for name in sorted(available_timezones()):
        window = next_window([name], NINE_TO_FIVE, now)
        assert window is not None, name
        opens, closes = (moment.astimezone(ZoneInfo(name)) for moment in (window.opens, window.closes))
        assert (opens.hour, opens.minute, closes.hour, closes.minute) == (9, 0, 17, 0), name
        assert now < window.closes <= now + timedelta(days=2), name


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
