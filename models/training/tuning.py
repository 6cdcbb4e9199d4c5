"""Tries the settings of a recipe on one fold: what can be shared between settings is made once."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pandas as pd
from sklearn.linear_model import LogisticRegression

from models.calibration.calibrator import Floats
from models.training.candidates import Recipe, RecipeName
from models.training.fitted import Member
from models.training.fitting import Lesson, fit_trees, is_booster, ridge, telling_pairs
from models.training.settings import ROUNDS, Budget, at_round, boosting_settings, logistic_settings

Tried = list[tuple[Recipe, Floats]]


def try_settings(name: RecipeName, budget: Budget, lesson: Lesson, test: pd.DataFrame) -> Tried:
    """Raw log odds of the test rows under every setting of a recipe, always in the same order.

    Args:
        name: recipe with settings of its own (not the average).
        budget: size of the whole table, so that every fold tries the same settings.
        lesson: rows to learn from.
        test: cleaned rows to score.
    """
    if name is RecipeName.LOGISTIC:
        return list(_linear(budget, lesson, test))
    return list(_trees(name, budget, lesson, test))


def _linear(budget: Budget, lesson: Lesson, test: pd.DataFrame) -> Iterator[tuple[Recipe, Floats]]:
    settings = logistic_settings(budget)
    for knots in sorted({int(recipe.params["knots"]) for recipe in settings}):
        coder, matrix = lesson.linear(knots)
        coded_test = coder.transform(test)
        mains: dict[float, LogisticRegression] = {}  # a shape with products begins from the one without
        for recipe in settings:
            if recipe.params["knots"] != knots:
                continue
            strength = float(recipe.params["C"])
            if strength not in mains:
                mains[strength] = ridge(recipe, matrix, lesson, start=next(reversed(mains.values()), None))
            model = mains[strength]
            pairs = telling_pairs(coder, matrix, model, lesson, int(recipe.params["pairs"]))
            if not len(pairs):
                yield recipe, model.decision_function(coded_test)
                continue
            with_pairs = copy.copy(coder)
            paired = ridge(recipe, with_pairs.add_pairs(matrix, pairs, lesson.weights), lesson, start=model)
            yield recipe, Member(with_pairs, paired).decision_function(test)


def _trees(name: RecipeName, budget: Budget, lesson: Lesson, test: pd.DataFrame) -> Iterator[tuple[Recipe, Floats]]:
    coder, matrix = lesson.trees()
    coded_test = coder.transform(test)
    for setting in boosting_settings(name, budget):
        model = fit_trees(setting, matrix, lesson)
        if is_booster(model):
            for rounds in ROUNDS:
                yield at_round(setting, rounds), model.predict(coded_test, raw_score=True, num_iteration=rounds)
            continue
        for index, raw in enumerate(model.staged_decision_function(coded_test)):
            if index + 1 in ROUNDS:
                yield at_round(setting, index + 1), raw.ravel().copy()
