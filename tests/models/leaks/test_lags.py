"""A feature that knows the outcome loses its power when read a day or a week earlier; an honest one does not."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from models.features import FeatureSpec
from models.leaks.columns import suspect_columns
from models.leaks.lags import power_by_lag, suspects_of
from tests.models.world import SPECS as WORLD
from tests.models.world import panel

RNG = np.random.default_rng(4)
SPECS = tuple(FeatureSpec(name, "number", "recency", "", "") for name in ("days_silent", "taste", "peek", "noise"))


def _panel(people: int, *, step: int) -> pd.DataFrame:
    """Dates `step` days apart; `peek` is filled for those who come back within the horizon, on that date alone."""
    taste = RNG.normal(size=people)
    silent = RNG.integers(5, 200, people)
    frames = []
    for index in range(4):
        day = date(2026, 3, 2) + timedelta(days=step * index)
        y = RNG.random(people) < 1 / (1 + np.exp(2.0 - taste + 0.01 * silent))
        frames.append(
            pd.DataFrame(
                {
                    "person_id": np.arange(people),
                    "as_of_date": day,
                    "y": y,
                    "days_silent": (silent + step * index).astype(float),
                    "taste": taste,
                    "peek": y * (RNG.random(people) < 0.6) + 0.1 * RNG.normal(size=people),
                    "noise": RNG.normal(size=people),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("step", [1, 7])
def test_a_planted_leak_is_found_and_honest_features_are_not(step: int) -> None:
    found = power_by_lag(_panel(1_500, step=step), SPECS, seed=1)
    suspects = suspects_of(found)
    assert [fading.feature for fading in suspects] == ["peek"]
    assert suspects[0].lost_at == step
    taste = next(fading for fading in found if fading.feature == "taste")
    assert taste.power[step] == pytest.approx(taste.power[0], abs=0.03)
    assert "AUC alone" in taste.words


def test_without_earlier_dates_nothing_is_said() -> None:
    assert power_by_lag(_panel(300, step=5), SPECS, seed=1) == ()


def test_the_clean_world_raises_none() -> None:
    world = panel(people=900)
    assert suspects_of(power_by_lag(world, WORLD, lags=(7, 28), seed=1)) == ()
    columns = world[[spec.name for spec in WORLD]]
    assert suspect_columns(columns, columns, WORLD, world["y"].to_numpy(dtype=bool), seed=1) == ()
