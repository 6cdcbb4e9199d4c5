"""Qini, uplift at a share, doubly robust values and their errors against plain references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.uplift.measures import (
    clustered_mean,
    effect_scores,
    inverse_scores,
    policy_value,
    qini,
    qini_interval,
    uplift_at,
)
from tests.models.uplift.trials import make_trial


def _plain_qini(y: np.ndarray, treated: np.ndarray, uplift: np.ndarray) -> float:
    """Radcliffe's curve row by row, over the best curve of these rows; no ties in `uplift`."""

    def area(order: list[int], joined: list[float]) -> float:
        total, gained, last, nt, nc, yt, yc = 0.0, 0.0, 0, 0, 0, 0, 0
        for place, row in enumerate(order, 1):
            nt, nc = nt + int(treated[row]), nc + int(not treated[row])
            yt, yc = yt + int(treated[row] and y[row]), yc + int(not treated[row] and y[row])
            if place < len(order) and joined[place] == joined[place - 1]:
                continue
            now = yt - (yc * nt / nc if nc else 0.0)
            total += (place - last) * (now + gained) / 2
            gained, last = now, place
        joined.append(gained)
        return total

    ideal = [float(y[i]) * (1 if treated[i] else -1) for i in range(len(y))]
    own = sorted(range(len(y)), key=lambda i: -uplift[i])
    best = sorted(range(len(y)), key=lambda i: -ideal[i])
    ends = [float(uplift[i]) for i in own]
    found = area(own, ends)
    chance = len(y) * ends[-1] / 2
    return (found - chance) / (area(best, [ideal[i] for i in best]) - chance)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_qini_is_radcliffes_curve_over_the_best_one(seed: int) -> None:
    made = make_trial(400, seed=seed, e=0.7, base=-1.0)
    treated, e = made.arm == "email", np.full(400, 0.7)
    score = np.random.default_rng(seed).normal(size=400)
    assert qini(made.y, treated, e, score) == pytest.approx(_plain_qini(made.y, treated, score), abs=1e-12)


def test_a_constant_ranks_nobody() -> None:
    made = make_trial(400, seed=1, base=-1.0)
    assert qini(made.y, made.arm == "email", np.full(400, 0.5), np.full(400, 0.1)) == 0.0


def test_the_best_order_has_a_qini_of_one() -> None:
    made = make_trial(400, seed=1, base=-1.0)
    treated = made.arm == "email"
    ideal = made.y * np.where(treated, 1.0, -1.0)
    assert qini(made.y, treated, np.full(400, 0.5), ideal) == pytest.approx(1.0)


def test_uplift_at_a_share_is_the_difference_of_means_in_the_top() -> None:
    made = make_trial(2_000, seed=4, e=0.3, base=-1.0)
    treated, score = made.arm == "email", np.random.default_rng(1).normal(size=2_000)
    top = np.argsort(-score)[:600]
    want = made.y[top][treated[top]].mean() - made.y[top][~treated[top]].mean()
    found = uplift_at(0.3, made.y.astype(float), treated, np.full(2_000, 0.3), score, made.groups)
    assert found.value == pytest.approx(want)
    assert found.low < want < found.high


def test_ties_at_the_cut_count_in_part() -> None:
    made = make_trial(2_000, seed=4, base=-1.0)
    treated = made.arm == "email"
    want = made.y[treated].mean() - made.y[~treated].mean()
    found = uplift_at(0.3, made.y.astype(float), treated, np.full(2_000, 0.5), np.zeros(2_000), made.groups)
    assert found.value == pytest.approx(want)


def test_scores_are_unbiased_whatever_the_outcome_models_say() -> None:
    wrong, right, plain = [], [], []
    for seed in range(60):
        made = make_trial(2_000, seed=seed, e=0.8, base=-1.0)
        treated, e, y = made.arm == "email", np.full(2_000, 0.8), made.y.astype(float)
        wrong.append(effect_scores(y, treated, e, np.full(2_000, 0.9), np.full(2_000, 0.2)).mean() - made.uplift.mean())
        right.append(effect_scores(y, treated, e, made.p + made.uplift, made.p).mean() - made.uplift.mean())
        plain.append(inverse_scores(y, treated, e).mean() - made.uplift.mean())
    for errors in (wrong, right, plain):
        assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(60)
    assert np.std(right) < np.std(plain)


def test_errors_are_those_of_groups_not_of_rows() -> None:
    rng = np.random.default_rng(1)
    by_group = rng.normal(size=300)
    once, often = (
        clustered_mean(by_group, np.arange(300)),
        clustered_mean(np.repeat(by_group, 9), np.arange(2_700) // 9),
    )
    assert often.high - often.low == pytest.approx(once.high - once.low)


@given(cost=st.floats(0, 1), seed=st.integers(0, 50))
def test_contacting_nobody_is_worth_nothing(cost: float, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=40)
    assert policy_value(scores, np.zeros(40, dtype=bool), cost, np.arange(40)).value == 0.0


def test_qini_interval_holds_its_value() -> None:
    made = make_trial(3_000, seed=2, modified=0.8)
    found = qini_interval(made.y, made.arm == "email", np.full(3_000, 0.5), made.uplift, made.groups, seed=1)
    assert found.low < found.value < found.high
    assert found.low > 0
