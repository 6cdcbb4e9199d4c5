"""Tries the settings of a recipe on one fold: what can be shared between settings is made once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd
from sklearn.linear_model import LogisticRegression

from models.calibration.calibrator import Floats
from models.training.candidates import Recipe, RecipeName
from models.training.fitted import Member
from models.training.fitting import Lesson, fit_trees, is_booster, ridge, telling_pairs
from models.training.settings import ROUNDS, Budget, at_round, boosting_settings, logistic_settings

Tried = list[tuple[Recipe, Floats]]
Trial = Callable[[], Tried]


def trials(name: RecipeName, budget: Budget, lesson: Lesson, test: pd.DataFrame) -> list[Trial]:
    """Independent calls that together try every setting of a recipe, always the same ones in the same order.

    Each returns settings with the raw log odds that they give the test rows.

    Args:
        name: recipe with settings of its own (not the average).
        budget: size of the whole table, so that every fold tries the same settings.
        lesson: rows to learn from.
        test: cleaned rows to score.
    """
    if name is not RecipeName.LOGISTIC:
        return [partial(_boosted, setting, lesson, test) for setting in boosting_settings(name, budget)]
    by_knots: dict[int, list[Recipe]] = {}
    for recipe in logistic_settings(budget):
        by_knots.setdefault(int(recipe.params["knots"]), []).append(recipe)
    return [partial(_linear, knots, settings, lesson, test) for knots, settings in by_knots.items()]


def _linear(knots: int, settings: Sequence[Recipe], lesson: Lesson, test: pd.DataFrame) -> Tried:
    coder, matrix = lesson.linear(knots)
    coded_test = coder.transform(test)
    mains: dict[float, LogisticRegression] = {}  # a shape with products begins from the one without
    tried: Tried = []
    for recipe in settings:
        strength = float(recipe.params["C"])
        if strength not in mains:
            mains[strength] = ridge(recipe, matrix, lesson, start=next(reversed(mains.values()), None))
        model = mains[strength]
        pairs = telling_pairs(coder, matrix, model, lesson, int(recipe.params["pairs"]))
        if not len(pairs):
            tried.append((recipe, model.decision_function(coded_test)))
            continue
        with_pairs = copy.copy(coder)
        paired = ridge(recipe, with_pairs.add_pairs(matrix, pairs, lesson.weights), lesson, start=model)
        tried.append((recipe, Member(with_pairs, paired).decision_function(test)))
    return tried


def _boosted(setting: Recipe, lesson: Lesson, test: pd.DataFrame) -> Tried:
    coder, matrix = lesson.trees()
    coded_test = coder.transform(test)
    model = fit_trees(setting, matrix, lesson)
    if is_booster(model):
        return [
            (at_round(setting, rounds), model.predict(coded_test, raw_score=True, num_iteration=rounds))
            for rounds in ROUNDS
        ]
    staged = enumerate(model.staged_decision_function(coded_test), start=1)
    return [(at_round(setting, rounds), raw.ravel().copy()) for rounds, raw in staged if rounds in ROUNDS]
