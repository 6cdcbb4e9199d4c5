"""Small and noisy data, and data that change: the search must not be worse than the plain thing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.features import FeatureSpec
from models.training.candidates import RecipeName
from models.training.search import SearchPlan, finish, search, stratified_folds, time_folds
from models.training.selection import choose

COLUMNS = 10
SPECS = tuple(FeatureSpec(f"x{index}", "number", "stage", "", "") for index in range(COLUMNS))
# Either engine of trees would do here, and one is faster.
PLAN = SearchPlan(recipes=(RecipeName.LOGISTIC, RecipeName.LIGHTGBM, RecipeName.AVERAGE))


def noisy(rows: int, seed: int, strength: float) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, COLUMNS))
    y = rng.random(rows) < 1 / (1 + np.exp(1.5 - strength * x[:, 0]))
    return pd.DataFrame(x, columns=[spec.name for spec in SPECS]), y


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    return float(-np.where(y, np.log(p), np.log1p(-p)).mean())


@pytest.mark.parametrize("strength", [0.0, 0.6])
def test_on_small_and_noisy_data_the_search_is_never_worse_than_logistic_regression(strength: float) -> None:
    gaps = []
    for seed in range(5):
        frame, y = noisy(240, seed, strength)
        late, truth = noisy(4_000, 100 + seed, strength)
        groups = np.arange(y.size)
        found = search(frame, y, SPECS, folds=stratified_folds(y, groups, 3), groups=groups, plan=PLAN)
        ours = log_loss(finish(found, frame, y, SPECS, groups=groups).p(late), truth)
        plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, y)
        gaps.append(ours - log_loss(plain.predict_proba(late)[:, 1], truth))
    assert np.mean(gaps) < 0.002
    assert np.max(gaps) < 0.02


def test_a_law_with_curves_and_crossings_is_worth_more_than_straight_lines() -> None:
    rng = np.random.default_rng(9)
    x = rng.normal(size=(3_000, COLUMNS))
    y = rng.random(3_000) < 1 / (1 + np.exp(1.0 - 1.2 * x[:, 0] * x[:, 1] - np.abs(x[:, 2])))
    frame, groups = pd.DataFrame(x, columns=[spec.name for spec in SPECS]), np.arange(3_000)
    found = search(frame, y, SPECS, folds=stratified_folds(y, groups, 3), groups=groups, plan=PLAN)
    logistic = found.recipes["logistic_regression"]
    assert logistic.params["knots"] > 0
    assert logistic.params["pairs"] > 0
    rate = y.mean()
    assert found.losses["logistic_regression"].mean() < 0.93 * log_loss(np.full(y.size, rate), y)


def test_what_fell_behind_on_the_latest_fold_is_not_chosen_however_good_the_past() -> None:
    rng = np.random.default_rng(4)
    rows, groups = 1_000, np.arange(1_000)
    latest = groups >= 800
    base = rng.gamma(1.0, 0.3, rows)
    losses = {"steady": base, "past": base - np.where(latest, -0.1, 0.1) + rng.normal(0, 0.05, rows)}
    assert choose(losses, groups).name == "past"
    found = choose(losses, groups, latest=latest)
    assert found.name == "steady"
    assert "latest folds went against it: past" in found.reason


def test_under_drift_the_choice_of_the_search_holds_up_on_the_latest_fold() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(3_000, COLUMNS))
    when = np.arange(3_000)
    # A crossing that trees love, and that ends before the latest fold; the straight part stays.
    odds = -1.0 + 0.8 * x[:, 0] + np.where(when < 2_400, 2.0, -0.5) * (x[:, 1] * x[:, 2])
    y = rng.random(3_000) < 1 / (1 + np.exp(-odds))
    frame = pd.DataFrame(x, columns=[spec.name for spec in SPECS])
    folds = time_folds(when, None, 4, first_share=0.2)
    found = search(frame, y, SPECS, folds=folds, groups=when, order=when, plan=PLAN)
    assert found.latest_losses[found.chosen.name.value] <= min(found.latest_losses.values()) + 0.01
