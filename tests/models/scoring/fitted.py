"""Fitted recipes with the libraries' own answers beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.calibration.calibrator import Floats, fit_calibrator
from models.features import FeatureSpec
from models.scoring.flatten import flatten
from models.scoring.model import ResurrectionModel, raw_log_odds
from models.training.candidates import Recipe, RecipeName
from models.training.fitting import fit_recipe
from models.training.matrix import clean_frame
from tests.models.world import SPECS, panel

TABLE_SPECS = (
    *SPECS,
    FeatureSpec("town", "category", "stage", "Town.", "lives in {value}"),
    FeatureSpec("note", "text", "stage", "Note.", "{value}"),
)
_TREES = {"learning_rate": 0.1, "max_bins": 127, "min_samples_leaf": 20, "max_features": 0.5}
_PARTS = (
    Recipe(RecipeName.LOGISTIC, {"C": 0.1, "knots": 4, "pairs": 12}),
    Recipe(RecipeName.BOOSTING, {"max_iter": 40, "max_leaf_nodes": 7, **_TREES}),
    Recipe(
        RecipeName.LIGHTGBM,
        {"num_iterations": 40, "num_leaves": 16, "learning_rate": 0.1, "min_data_in_leaf": 20, "feature_fraction": 0.5},
    ),
)
RECIPES = (*_PARTS, Recipe(RecipeName.AVERAGE, {}, _PARTS))
RECIPE_NAMES = tuple(recipe.name.value for recipe in RECIPES)
KINDS = ("number", "flag", "category", "text")
_WORDS = np.array(["price", "call", "later", "never", "soon", "demo", "budget", "offer"])


@dataclass(frozen=True)
class Fitted:
    """A recipe fitted on a panel, its plain model, and the raw log odds of the library that fitted it."""

    model: ResurrectionModel
    fitted: Any
    frame: pd.DataFrame
    own_raw: Callable[[pd.DataFrame], Floats]


def fit(name: str, *, people: int = 400, kinds: tuple[str, ...] = KINDS) -> Fitted:
    """Fit one recipe by name on features of some kinds."""
    frame = _table(people)
    y = frame["y"].to_numpy(dtype=bool)
    specs = tuple(spec for spec in TABLE_SPECS if spec.kind in kinds)
    cleaned = clean_frame(frame, specs)
    fitted = fit_recipe(next(one for one in RECIPES if one.name.value == name), cleaned, y, specs, 7)
    calibrator = fit_calibrator(raw_log_odds(fitted, cleaned), y)
    model = flatten(fitted, features=specs, calibrator=calibrator, background=frame)
    return Fitted(model, fitted, frame, lambda rows: raw_log_odds(fitted, clean_frame(rows, specs)))


def _table(people: int) -> pd.DataFrame:
    """A panel with a column of many towns and one of free words, both of which tell."""
    frame = panel(people=people, weeks=8)
    rng = np.random.default_rng(11)
    pull = rng.normal(0, 1, 90)
    town = rng.integers(0, 90, len(frame))
    said = [rng.choice(_WORDS, 4, replace=False) for _ in range(len(frame))]
    demo = np.array(["demo" in words for words in said])
    more = rng.random(len(frame)) < 0.08 * np.exp(0.7 * pull[town] + demo)
    return frame.assign(
        y=frame["y"] | more,
        town=[f"town {index}" for index in town],
        note=[" ".join(words) + f" {index}" for index, words in enumerate(said)],
    )


def odd_rows(frame: pd.DataFrame, *, seed: int = 5) -> pd.DataFrame:
    """Rows with missing, infinite, huge, unseen and mistyped values in every feature."""
    rng = np.random.default_rng(seed)
    rows = frame.sample(400, random_state=seed).reset_index(drop=True)
    for spec in TABLE_SPECS:
        values = rows[spec.name].astype(object).to_numpy(copy=True)
        texts = ["never seen", None, "", float("nan"), "Demo, DEMO!"]
        numbers = [np.nan, np.inf, -np.inf, 1e300, -5.0, 0.0, -0.0, None]
        odd = np.array(texts if spec.kind in ("category", "text") else numbers, dtype=object)
        hit = rng.random(len(rows)) < 0.3
        values[hit] = odd[rng.integers(0, len(odd), hit.sum())]
        rows[spec.name] = values
    return rows
