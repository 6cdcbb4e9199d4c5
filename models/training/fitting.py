"""Fits a recipe on a frame; encoders, imputers and scalers live inside what is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from models.calibration.calibrator import Floats, expit
from models.features import FeatureSpec
from models.training.candidates import Recipe, RecipeName
from models.training.fitted import BoosterText, FittedRecipe, Member
from models.training.matrix import clean_frame
from models.training.side_by_side import bounded, side_by_side
from models.training.table import Basis, TableCoder

_BUCKETS: Final = {"linear": 256, "trees": 32}
_MOST_COLUMNS_TO_PAIR: Final = 120


@dataclass(frozen=True)
class Lesson:
    """What a fit learns from.

    Attributes:
        cleaned: of `clean_frame`, shape (rows, features).
        y: outcome, shape (rows,).
        features: specs in the order of the columns.
        weights: weight of each row.
        groups: account or person of each row.
        seed: of everything random.
        threads: of LightGBM.
        for_trees: coder and matrix that both kinds of trees share, once made.
    """

    cleaned: pd.DataFrame
    y: NDArray[np.bool_]
    features: tuple[FeatureSpec, ...]
    weights: Floats
    groups: Any
    seed: int
    threads: int
    for_trees: list[tuple[TableCoder, Floats]] = field(default_factory=list, repr=False, compare=False)
    lock: Any = field(default_factory=Lock, repr=False, compare=False)

    def linear(self, knots: int) -> tuple[TableCoder, Floats]:
        """A coder of curves fitted on these rows, and their matrix; the caller may add products to it."""
        return self._coded("linear", knots)

    def trees(self) -> tuple[TableCoder, Floats]:
        """The coder for trees fitted on these rows, and their matrix; neither may be changed."""
        with self.lock:
            if not self.for_trees:
                self.for_trees.append(self._coded("trees", 0))
            return self.for_trees[0]

    def _coded(self, basis: Basis, knots: int) -> tuple[TableCoder, Floats]:
        coder = TableCoder(basis, knots=knots, buckets=_BUCKETS[basis], seed=self.seed)
        return coder, coder.fit_transform(self.cleaned, self.features, self.y, self.groups, self.weights)


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
    mass = np.ones(y.size) if weights is None else np.asarray(weights, dtype=np.float64)
    names = np.arange(y.size) if groups is None else groups
    lesson = Lesson(clean_frame(frame, features), y, tuple(features), mass, names, seed, threads)
    with bounded(threads):
        return fit_all([(recipe, lesson)])[0]


def fit_all(wanted: Sequence[tuple[Recipe, Lesson]]) -> list[FittedRecipe]:
    """Fit recipes, each on its own prepared rows, side by side; an average fits its members."""
    single = [(one, lesson) for recipe, lesson in wanted for one in (recipe.members or (recipe,))]
    threads = max((lesson.threads for _, lesson in wanted), default=1)
    # scikit-learn's trees take longest: begun last, one would keep a core idle.
    order = sorted(range(len(single)), key=lambda at: single[at][0].name is not RecipeName.BOOSTING)
    fitted = dict(zip(order, side_by_side([partial(fit, *single[at]) for at in order], threads), strict=True))
    found = iter(fitted[at] for at in range(len(single)))
    return [
        average_of([next(found) for _ in recipe.members]) if recipe.members else next(found) for recipe, _ in wanted
    ]


def fit(recipe: Recipe, lesson: Lesson) -> FittedRecipe:
    """Fit a recipe that is no average on prepared rows."""
    if recipe.name is RecipeName.LOGISTIC:
        coder, matrix = lesson.linear(int(recipe.params["knots"]))
        return _alone(recipe, fit_linear(recipe, coder, matrix, lesson))
    coder, matrix = lesson.trees()
    model = fit_trees(recipe, matrix, lesson)
    return _alone(recipe, Member(coder, BoosterText(model.model_to_string()) if is_booster(model) else model))


def average_of(parts: Sequence[FittedRecipe]) -> FittedRecipe:
    """Members averaged on the logit scale, each alike."""
    members = [member for part in parts for member in part.members or []]
    return FittedRecipe(RecipeName.AVERAGE.value, members, np.full(len(members), 1.0 / len(members)))


def _alone(recipe: Recipe, member: Member) -> FittedRecipe:
    return FittedRecipe(recipe.name.value, [member], np.ones(1))


def fit_linear(recipe: Recipe, coder: TableCoder, matrix: Floats, lesson: Lesson) -> Member:
    """Ridge logistic regression on a coded matrix; with `pairs` the most telling products are added to the coder."""
    model = ridge(recipe, matrix, lesson)
    pairs = telling_pairs(coder, matrix, model, lesson, int(recipe.params["pairs"]))
    if len(pairs):
        model = ridge(recipe, coder.add_pairs(matrix, pairs, lesson.weights), lesson, start=model)
    return Member(coder, model)


def ridge(
    recipe: Recipe, matrix: Floats, lesson: Lesson, *, start: LogisticRegression | None = None
) -> LogisticRegression:
    """Logistic regression with the shrinkage of the recipe.

    Args:
        recipe: with its `C`.
        matrix: coded rows, shape (rows, columns).
        lesson: outcome and weights of the rows.
        start: a fit on the first columns of the matrix, to begin from; it saves steps.
    """
    # Rows are many and columns few: a handful of Newton steps cost less than a hundred gradients.
    model = LogisticRegression(C=float(recipe.params["C"]), max_iter=30, solver="newton-cholesky", warm_start=True)
    if start is not None:
        more = matrix.shape[1] - start.coef_.shape[1]
        model.coef_, model.intercept_ = np.pad(start.coef_, ((0, 0), (0, more))), start.intercept_.copy()
    return model.fit(matrix, lesson.y, sample_weight=lesson.weights)


def telling_pairs(
    coder: TableCoder, matrix: Floats, model: LogisticRegression, lesson: Lesson, most: int
) -> NDArray[np.int64]:
    """Pairs of columns whose product says most about what the main effects leave over, shape (pairs, 2).

    The score of a product is its correlation with the residual: the first step of a gradient fit (Rao's score test).
    """
    if most == 0:
        return np.zeros((0, 2), dtype=np.int64)
    residual = lesson.weights * (lesson.y - expit(model.decision_function(matrix)))
    source = coder.shares_.argmax(axis=1)
    # A curve enters by its straight part alone; every category may.
    columns = np.array([i for i, name in enumerate(coder.columns_) if "~curve" not in name and "#" not in name])
    strength = np.abs(model.coef_[0][columns])
    columns = np.sort(columns[np.argsort(-strength, kind="stable")[:_MOST_COLUMNS_TO_PAIR]])
    z = matrix[:, columns]
    pull = z.T @ (z * residual[:, None])
    size = np.sqrt(np.maximum((z**2).T @ ((z**2) * lesson.weights[:, None]), 1e-12))
    score = np.abs(pull) / size
    score[source[columns][:, None] >= source[columns][None, :]] = 0.0
    order = np.argsort(-score, axis=None, kind="stable")[:most]
    first, second = np.unravel_index(order, score.shape)
    told = score[first, second] > 0
    return np.column_stack([columns[first[told]], columns[second[told]]]).astype(np.int64)


def fit_trees(recipe: Recipe, matrix: Floats, lesson: Lesson) -> Any:
    """A HistGradientBoostingClassifier or a LightGBM Booster on a coded matrix."""
    if recipe.name is RecipeName.BOOSTING:
        model = HistGradientBoostingClassifier(early_stopping=False, random_state=lesson.seed, **recipe.params)
        # With weights scikit-learn cuts its bins by weighted quantiles, which costs more than the trees.
        alike = bool((lesson.weights == 1.0).all())
        return model.fit(matrix, lesson.y, sample_weight=None if alike else lesson.weights)
    settings = {key: value for key, value in recipe.params.items() if key != "num_iterations"} | {
        "objective": "binary",
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": lesson.threads,
        "seed": lesson.seed,
        "verbosity": -1,
    }
    data = lgb.Dataset(matrix, label=lesson.y.astype(np.float64), weight=lesson.weights)
    return lgb.train(settings, data, num_boost_round=int(recipe.params["num_iterations"]))


def is_booster(model: Any) -> bool:
    """Whether trees are LightGBM's."""
    return isinstance(model, lgb.Booster)
