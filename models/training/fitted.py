"""A fitted recipe: one or several members, averaged on the logit scale."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from models.calibration.calibrator import Floats
from models.training.table import TableCoder


class BoosterText(BaseEstimator):  # type: ignore[misc]
    """LightGBM trees as the library's own text.

    Args:
        text: `Booster.model_to_string()`; the first tree holds the baseline.
    """

    def __init__(self, text: str = "") -> None:
        self.text = text

    def decision_function(self, matrix: Floats) -> Floats:
        """Sum of the trees, shape (rows,)."""
        return np.asarray(_booster(self.text).predict(matrix, raw_score=True, num_threads=1), dtype=np.float64)

    def contributions(self, matrix: Floats) -> Floats:
        """Contribution of every column, and the baseline last, shape (rows, columns + 1) (TreeSHAP, Lundberg, 2018)."""
        return np.asarray(_booster(self.text).predict(matrix, pred_contrib=True, num_threads=1), dtype=np.float64)


@lru_cache(maxsize=8)
def _booster(text: str) -> Any:
    return lgb.Booster(model_str=text)


class Member(BaseEstimator):  # type: ignore[misc]
    """A coder with the model that reads its matrix.

    Args:
        coder: fitted `TableCoder`.
        model: fitted LogisticRegression, HistGradientBoostingClassifier or `BoosterText`.
    """

    def __init__(self, coder: TableCoder | None = None, model: Any = None) -> None:
        self.coder = coder
        self.model = model

    def decision_function(self, cleaned: pd.DataFrame) -> Floats:
        """Raw log odds, shape (rows,)."""
        if self.coder is None:
            raise AssertionError("a member needs its coder")
        return np.asarray(self.model.decision_function(self.coder.transform(cleaned)), dtype=np.float64)


class FittedRecipe(BaseEstimator):  # type: ignore[misc]
    """What a recipe became on some rows.

    Args:
        recipe: its name.
        members: one `Member`; several for an average.
        shares: weight of each member on the logit scale, shape (members,), summing to 1.
    """

    def __init__(
        self, recipe: str = "", members: list[Member] | None = None, shares: NDArray[np.float64] | None = None
    ) -> None:
        self.recipe = recipe
        self.members = members
        self.shares = shares

    def __sklearn_is_fitted__(self) -> bool:
        return bool(self.members)

    def decision_function(self, cleaned: pd.DataFrame) -> Floats:
        """Raw log odds of a cleaned frame, shape (rows,)."""
        parts = zip(self.members or [], np.asarray(self.shares, dtype=np.float64), strict=True)
        total = np.zeros(len(cleaned))
        for member, share in parts:
            total += share * member.decision_function(cleaned)
        return total
