from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.calibration.calibrator import logit
from models.features import FeatureSpec
from models.scoring.files import load_model, save_model
from models.training.candidates import Recipe, RecipeName
from models.training.folds import stratified_folds, time_folds
from models.training.matrix import clean_frame
from models.training.search import SearchPlan, SearchResult, finish, fit_recipe, search
from models.training.settings import for_rows

SPECS = (
    FeatureSpec("amount", "number", "stage", "", ""),
    FeatureSpec("known", "flag", "stage", "", ""),
    FeatureSpec("colour", "category", "stage", "", ""),
    FeatureSpec("town", "category", "stage", "", ""),
    FeatureSpec("note", "text", "stage", "", ""),
)
WORDS = np.array(["price", "call", "later", "never", "soon", "demo", "budget", "offer"])


def table(rows: int = 1_200, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """A flat table with money, a flag, few colours, many towns and notes; outcome; household of each row."""
    rng = np.random.default_rng(seed)
    amount = np.where(rng.random(rows) < 0.2, np.nan, np.exp(rng.normal(6, 2, rows)))
    known = rng.random(rows) < 0.4
    colour = rng.choice(np.array(["red", "green", None], dtype=object), rows)
    town = rng.integers(0, 90, rows)
    pull = rng.normal(0, 1.0, 90)
    said = [rng.choice(WORDS, 4, replace=False) for _ in range(rows)]
    odds = -1.2 + 0.4 * (np.nan_to_num(np.log(amount), nan=6.0) - 6) + 0.8 * known + (colour == "red") + pull[town]
    odds += np.array([("demo" in words) - ("never" in words) for words in said])
    frame = pd.DataFrame(
        {
            "amount": amount,
            "known": known,
            "colour": colour,
            "town": [f"town {index}" for index in town],
            "note": [" ".join(words) + f" {index}" for index, words in enumerate(said)],
        }
    )
    return frame, rng.random(rows) < 1 / (1 + np.exp(-odds)), np.arange(rows) // 2


@pytest.fixture(scope="module")
def found() -> SearchResult:
    frame, y, groups = table()
    return search(frame, y, SPECS, folds=stratified_folds(y, groups, 3), groups=groups)


def test_every_recipe_is_judged_on_every_row_and_the_choice_is_explained(found: SearchResult) -> None:
    assert list(found.raw) == ["logistic_regression", "hist_gradient_boosting", "lightgbm", "average"]
    for name in found.raw:
        assert np.isfinite(found.raw[name]).all()
        assert np.isfinite(found.losses[name]).all()
    assert found.chosen == found.recipes[found.chosen.name.value]
    assert found.reason
    best = min(float(loss.mean()) for loss in found.losses.values())
    rate = table()[1].mean()
    assert best < 0.93 * -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))


def test_the_finished_model_adds_up_survives_its_file_and_repeats_itself(found: SearchResult, tmp_path: Path) -> None:
    frame, y, groups = table()
    model = finish(found, frame, y, SPECS, groups=groups)
    values, baseline, calibration = model.contributions(frame)
    assert np.abs(values.sum(axis=1) + baseline + calibration - logit(model.p(frame))).max() < 1e-6
    sha256 = save_model(model, tmp_path / "model")
    assert np.array_equal(load_model(tmp_path / "model", sha256=sha256).p(frame), model.p(frame))
    assert np.array_equal(finish(found, frame, y, SPECS, groups=groups).p(frame), model.p(frame))


@pytest.mark.parametrize("name", [one for one in RecipeName if one is not RecipeName.AVERAGE])
def test_weights_count_as_repeated_rows(name: RecipeName, found: SearchResult) -> None:
    frame, y, groups = table(400)
    recipe = found.recipes[name.value]
    plain = Recipe(name, recipe.params | ({"pairs": 0, "knots": 0} if name is RecipeName.LOGISTIC else {}))
    specs = SPECS[1:3]
    heavy = np.where(np.arange(400) < 200, 3.0, 1.0)
    repeated = np.repeat(np.arange(400), heavy.astype(int))
    weighted = fit_recipe(plain, frame, y, specs, 7, heavy, groups=groups)
    twin = fit_recipe(plain, frame.iloc[repeated], y[repeated], specs, 7, groups=groups[repeated])
    light = fit_recipe(plain, frame, y, specs, 7, groups=groups)
    cleaned = clean_frame(frame, specs)
    gap = np.abs(weighted.decision_function(cleaned) - twin.decision_function(cleaned)).max()
    moved = np.abs(weighted.decision_function(cleaned) - light.decision_function(cleaned)).max()
    assert gap < 0.35 * moved


def test_time_folds_learn_from_the_past_alone() -> None:
    order = np.random.default_rng(3).integers(0, 40, 500)
    folds = time_folds(order, None, 4, gap=2.0)
    assert len(folds) == 4
    for fold in folds:
        assert order[fold.train].max() <= order[fold.test].min() - 2
    ends = [order[fold.test].max() for fold in folds]
    assert ends == sorted(ends)
    assert max(ends) == 39


def test_folds_keep_a_group_on_one_side() -> None:
    rng = np.random.default_rng(4)
    groups, y = rng.integers(0, 60, 600), rng.random(600) < 0.2
    for fold in [*stratified_folds(y, groups, 4, repeats=2), *time_folds(np.arange(600), groups, 3)]:
        assert not set(groups[fold.train]) & set(groups[fold.test])
    judged = np.concatenate([fold.test for fold in stratified_folds(y, groups, 4, repeats=2)])
    assert np.array_equal(np.bincount(judged), np.full(600, 2))


def test_a_fold_with_one_class_is_refused() -> None:
    frame, y, groups = table(200)
    with pytest.raises(ValueError, match="one class"):
        search(frame, np.zeros(200, dtype=bool), SPECS, folds=stratified_folds(y, groups, 3), groups=groups)
    with pytest.raises(ValueError, match="at least one fold"):
        search(frame, y, SPECS, folds=[], groups=groups, plan=SearchPlan())


def test_trees_tuned_on_few_rows_bear_more_rounds_on_many() -> None:
    trees = Recipe(RecipeName.LIGHTGBM, {"num_iterations": 30, "num_leaves": 8})
    linear = Recipe(RecipeName.LOGISTIC, {"C": 0.1, "knots": 0, "pairs": 0})
    both = Recipe(RecipeName.AVERAGE, {}, (linear, trees))
    assert for_rows(both, 3_000, tuned_on=1_000).members == (
        linear,
        replace(trees, params=trees.params | {"num_iterations": 90}),
    )
    assert for_rows(trees, 100_000, tuned_on=1_000).params["num_iterations"] == 400
    assert for_rows(trees, 900, tuned_on=1_000) == trees


def test_a_finished_model_is_sized_for_all_rows(found: SearchResult) -> None:
    frame, y, groups = table()
    trees = found.recipes["lightgbm"]
    model = finish(replace(found, chosen=trees), frame, y, SPECS, groups=groups)
    rounds = round(trees.params["num_iterations"] * y.size / found.tuned_on)
    assert rounds > trees.params["num_iterations"]
    assert model.program.tree_start.size == rounds + 1
