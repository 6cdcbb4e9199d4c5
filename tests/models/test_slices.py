from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from models.training.slices import plan_slices

START = date(2026, 1, 5)


@given(weeks=st.lists(st.integers(0, 80), min_size=0, max_size=60, unique=True), horizon=st.integers(1, 90))
def test_slices_always_follow_each_other_a_horizon_apart(weeks: list[int], horizon: int) -> None:
    found = plan_slices([START + timedelta(weeks=week) for week in weeks], horizon_days=horizon)
    if found is None:
        return
    gap = timedelta(days=horizon)
    assert found.train
    assert len(found.calibrate) == len(found.test) >= 1
    assert min(found.calibrate) - max(found.train) >= gap
    assert min(found.test) - max(found.calibrate) >= gap
    assert max(found.test) == START + timedelta(weeks=max(weeks))


def test_a_panel_of_eleven_weeks_is_the_shortest_for_thirty_days() -> None:
    weeks = [START + timedelta(weeks=week) for week in range(11)]
    assert plan_slices(weeks, horizon_days=30) is not None
    assert plan_slices(weeks[:10], horizon_days=30) is None


def test_no_dates_give_no_slices() -> None:
    assert plan_slices([], horizon_days=30) is None
