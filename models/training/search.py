"""Candidate search on any flat table: all recipes on the same folds, a choice in words, the winner finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration.calibrator import Calibrator, Floats, fit_sigmoid
from models.calibration.choice import choose_calibrator
from models.evaluation.metrics import row_log_loss
from models.features import FeatureSpec
from models.scoring.flatten import flatten
from models.scoring.model import ResurrectionModel
from models.training.candidates import ORDER, Recipe, RecipeName
from models.training.fitted import FittedRecipe
from models.training.fitting import Lesson, fit_all, fit_recipe
from models.training.folds import Fold, Rows, stratified_folds, time_folds
from models.training.matrix import clean_frame
from models.training.selection import choose, least
from models.training.settings import Budget, for_rows, shape_of
from models.training.side_by_side import bounded, side_by_side
from models.training.tuning import Tried, trials

__all__ = ["Fold", "SearchPlan", "SearchResult", "finish", "fit_recipe", "search", "stratified_folds", "time_folds"]


@dataclass(frozen=True)
class SearchPlan:
    """What a search may use.

    Attributes:
        seed: of fits and samples.
        threads: OpenMP and BLAS threads; the result does not depend on it.
        recipes: competing recipes, the simpler first.
        tuning_rows: training rows of a fold on which settings are tried; larger tables are sampled by group.
        tuning_folds: folds on which settings are tried.
    """

    seed: int = 7
    threads: int = 1
    recipes: tuple[RecipeName, ...] = ORDER
    tuning_rows: int = 60_000
    tuning_folds: int = 5


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        chosen: the recipe with its parameters.
        reason: why, in words.
        recipes: best setting of every recipe, by name, the simpler first.
        tuned_on: training rows of a fold on which the settings were found.
        raw: recipe -> out-of-fold raw log odds of each row, mean over repeats; NaN where a row was never judged.
        losses: recipe -> out-of-fold log loss of each row, NaN likewise; scores of a fold are first put through a
            sigmoid of that fold, two free values each, so order and shape are compared and not the level.
        judged: rows that were judged at least once.
        latest: rows of the latest folds, the later half of them.
        latest_losses: recipe -> mean loss on the latest folds.
    """

    chosen: Recipe
    reason: str
    recipes: dict[str, Recipe]
    tuned_on: int
    raw: dict[str, Floats]
    losses: dict[str, Floats]
    judged: Rows
    latest: Rows
    latest_losses: dict[str, float]

    def for_rows(self, recipe: Recipe, rows: int) -> Recipe:
        """One of the recipes for a fit on so many rows (`settings.for_rows`)."""
        return for_rows(recipe, rows, tuned_on=self.tuned_on)


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
        folds: from `time_folds` or `stratified_folds`; with `order` the later half counts as the latest.
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
    mass = np.ones(y.size) if weights is None else np.asarray(weights, dtype=np.float64)
    names = pd.factorize(np.asarray(groups))[0]
    everything = Lesson(clean_frame(frame, features), y, tuple(features), mass, names, plan.seed, plan.threads)
    with bounded(plan.threads):
        return _Search(everything, tuple(folds), plan, in_time=order is not None).run()


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
    recipe = result.for_rows(result.chosen, y.size)
    fitted = fit_recipe(recipe, frame, y, features, seed, weights, groups=groups, threads=threads)
    judged = result.judged
    choice = choose_calibrator(
        result.raw[result.chosen.name.value][judged],
        y[judged],
        groups=np.arange(judged.size) if groups is None else np.asarray(groups)[judged],
        weights=None if weights is None else np.asarray(weights)[judged],
        seed=seed,
    )
    return resurrection_model(fitted, features, choice.calibrator, background=frame, threads=threads)


def resurrection_model(
    fitted: FittedRecipe,
    features: Sequence[FeatureSpec],
    calibrator: Calibrator,
    *,
    background: pd.DataFrame,
    threads: int,
) -> ResurrectionModel:
    """The plain model of a fitted recipe and its calibrator; contributions are told against the background rows."""
    return flatten(fitted, features=features, calibrator=calibrator, background=background, threads=threads)


