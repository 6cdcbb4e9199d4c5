"""Candidate search on any flat table: all recipes on the same folds, a choice in words, the winner finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.calibration.calibrator import Calibrator, Floats, fit_calibrator, fit_sigmoid
from models.evaluation.metrics import row_log_loss
from models.features import FeatureSpec
from models.scoring.model import ResurrectionModel
from models.training.candidates import Recipe, RecipeName
from models.training.fitted import FittedRecipe
from models.training.fitting import fit_recipe
from models.training.folds import Fold, Rows, stratified_folds, time_folds
from models.training.matrix import clean_frame
from models.training.selection import choose

__all__ = ["Fold", "SearchPlan", "SearchResult", "finish", "fit_recipe", "search", "stratified_folds", "time_folds"]

# The simpler first: of recipes that cannot be told apart the first is taken.
ORDER: Final = (RecipeName.LOGISTIC, RecipeName.BOOSTING, RecipeName.LIGHTGBM, RecipeName.AVERAGE)


@dataclass(frozen=True)
class SearchPlan:
    """What a search may use.

    Attributes:
        seed: of fits.
        threads: OpenMP and BLAS threads.
        recipes: competing recipes, the simpler first.
    """

    seed: int = 7
    threads: int = 1
    recipes: tuple[RecipeName, ...] = ORDER


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        chosen: the recipe with its parameters.
        reason: why, in words.
        recipes: best setting of every recipe, by name, the simpler first.
        raw: recipe -> out-of-fold raw log odds of each row, mean over repeats; NaN where a row was never judged.
        losses: recipe -> out-of-fold log loss of each row, NaN likewise; scores of a fold are first put through a
            sigmoid of that fold, two free values each, so order and shape are compared and not the level.
        judged: rows that were judged at least once.
        latest: rows of the latest fold.
        latest_losses: recipe -> mean loss on the latest fold.
    """

    chosen: Recipe
    reason: str
    recipes: dict[str, Recipe]
    raw: dict[str, Floats]
    losses: dict[str, Floats]
    judged: Rows
    latest: Rows
    latest_losses: dict[str, float] = field(default_factory=dict)


def search(
    frame: pd.DataFrame,
    y: NDArray[np.bool_],
    features: Sequence[FeatureSpec],
    *,
    folds: Sequence[Fold],
    groups: Any,
    order: Any = None,
    plan: SearchPlan | None = None,
    weights: Floats | None = None,
) -> SearchResult:
    """Judge every recipe on the same folds and choose one.

    Args:
        frame: the feature columns, shape (rows, >= features).
        y: outcome, shape (rows,).
        features: columns to use.
        folds: from `time_folds` or `stratified_folds`; with `order` the last one counts as the latest.
        groups: account or person of each row, shape (rows,); errors are clustered by it.
        order: when each row is; None where rows have no order in time.
        plan: seed, threads and recipes.
        weights: weight of each row.

    Raises:
        ValueError: no fold, or a fold whose training rows hold one class only.
    """
    plan = plan or SearchPlan()
    if not folds:
        raise ValueError("a search needs at least one fold")
    if any(y[fold.train].all() or not y[fold.train].any() for fold in folds):
        raise ValueError("the training rows of a fold hold one class only")
    with threadpool_limits(plan.threads):
        return _Search(
            clean_frame(frame, features), y, tuple(features), tuple(folds), groups, order, plan, weights
        ).run()


class _Search:
    def __init__(
        self,
        cleaned: pd.DataFrame,
        y: NDArray[np.bool_],
        features: tuple[FeatureSpec, ...],
        folds: tuple[Fold, ...],
        groups: Any,
        order: Any,
        plan: SearchPlan,
        weights: Floats | None,
    ) -> None:
        self.cleaned, self.y, self.features, self.folds = cleaned, y, features, folds
        self.groups, self.order, self.plan = np.asarray(groups), order, plan
        self.weights = np.ones(y.size) if weights is None else np.asarray(weights, dtype=np.float64)

    def run(self) -> SearchResult:
        recipes = {recipe.name.value: recipe for recipe in self._settings()}
        scores = {name: [self._score(recipe, fold) for fold in self.folds] for name, recipe in recipes.items()}
        if RecipeName.AVERAGE in self.plan.recipes:
            members = tuple(recipes.values())
            recipes[RecipeName.AVERAGE.value] = Recipe(RecipeName.AVERAGE, {}, members)
            parts = [scores[one.name.value] for one in members]
            scores[RecipeName.AVERAGE.value] = [np.mean(of_fold, axis=0) for of_fold in zip(*parts, strict=True)]
        raw = {name: self._by_row(found) for name, found in scores.items()}
        losses = {name: self._by_row(self._losses(found)) for name, found in scores.items()}
        judged = np.flatnonzero(np.isfinite(next(iter(losses.values()))))
        latest = self.folds[-1].test
        choice = choose({name: loss[judged] for name, loss in losses.items()}, self.groups[judged])
        return SearchResult(
            chosen=recipes[choice.name],
            reason=choice.reason,
            recipes=recipes,
            raw=raw,
            losses=losses,
            judged=judged,
            latest=latest,
            latest_losses={name: float(loss[latest].mean()) for name, loss in losses.items()},
        )

    def _settings(self) -> list[Recipe]:
        from models.training.settings import default_settings

        return default_settings(self.plan.recipes, rows=self.y.size, events=int(self.y.sum()))

    def _fit(self, recipe: Recipe, rows: Rows) -> FittedRecipe:
        return fit_recipe(
            recipe,
            self.cleaned.iloc[rows],
            self.y[rows],
            self.features,
            self.plan.seed,
            self.weights[rows],
            groups=self.groups[rows],
            threads=self.plan.threads,
        )

    def _score(self, recipe: Recipe, fold: Fold) -> Floats:
        return self._fit(recipe, fold.train).decision_function(self.cleaned.iloc[fold.test])

    def _losses(self, scores: list[Floats]) -> list[Floats]:
        found = []
        for raw, fold in zip(scores, self.folds, strict=True):
            outcome = self.y[fold.test]
            found.append(row_log_loss(fit_sigmoid(raw, outcome).apply(raw), outcome))
        return found

    def _by_row(self, values: list[Floats]) -> Floats:
        total, times = np.zeros(self.y.size), np.zeros(self.y.size)
        for value, fold in zip(values, self.folds, strict=True):
            total[fold.test] += value
            times[fold.test] += 1
        return np.where(times > 0, total / np.maximum(times, 1), np.nan)


def finish(
    result: SearchResult,
    frame: pd.DataFrame,
    y: NDArray[np.bool_],
    features: Sequence[FeatureSpec],
    *,
    groups: Any = None,
    seed: int = 7,
    weights: Floats | None = None,
    threads: int = 1,
) -> ResurrectionModel:
    """The chosen recipe on all rows, with a calibrator that has seen only out-of-fold scores.

    Args:
        result: of `search` on the same rows.
        frame, y, features, groups, seed, weights, threads: as for `search`.
    """
    with threadpool_limits(threads):
        fitted = fit_recipe(result.chosen, frame, y, features, seed, weights, groups=groups, threads=threads)
    calibrator: Calibrator = fit_calibrator(result.raw[result.chosen.name.value][result.judged], y[result.judged])
    return ResurrectionModel(
        recipe=result.chosen.name.value,
        features=[[spec.name, spec.kind] for spec in features],
        pipeline=fitted,
        calibration=calibrator.to_dict(),
        centre=np.zeros(0),
        threads=threads,
    )
