from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from models.drift.ranges import out_of_range
from models.evaluation.resampling import grouped_error
from models.features import FeatureSpec
from models.training.matrix import SHORT_PANEL, InputReport, without_calendar
from models.training.selection import choose

SEASON = FeatureSpec("year_sine", "number", "calendar", "Sine.", "time of the year")
OTHER = FeatureSpec("replies", "number", "frequency", "Replies.", "{value} replies")
GROUPS = np.repeat(np.arange(100), 5)


def _losses(gap: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    base = rng.gamma(1.0, 0.2, 500)
    wobble = np.repeat(rng.normal(0, 0.05, 100), 5)
    return {"simple": base + gap + wobble - wobble.mean(), "rich": base}


def test_the_simpler_recipe_wins_only_within_one_standard_error() -> None:
    error = grouped_error(_losses(0.0)["simple"] - _losses(0.0)["rich"], GROUPS)
    assert choose(_losses(0.9 * error), GROUPS).name == "simple"
    assert "simpler" in choose(_losses(0.9 * error), GROUPS).reason
    assert choose(_losses(1.1 * error), GROUPS).name == "rich"
    assert choose(_losses(-1.0), GROUPS).name == "simple"


def test_rows_of_one_person_do_not_count_as_evidence_of_many() -> None:
    values = np.repeat(np.random.default_rng(2).normal(size=100), 5)
    alone = grouped_error(values, np.arange(500))
    assert grouped_error(values, GROUPS) == pytest.approx(alone * np.sqrt(5))


@pytest.mark.parametrize(("days", "stays"), [(364, False), (365, True)])
def test_the_season_is_learned_only_from_a_whole_year(days: int, stays: bool) -> None:
    dates = pd.Series([date(2025, 1, 6), date(2025, 1, 6) + timedelta(days=days)])
    kept, report = without_calendar([SEASON, OTHER], InputReport({}, {}), dates)
    assert kept == ((SEASON, OTHER) if stays else (OTHER,))
    assert report.dropped == ({} if stays else {"year_sine": SHORT_PANEL})


def test_a_new_date_is_not_a_row_outside_the_training_range() -> None:
    ranges = {name: {"kind": "number", "low": 0.0, "high": 1.0} for name in ("year_sine", "replies")}
    today = pd.DataFrame({"year_sine": [-0.5, -0.5], "replies": [0.5, 3.0]})
    assert out_of_range(today, [SEASON, OTHER], ranges) == (1, {"replies": 1})
