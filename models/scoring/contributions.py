"""Exact additive contributions of a fitted pipeline on its raw logit scale, by source feature.

Linear models: coefficient times distance from the training mean. Boosted trees: path-dependent contributions
(Saabas, 2014): along the path of a row, each split passes the change of the expected value to its feature.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.linear_model import LogisticRegression

from models.calibration.calibrator import Floats
from models.training.fitted import BoosterText, FittedRecipe, Member

_ROWS_AT_ONCE: Final = 2_048  # a block of contributions stays in the processor's cache
_NO_CATEGORIES: Final = np.zeros((0, 8), dtype=np.uint32)
_NO_FEATURES: Final = np.zeros(0, dtype=np.uint32)


def recipe_contributions(fitted: FittedRecipe, cleaned: pd.DataFrame, *, threads: int) -> tuple[Floats, float]:
    """Contributions, shape (rows, features), and the baseline of a fitted recipe; members weigh as in its score."""
    total, baseline = np.zeros((len(cleaned), cleaned.shape[1])), 0.0
    for member, share in zip(fitted.members or [], np.asarray(fitted.shares), strict=True):
        values, base = _member_contributions(member, cleaned, threads)
        total += float(share) * values
        baseline += float(share) * base
    return total, baseline


def _member_contributions(member: Member, cleaned: pd.DataFrame, threads: int) -> tuple[Floats, float]:
    coder, model = member.coder, member.model
    if coder is None:
        raise AssertionError("a member needs its coder")
    matrix, shares = coder.transform(cleaned), coder.shares_
    if isinstance(model, LogisticRegression):
        # The columns are centred on the training rows, so the intercept is the average person.
        return (matrix * model.coef_[0]) @ shares, float(model.intercept_[0])
    if isinstance(model, BoosterText):
        values = model.contributions(matrix)
        return values[:, :-1] @ shares, float(values[0, -1]) if len(values) else 0.0
    values, baseline = _boosted(model, matrix, np.arange(matrix.shape[1]), matrix.shape[1], threads)
    return values @ shares, baseline


def _boosted(
    model: Any, matrix: Floats, sources: NDArray[np.intp], features: int, threads: int
) -> tuple[Floats, float]:
    matrix = np.ascontiguousarray(matrix, dtype=np.float64)
    baseline = float(np.ravel(model._baseline_prediction)[0])
    trees = []
    for (predictor,) in model._predictors:
        root, by_leaf, used = _leaf_table(predictor.nodes)
        baseline += root
        trees.append((_leaf_finder(predictor.nodes), by_leaf, sources[used]))
    total = np.zeros((len(matrix), features))
    for start in range(0, len(matrix), _ROWS_AT_ONCE):
        rows = matrix[start : start + _ROWS_AT_ONCE]
        block = np.zeros((features, rows.shape[0]))
        for finder, by_leaf, used in trees:
            leaves = finder.predict(rows, _NO_CATEGORIES, _NO_FEATURES, threads).astype(np.intp)
            for index, feature in enumerate(used):
                block[feature] += by_leaf[index, leaves]
        total[start : start + _ROWS_AT_ONCE] = block.T
    return total, baseline


def _leaf_finder(nodes: NDArray[Any]) -> Any:
    """The same tree, but every leaf answers with its own node number."""
    numbered = nodes.copy()
    numbered["value"] = np.arange(len(nodes))
    return TreePredictor(numbered, _NO_CATEGORIES, _NO_CATEGORIES)


def _leaf_table(nodes: NDArray[Any]) -> tuple[float, Floats, NDArray[np.intp]]:
    """Expected value at the root, contributions by (used feature, node), and the prepared columns used."""
    expected = nodes["value"].astype(np.float64).copy()
    # Children come after their parent, so walking backwards sees them first.
    for node in range(len(nodes) - 1, -1, -1):
        if not nodes["is_leaf"][node]:
            left, right = int(nodes["left"][node]), int(nodes["right"][node])
            n_left, n_right = float(nodes["count"][left]), float(nodes["count"][right])
            expected[node] = (n_left * expected[left] + n_right * expected[right]) / (n_left + n_right)
    inner = ~nodes["is_leaf"].astype(bool)
    used = np.unique(nodes["feature_idx"][inner]).astype(np.intp)
    place = {int(column): index for index, column in enumerate(used)}
    table = np.zeros((len(used), len(nodes)))
    for node in np.flatnonzero(inner).tolist():
        index = place[int(nodes["feature_idx"][node])]
        for child in (int(nodes["left"][node]), int(nodes["right"][node])):
            table[:, child] = table[:, node]
            table[index, child] += expected[child] - expected[node]
    return float(expected[0]), table, used