def later_half(folds: Sequence[Fold]) -> Rows:
    """Test rows of the later half of some folds in time; of the only one where there is one."""
    return np.concatenate([fold.test for fold in folds[-max(1, len(folds) // 2) :]])


class _Search:
    def __init__(self, table: Lesson, folds: tuple[Fold, ...], plan: SearchPlan, *, in_time: bool) -> None:
        self.table, self.folds, self.plan, self.in_time = table, folds, plan, in_time
        y = table.y
        self.budget = Budget(rows=y.size, events=min(int(y.sum()), int((~y).sum())))

    def run(self) -> SearchResult:
        recipes, scores = self._tuned([name for name in self.plan.recipes if name is not RecipeName.AVERAGE])
        if RecipeName.AVERAGE in self.plan.recipes and len(recipes) > 1:
            average = Recipe(RecipeName.AVERAGE, {}, tuple(recipes.values()))
            parts = list(scores.values())
            recipes[average.name.value] = average
            scores[average.name.value] = [np.mean(of_fold, axis=0) for of_fold in zip(*parts, strict=True)]
        losses = {name: self._by_row(self._losses(found, self.folds)) for name, found in scores.items()}
        judged = np.flatnonzero(np.isfinite(next(iter(losses.values()))))
        latest = later_half(self.folds)
        choice = choose(
            {name: loss[judged] for name, loss in losses.items()},
            self.table.groups[judged],
            latest=np.isin(judged, latest) if self.in_time else None,
        )
        return SearchResult(
            chosen=recipes[choice.name],
            reason=choice.reason,
            recipes=recipes,
            tuned_on=self._tuned_on(),
            raw={name: self._by_row(found) for name, found in scores.items()},
            losses=losses,
            judged=judged,
            latest=latest,
            latest_losses={name: float(loss[latest].mean()) for name, loss in losses.items()},
        )

    def _tuned(self, names: Sequence[RecipeName]) -> tuple[dict[str, Recipe], dict[str, list[Floats]]]:
        """The best setting of every recipe, and its scores of every fold."""
        folds = self._tuning_folds()
        tried = [self._tried(names, fold) for fold in folds]
        recipes: dict[str, Recipe] = {}
        done: dict[int, dict[str, Floats]] = {
            id(fold): {} for fold in folds if fold.train.size <= self.plan.tuning_rows
        }
        for index, name in enumerate(names):
            of_fold = [found[index] for found in tried]
            settings = [recipe for recipe, _ in of_fold[0]]
            losses = [
                np.concatenate(self._losses([found[at][1] for found in of_fold], folds)) for at in range(len(settings))
            ]
            best = self._best(losses, settings, folds)
            recipes[name.value] = settings[best]
            for fold, found in zip(folds, of_fold, strict=True):
                if id(fold) in done:
                    done[id(fold)][name.value] = found[best][1]
        scored = [done[id(fold)] if id(fold) in done else self._scores(recipes, fold) for fold in self.folds]
        return recipes, {name: [one[name] for one in scored] for name in recipes}

    def _tried(self, names: Sequence[RecipeName], fold: Fold) -> list[Tried]:
        """Scores of the test rows of a fold under every setting of every recipe."""
        lesson, test = self._lesson(self._sample(fold.train)), self.table.cleaned.iloc[fold.test]
        wanted = [trials(name, self.budget, lesson, test) for name in names]
        found = iter(side_by_side([one for of_name in wanted for one in of_name], self.plan.threads))
        return [[one for _ in of_name for one in next(found)] for of_name in wanted]

    def _best(self, losses: Sequence[Floats], settings: Sequence[Recipe], folds: Sequence[Fold]) -> int:
        """Index of the setting: the least loss within a shape, a simpler shape where it cannot be told apart."""
        rows = np.concatenate([fold.test for fold in folds])
        latest = np.isin(rows, later_half(folds)) if self.in_time else None
        shapes: dict[str, list[int]] = {}
        for index, recipe in enumerate(settings):
            shapes.setdefault(shape_of(recipe), []).append(index)
        groups = self.table.groups[rows]
        best = {shape: least({str(at): losses[at] for at in found}, groups, latest) for shape, found in shapes.items()}
        chosen = choose({shape: losses[int(at)] for shape, at in best.items()}, groups, latest=latest)
        return int(best[chosen.name])

    def _tuning_folds(self) -> tuple[Fold, ...]:
        """The latest folds in time, else the first ones."""
        most = self.plan.tuning_folds
        return self.folds[-most:] if self.in_time else self.folds[:most]

    def _tuned_on(self) -> int:
        sizes = [min(fold.train.size, self.plan.tuning_rows) for fold in self._tuning_folds()]
        return round(float(np.mean(sizes)))

    def _sample(self, rows: Rows) -> Rows:
        """At most `tuning_rows` rows; whole groups are drawn."""
        if rows.size <= self.plan.tuning_rows:
            return rows
        names = self.table.groups[rows]
        drawn = np.random.default_rng(self.plan.seed).random(int(self.table.groups.max()) + 1)
        kept = drawn[names] <= np.quantile(drawn[names], self.plan.tuning_rows / rows.size)
        return np.asarray(rows[kept], dtype=np.intp)

    def _lesson(self, rows: Rows) -> Lesson:
        table = self.table
        return Lesson(
            cleaned=table.cleaned.iloc[rows],
            y=table.y[rows],
            features=table.features,
            weights=table.weights[rows],
            groups=table.groups[rows],
            seed=table.seed,
            threads=table.threads,
        )

    def _scores(self, recipes: dict[str, Recipe], fold: Fold) -> dict[str, Floats]:
        lesson, test = self._lesson(fold.train), self.table.cleaned.iloc[fold.test]
        tuned_on = self._tuned_on()
        sized = [for_rows(recipe, fold.train.size, tuned_on=tuned_on) for recipe in recipes.values()]
        fitted = fit_all([(recipe, lesson) for recipe in sized])
        return {name: one.decision_function(test) for name, one in zip(recipes, fitted, strict=True)}

    def _losses(self, scores: Sequence[Floats], folds: Sequence[Fold]) -> list[Floats]:
        found = []
        for raw, fold in zip(scores, folds, strict=True):
            outcome = self.table.y[fold.test]
            mass = self.table.weights[fold.test]
            p = fit_sigmoid(raw, outcome, weights=mass).apply(raw)
            found.append(row_log_loss(p, outcome) * mass / mass.mean())
        return found

    def _by_row(self, values: list[Floats]) -> Floats:
        total, times = np.zeros(self.table.y.size), np.zeros(self.table.y.size)
        for value, fold in zip(values, self.folds, strict=True):
            total[fold.test] += value
            times[fold.test] += 1
        return np.where(times > 0, total / np.maximum(times, 1), np.nan)
