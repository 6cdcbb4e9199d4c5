from __future__ import annotations

import numpy as np
import pandas as pd

from models.drift.ranges import out_of_range, training_ranges
from models.drift.report import drift_report
from models.features import FeatureSpec
from tests.models.world import SPECS, panel

CALENDAR = FeatureSpec("year_sine", "number", "calendar", "Sine.", "time of the year")


def test_a_shifted_feature_is_found_and_the_calendar_is_left_out() -> None:
    before = panel(people=600, weeks=2, seed=1).assign(year_sine=0.0)
    after = panel(people=600, weeks=2, seed=2).assign(year_sine=1.0)
    after["days_since_last_inbound"] += 120
    after["title_level"] = "vp"
    found = drift_report(after, before, [*SPECS, CALENDAR])
    assert found.drifted == ("days_since_last_inbound", "title_level")
    assert found.share == 2 / len(SPECS)
    assert "<html" in found.html
    assert "http" not in "".join(part for part in found.html.split('src="')[1:][:3])[:200]


def test_nothing_to_compare_gives_no_share() -> None:
    rows = panel(people=20, weeks=1)
    assert drift_report(rows.iloc[:0], rows, SPECS).share is None
    assert drift_report(rows, rows.iloc[:0], SPECS).share is None
    assert drift_report(rows, rows[["person_id"]], SPECS).share is None


def test_rows_outside_the_training_range_are_counted_once() -> None:
    rows = panel(people=300, weeks=1)
    ranges = training_ranges(rows, SPECS)
    assert out_of_range(rows, SPECS, ranges) == (0, {})
    today = rows.iloc[:5].copy()
    today.loc[today.index[0], ["employee_count", "days_since_last_inbound"]] = [1e9, -5.0]
    today["title_level"] = ["intern", "vp", None, "vp", "vp"]
    today.loc[today.index[3], "employee_count"] = np.nan
    assert out_of_range(today, SPECS, ranges) == (
        1, {"days_since_last_inbound": 1, "employee_count": 1, "title_level": 1},
    )  # fmt: skip


def test_a_feature_without_a_value_in_training_has_every_value_outside() -> None:
    rows = panel(people=30, weeks=1)
    ranges = training_ranges(rows.assign(employee_count=np.nan), SPECS)
    found, counts = out_of_range(pd.DataFrame(rows.assign(employee_count=7.0)), SPECS, ranges)
    assert found == 30
    assert counts == {"employee_count": 30}
