"""The best hour moves a contact inside the permitted window and never out of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from recovery.planning.moments import at_good_hour

# Monday 2026-06-01, 08:00 to 21:00 in New York.
BEGINS = datetime(2026, 6, 1, 12, tzinfo=UTC)
ENDS = datetime(2026, 6, 2, 1, tzinfo=UTC)
ZONE = "America/New_York"


def _on(day: int, hour: int) -> list[int]:
    return [hour if index == day else -1 for index in range(7)]


def test_the_good_hour_is_on_the_recipients_clock() -> None:
    assert at_good_hour(BEGINS, ENDS, ZONE, _on(0, 15)) == datetime(2026, 6, 1, 19, tzinfo=UTC)


def test_an_hour_outside_the_window_changes_nothing() -> None:
    assert at_good_hour(BEGINS, ENDS, ZONE, _on(0, 23)) == BEGINS
    assert at_good_hour(BEGINS, ENDS, ZONE, _on(0, 6)) == BEGINS


def test_another_weekday_changes_nothing() -> None:
    assert at_good_hour(BEGINS, ENDS, ZONE, _on(3, 15)) == BEGINS


def test_without_zone_or_hours_the_window_begins_as_it_does() -> None:
    assert at_good_hour(BEGINS, ENDS, None, _on(0, 15)) == BEGINS
    assert at_good_hour(BEGINS, ENDS, ZONE, None) == BEGINS


@given(
    hours=st.lists(st.integers(-1, 23), min_size=7, max_size=7),
    length=st.integers(1, 60),
    start=st.integers(0, 24 * 300),
    zone=st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_the_moment_never_leaves_the_window(hours: list[int], length: int, start: int, zone: str) -> None:
    begins = BEGINS + timedelta(hours=start)
    ends = begins + timedelta(hours=length)
    assert begins <= at_good_hour(begins, ends, zone, hours) < ends
