"""Chance x amount: the right mean under heavy tails, a threshold from training rows, and the profit it brings."""

from __future__ import annotations

import numpy as np
import pytest

from models.assess.profit import ALL, NONE, Policy, choose_policy, net_profit, profit_curve
from models.assess.splits import fold_of
from models.assess.value import MEAN, fit_amounts

RNG = np.random.default_rng(8)


def _amounts(rows: int = 3_000, *, signal: float = 0.8):  # type: ignore[no-untyped-def]
    x = RNG.normal(size=(rows, 3))
    y = RNG.random(rows) < 0.3
    mean = np.exp(2.0 + signal * x[:, 0])
    spread = 0.9
    return x, y, mean, mean * np.exp(spread * RNG.normal(size=rows) - spread**2 / 2)


def _fit(x, y, amount, weights=None):  # type: ignore[no-untyped-def]
    w = np.ones(y.size) if weights is None else weights
    fold = fold_of(y, np.arange(y.size), folds=5, seed=1)
    return fit_amounts(
        prepared=x, raw=x, y=y, amount=np.where(y, amount, np.nan), weights=w, fold=fold, groups=np.arange(y.size),
        seed=1,
    )  # fmt: skip


def test_the_mean_is_right_though_the_tail_is_heavy() -> None:
    x, y, mean, amount = _amounts()
    model = _fit(x, y, amount)
    fresh = RNG.normal(size=(20_000, 3))
    truth = np.exp(2.0 + 0.8 * fresh[:, 0])
    expected = model.expected(fresh, fresh)
    assert model.form != MEAN
    assert expected.mean() == pytest.approx(truth.mean(), rel=0.08)
    order = np.argsort(expected)
    top = order[-2_000:]
    assert expected[top].mean() == pytest.approx(truth[top].mean(), rel=0.2)
    assert np.corrcoef(np.log(model.held_out), np.log(mean))[0, 1] > 0.9


def test_without_signal_or_with_few_amounts_the_mean_is_taken() -> None:
    x, y, _, amount = _amounts(signal=0.0)
    assert _fit(x, y, amount).form == MEAN
    few = np.zeros(y.size, dtype=bool)
    few[:40] = True
    model = _fit(x, few, amount)
    assert model.form == MEAN
    assert model.expected(x, x) == pytest.approx(amount[:40].mean())


def test_weights_move_the_mean() -> None:
    x, y, _, _ = _amounts()
    amount = np.where(x[:, 1] > 0, 10.0, 2.0)
    model = _fit(np.zeros_like(x), y, amount, np.where(x[:, 1] > 0, 3.0, 1.0))
    assert model.mean == pytest.approx(8.0, rel=0.05)


def _policy(expected, value, cost):  # type: ignore[no-untyped-def]
    return choose_policy(
        expected=expected, value=value, cost=cost, weights=np.ones(value.size), groups=np.arange(value.size)
    )


def test_the_cost_is_the_threshold_where_expectations_are_right() -> None:
    expected = RNG.exponential(1.0, 20_000)
    value = expected * RNG.exponential(1.0, expected.size)
    policy = _policy(expected * 3.0, value, 1.0)  # three times too high: the scale mends it
    assert policy.threshold == 1.0
    assert policy.scale == pytest.approx(1 / 3, rel=0.05)


def test_everyone_or_no_one_is_chosen_where_nothing_else_is_surely_better() -> None:
    value = RNG.exponential(5.0, 5_000)
    assert _policy(np.full(5_000, 5.0), value, 1.0).contacts(np.full(3, 5.0)).all()
    assert not _policy(np.full(5_000, 0.1), value * 0.02, 1.0).contacts(np.full(3, 0.1)).any()
    upside_down = _policy(value.max() - value, value, 4.0)
    assert upside_down.threshold in (ALL, NONE) or not upside_down.contacts(np.array([0.0])).any()
    assert Policy(ALL, 1.0, "").contacts(np.zeros(2)).all()


def test_profit_adds_up() -> None:
    value, contacted = np.array([0.0, 10.0, 0.0, 4.0]), np.array([True, True, False, False])
    weights = np.array([2.0, 1.0, 1.0, 1.0])
    profit = net_profit(
        contacted=contacted, value=value, cost=1.0, weights=weights, groups=np.arange(4), repeats=1, seed=1
    )
    assert (profit.policy, profit.all, profit.none) == (10 - 3, 14 - 5, 0.0)
    assert (profit.contacted, profit.population) == (3.0, 5.0)
    twice = net_profit(
        contacted=np.tile(contacted, 2), value=np.tile(value, 2), cost=1.0, weights=np.tile(weights, 2),
        groups=np.tile(np.arange(4), 2), repeats=2, seed=1,
    )  # fmt: skip
    assert (twice.policy, twice.all, twice.contacted) == (profit.policy, profit.all, profit.contacted)


def test_the_curve_ends_at_everyone() -> None:
    expected, value = RNG.random(500), RNG.exponential(1.0, 500)
    curve = profit_curve(expected=expected, value=value, cost=0.4, weights=np.ones(500), repeats=1)
    assert curve[-1] == (pytest.approx(1.0), pytest.approx(value.sum() - 200.0))
