"""Time to return on censored data, and what a return is worth."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features import FeatureSpec
from models.timing.hazard import HazardModel, fit_hazard, person_periods, returns
from models.timing.value import expected_values, segment_amounts

FEATURES = (FeatureSpec("pace", "number", "stage", "", ""),)


def _people(count: int, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Fast people return soon or never; slow ones at a constant rate. Follow-up ends between 10 and 200 days."""
    rng = np.random.default_rng(seed)
    fast = rng.random(count) < 0.5
    early = (rng.random(count) < 0.3) & fast
    days = np.where(early, rng.uniform(0, 10, count), np.where(fast, np.inf, rng.exponential(200, count)))
    followed = rng.uniform(10, 200, count)
    seen = np.where(days < followed, days, np.nan)
    return pd.DataFrame({"pace": fast + 0.01 * rng.normal(size=count)}), seen, followed


def test_censored_people_are_neither_returns_nor_stays() -> None:
    person, period, hit = person_periods(np.array([np.nan, 5.0, 20.0, 8.0]), np.array([20.0, 90.0, 90.0, 6.0]))
    rows = list(zip(person.tolist(), period.tolist(), hit.tolist(), strict=True))
    assert rows == [(0, 0, False), (0, 1, False), (1, 0, True), (2, 0, False), (2, 1, False), (2, 2, True)]


def test_the_hazard_learns_who_returns_early() -> None:
    frame, days, followed = _people(6_000, 1)
    model = fit_hazard(frame, days, followed, FEATURES, groups=np.arange(6_000), seed=1)
    both = pd.DataFrame({"pace": [1.0, 0.0]})
    found = returns(model, both, np.array([0.2, 0.2]))
    assert found.by_day[:, 0] == pytest.approx([0.2, 0.2])
    assert found.by_day[0, 2] < 0.28 < found.by_day[1, 2]
    assert found.median_if_returning[0] < 15 < found.median_if_returning[1]


def test_chances_by_day_are_right_on_censored_data() -> None:
    """Exponential returns: P(90 days) follows from P(30 days), whatever share of people is lost to follow-up."""
    rng = np.random.default_rng(2)
    days, followed = rng.exponential(100, 8_000), rng.uniform(5, 120, 8_000)
    frame = pd.DataFrame({"pace": rng.normal(size=8_000)})
    model = fit_hazard(
        frame, np.where(days < followed, days, np.nan), followed, FEATURES, groups=np.arange(8_000), seed=1
    )
    p30 = 1 - np.exp(-0.3)
    found = returns(model, frame.iloc[:50], np.full(50, p30))
    assert found.by_day.mean(axis=0) == pytest.approx([p30, 1 - np.exp(-0.6), 1 - np.exp(-0.9)], abs=0.03)
    assert found.median_days.mean() == pytest.approx(100 * np.log(2), abs=6)


def test_few_returns_give_one_hazard_and_say_so() -> None:
    model = fit_hazard(pd.DataFrame({"pace": [1.0]}), np.array([5.0]), np.array([90.0]), FEATURES, groups=[1], seed=1)
    assert "only 1 returns" in model.words
    found = returns(model, pd.DataFrame({"pace": [1.0]}), np.array([0.1]))
    assert found.by_day[0, 2] == pytest.approx(1 - 0.9**3)
    assert np.isnan(found.median_days[0])


@given(p=st.floats(0.001, 0.9), pace=st.floats(-2, 3))
def test_the_chance_never_falls_with_time(p: float, pace: float) -> None:
    found = returns(_small_model(), pd.DataFrame({"pace": [pace]}), np.array([p]))
    by_day = found.by_day[0]
    assert by_day[0] == pytest.approx(p, rel=1e-6)
    assert by_day[0] <= by_day[1] <= by_day[2] <= 1.0
    assert np.isnan(found.median_days[0]) == (by_day[2] < 0.5)
    assert 0 <= found.median_if_returning[0] <= 90


@lru_cache(maxsize=1)
def _small_model() -> HazardModel:
    frame, days, followed = _people(1_500, 3)
    return fit_hazard(frame, days, followed, FEATURES, groups=np.arange(1_500), seed=1)


def test_values_need_deals_and_wins() -> None:
    few = segment_amounts(np.full(10, 100.0), np.zeros(10, np.int64), segments=1)
    assert few is None
    found = expected_values(np.array([0.1]), np.array([np.nan]), np.zeros(1, np.int64), few, won=10, returned=100)
    assert np.isnan(found.value[0])


def test_values_are_chance_times_win_rate_times_amount() -> None:
    rng = np.random.default_rng(4)
    amount = np.exp(rng.normal(7, 0.5, 4_000))
    amounts = segment_amounts(amount, np.zeros(4_000, np.int64), segments=1)
    found = expected_values(
        np.array([0.1, 0.1]), np.array([np.nan, 5_000.0]), np.zeros(2, np.int64), amounts, won=200, returned=1_000
    )
    assert found.value[0] == pytest.approx(0.1 * 0.2 * amount.mean(), rel=0.05)
    assert found.value[1] == pytest.approx(0.1 * 0.2 * 5_000, rel=0.01)
    assert (found.low < found.value).all()
    assert (found.value < found.high).all()


def test_the_interval_of_the_value_covers() -> None:
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        amount = np.exp(rng.normal(7, 0.6, 120))
        amounts = segment_amounts(amount, np.zeros(120, np.int64), segments=1)
        won = int(rng.binomial(400, 0.15))
        found = expected_values(
            np.array([1.0]), np.array([np.nan]), np.zeros(1, np.int64), amounts, won=won, returned=400
        )
        hits += found.low[0] <= 0.15 * np.exp(7 + 0.18) <= found.high[0]
    assert 182 <= hits <= 198
