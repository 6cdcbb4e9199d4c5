"""Fits a recipe on a frame; encoders, imputers and scalers live inside what is fitted."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from models.calibration.calibrator import Floats, expit
from models.features import FeatureSpec
from models.training.candidates import Recipe, RecipeName
from models.training.fitted import BoosterText, FittedRecipe, Member
from models.training.matrix import clean_frame
from models.training.table import TableCoder

_BUCKETS: Final = {"linear": 256, "trees": 32}
_LEAST_EVENTS_FOR_PAIRS: Final = 200
_MOST_COLUMNS_TO_PAIR: Final = 120


def fit_recipe(
    recipe: Recipe,
    frame: pd.DataFrame,
    y: NDArray[np.bool_],
    features: Sequence[FeatureSpec],
    seed: int,
    weights: Floats | None = None,
    *,
    groups: Any = None,
    threads: int = 1,
) -> FittedRecipe:
    """Fit a recipe.

    Args:
        recipe: name and parameters.
        frame: the feature columns, as they come or as `clean_frame` gives them.
        y: outcome, shape (rows,), both classes present.
        features: columns to use.
        seed: of everything random.
        weights: weight of each row; None counts all alike.
        groups: account or person of each row, for cross-fitted encodings; None makes every row its own.
        threads: of LightGBM.
    """
    cleaned = clean_frame(frame, features)
    mass = np.ones(y.size) if weights is None else np.asarray(weights, dtype=np.float64)
    names = np.arange(y.size) if groups is None else groups
    if recipe.name is RecipeName.AVERAGE:
        parts = [
            fit_recipe(member, cleaned, y, features, seed, weights, groups=groups, threads=threads)
            for member in recipe.members
        ]
        return average_of(parts)
    fit = {RecipeName.LOGISTIC: _fit_logistic, RecipeName.BOOSTING: _fit_boosting, RecipeName.LIGHTGBM: _fit_lightgbm}
    member = fit[recipe.name](recipe.params, cleaned, y, features, seed, mass, names, threads)
    return FittedRecipe(recipe.name.value, [member], np.ones(1))


def average_of(parts: Sequence[FittedRecipe]) -> FittedRecipe:
    """Members averaged on the logit scale, each alike."""
    members = [member for part in parts for member in part.members or []]
    return FittedRecipe(RecipeName.AVERAGE.value, members, np.full(len(members), 1.0 / len(members)))


def _fit_logistic(
    params: dict[str, Any],
    cleaned: pd.DataFrame,
    y: NDArray[np.bool_],
    features: Sequence[FeatureSpec],
    seed: int,
    weights: Floats,
    groups: Any,
    threads: int,
) -> Member:
    del threads
    coder = TableCoder("linear", knots=int(params["knots"]), buckets=_BUCKETS["linear"], seed=seed)
    matrix = coder.fit_transform(cleaned, features, y, groups, weights)
    model = _ridge(params, matrix, y, weights)
    if params["pairs"] and int(y.sum()) >= _LEAST_EVENTS_FOR_PAIRS:
        pairs = telling_pairs(coder, matrix, y - expit(model.decision_function(matrix)), weights, int(params["pairs"]))
        if len(pairs):
            matrix = coder.add_pairs(matrix, pairs, weights)
            model = _ridge(params, matrix, y, weights)
    return Member(coder, model)


def _ridge(params: dict[str, Any], matrix: Floats, y: NDArray[np.bool_], weights: Floats) -> LogisticRegression:
    # Rows are many and columns few: a handful of Newton steps cost less than a hundred gradients.
    model = LogisticRegression(C=float(params["C"]), max_iter=30, solver="newton-cholesky")
    with warnings.catch_warnings():
        # A budget that ends before the optimum is part of the recipe.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(matrix, y, sample_weight=weights)


def telling_pairs(coder: TableCoder, matrix: Floats, residual: Floats, weights: Floats, most: int) -> NDArray[np.int64]:
    """Pairs of columns whose product says most about what the main effects leave over, shape (pairs, 2).

    The score of a product is its correlation with the residual: the first step of a gradient fit (Rao's score test).
    """
    shares = coder.shares_
    source = shares.argmax(axis=1)
    by_source = np.flatnonzero(np.r_[True, source[1:] != source[:-1]])
    straight = np.union1d(by_source, np.flatnonzero([code_is_flat(name) for name in coder.columns_]))
    columns = straight[:_MOST_COLUMNS_TO_PAIR]
    z = matrix[:, columns]
    pull = z.T @ (z * (weights * residual)[:, None])
    size = np.sqrt(np.maximum((z**2).T @ ((z**2) * weights[:, None]), 1e-12))
    score = np.abs(pull) / size
    score[source[columns][:, None] >= source[columns][None, :]] = 0.0
    order = np.argsort(-score, axis=None, kind="stable")[:most]
    first, second = np.unravel_index(order, score.shape)
    told = score[first, second] > 0
    return np.column_stack([columns[first[told]], columns[second[told]]]).astype(np.int64)


def code_is_flat(name: str) -> bool:
    """Whether a column is a category of a feature."""
    return "=" in name


def _fit_boosting(
    params: dict[str, Any],
    cleaned: pd.DataFrame,
    y: NDArray[np.bool_],
    features: Sequence[FeatureSpec],
    seed: int,
    weights: Floats,
    groups: Any,
    threads: int,
) -> Member:
    del threads
    coder = TableCoder("trees", knots=0, buckets=_BUCKETS["trees"], seed=seed)
    matrix = coder.fit_transform(cleaned, features, y, groups, weights)
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=seed, **params)
    return Member(coder, model.fit(matrix, y, sample_weight=weights))


def _fit_lightgbm(
    params: dict[str, Any],
    cleaned: pd.DataFrame,
    y: NDArray[np.bool_],
    features: Sequence[FeatureSpec],
    seed: int,
    weights: Floats,
    groups: Any,
    threads: int,
) -> Member:
    coder = TableCoder("trees", knots=0, buckets=_BUCKETS["trees"], seed=seed)
    matrix = coder.fit_transform(cleaned, features, y, groups, weights)
    rounds = int(params["num_iterations"])
    settings = {key: value for key, value in params.items() if key != "num_iterations"} | {
        "objective": "binary",
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "seed": seed,
        "verbosity": -1,
    }
    data = lgb.Dataset(matrix, label=y.astype(np.float64), weight=weights, free_raw_data=True)
    return Member(coder, BoosterText(lgb.train(settings, data, num_boost_round=rounds).model_to_string()))
