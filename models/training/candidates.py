"""The recipes that compete with the rule scorecard; encoders, imputers and scalers live inside the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from models.features import FeatureSpec
from models.training.coder import CategoryCoder
from models.training.numbers import NumberCoder

_RARE_CATEGORY_SHARE: Final = 0.002  # rarer categories share one code: too few events to tell them apart


class RecipeName(StrEnum):
    """Learned candidates, the simpler first."""

    LOGISTIC = "logistic_regression"
    BOOSTING = "hist_gradient_boosting"
    LIGHTGBM = "lightgbm"
    AVERAGE = "average"


@dataclass(frozen=True)
class Recipe:
    """A candidate with its budget; an average has members instead of parameters."""

    name: RecipeName
    params: dict[str, float | int]
    members: tuple[Recipe, ...] = ()


RECIPES: Final = (
    Recipe(RecipeName.LOGISTIC, {"C": 0.05, "max_iter": 30}),
    Recipe(
        RecipeName.BOOSTING,
        {
            "max_iter": 50,
            "learning_rate": 0.15,
            "max_leaf_nodes": 6,
            "min_samples_leaf": 300,
            "max_features": 0.3,
            "l2_regularization": 20.0,
            "max_bins": 127,
        },
    ),
)


def build_pipeline(recipe: Recipe, features: Sequence[FeatureSpec], *, seed: int) -> Pipeline:
    """Unfitted pipeline from a clean frame (see `clean_frame`) to a classifier."""
    numbers = [spec.name for spec in features if spec.kind != "category"]
    categories = [spec.name for spec in features if spec.kind == "category"]
    if recipe.name is RecipeName.LOGISTIC:
        prepare, model = _linear_parts(recipe)
    else:
        prepare, model = _boosting_parts(recipe, seed)
    blocks = [(name, part, columns) for (name, part), columns in zip(prepare, (numbers, categories), strict=True)]
    columns = ColumnTransformer([block for block in blocks if block[2]], sparse_threshold=0.0)
    return Pipeline([("prepare", columns), ("model", model)])


def _linear_parts(recipe: Recipe) -> tuple[list[tuple[str, Any]], Any]:
    categories = CategoryCoder(one_hot=True, least_share=_RARE_CATEGORY_SHARE)
    # Rows are many and columns few: a handful of Newton steps cost less than a hundred gradients.
    model = LogisticRegression(C=recipe.params["C"], max_iter=int(recipe.params["max_iter"]), solver="newton-cholesky")
    return [("numbers", NumberCoder()), ("categories", categories)], model


def _boosting_parts(recipe: Recipe, seed: int) -> tuple[list[tuple[str, Any]], Any]:
    categories = CategoryCoder(one_hot=False, least_share=_RARE_CATEGORY_SHARE)
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=seed, **recipe.params)
    return [("numbers", "passthrough"), ("categories", categories)], model
