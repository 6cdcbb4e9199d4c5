"""What the plan could do with a ranking, from values published on the date itself."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from contracts.published import publish
from contracts.settings import Settings
from pipelines.training.comparing import plan_capacity

DAY = date(2026, 4, 6)
LATER = DAY + timedelta(days=7)


def _publish(root: Path, day: date, *, value: list[float | None]) -> None:
    people = [f"p{index}" for index in range(len(value))]
    scores = pa.table({"person_id": people, "p": [0.1] * len(people)})
    timing = pa.table({"person_id": people, "expected_value": pa.array(value, pa.float64())})
    publish(root, dataset="lead_scores", as_of=day, table=scores, facts={})
    publish(root, dataset="lead_timing", as_of=day, table=timing, facts={})


def test_values_are_those_of_the_date_and_rows_without_one_are_left_out(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path, capacity_email=2, capacity_call=1, cost_email=1.0, cost_call=4.0, margin=0.5)
    _publish(settings.published_dir, DAY, value=[20.0, None, 40.0, 10.0])
    rows = pd.DataFrame(
        {"person_id": ["p0", "p1", "p2", "p3", "p0"], "as_of_date": [DAY] * 4 + [LATER]}, index=[7, 8, 9, 10, 11]
    )
    found = plan_capacity(rows, settings)
    assert found is not None
    # 20 expected of a chance of a tenth: 200 for a return, half of it is kept.
    assert found.value[[0, 2, 3]] == pytest.approx([100.0, 200.0, 50.0])
    assert np.isnan(found.value[[1, 4]]).all()
    assert found.cost == pytest.approx((2 * 1.0 + 1 * 4.0) / 3)
    assert found.share == 1.0  # three places for three people


def test_without_values_or_places_there_is_no_profit_to_compare(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)
    rows = pd.DataFrame({"person_id": ["p0", "p1"], "as_of_date": [DAY, DAY]})
    assert plan_capacity(rows, settings) is None
    _publish(settings.published_dir, DAY, value=[None, None])
    assert plan_capacity(rows, settings) is None
    _publish(settings.published_dir, DAY, value=[3.0, None])
    assert plan_capacity(rows, settings) is not None
    nobody = Settings(var_dir=tmp_path, capacity_email=0, capacity_call=0)
    assert plan_capacity(rows, nobody) is None
