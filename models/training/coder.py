"""Codes text categories; rare and unseen ones share one code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from models.calibration.calibrator import Floats


class CategoryCoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Ordinal or one-hot codes of text columns.

    Args:
        one_hot: one column per category instead of one code per column.
        least_share: categories rarer than this share of the rows are not told apart.

    A rare or unseen category gets the code after the last one, or zeros in every column when one-hot.
    """

    def __init__(self, one_hot: bool = False, least_share: float = 0.002) -> None:
        self.one_hot = one_hot
        self.least_share = least_share

    def fit(self, X: pd.DataFrame, y: Any = None) -> CategoryCoder:
        """Learn the categories of every column, in alphabetical order."""
        del y
        least = max(1.0, self.least_share * len(X))
        self.feature_names_in_ = np.array(list(X.columns), dtype=object)
        self.categories_ = []
        for name in X.columns:
            codes, distinct = pd.factorize(X[name].to_numpy())
            counts = np.bincount(codes, minlength=len(distinct))
            self.categories_.append(
                sorted(str(value) for value, count in zip(distinct, counts, strict=True) if count >= least)
            )
        return self

    def transform(self, X: pd.DataFrame) -> Floats:
        """Codes, shape (rows, columns), or ones and zeros, shape (rows, categories)."""
        blocks = [
            self._coded(X[name].to_numpy(), known)
            for name, known in zip(self.feature_names_in_, self.categories_, strict=True)
        ]
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(X), 0))

    def _coded(self, values: NDArray[Any], known: list[str]) -> Floats:
        codes = pd.Index(known, dtype=object).get_indexer(pd.Index(values, dtype=object))
        codes = np.where(codes < 0, len(known), codes)
        if not self.one_hot:
            return codes.astype(np.float64)[:, None]
        return np.vstack([np.eye(len(known)), np.zeros(len(known))])[codes]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the columns made: the feature, or `feature_category` when one-hot."""
        del input_features
        if not self.one_hot:
            return self.feature_names_in_
        names = [
            f"{name}_{value}"
            for name, known in zip(self.feature_names_in_, self.categories_, strict=True)
            for value in known
        ]
        return np.array(names, dtype=object)
