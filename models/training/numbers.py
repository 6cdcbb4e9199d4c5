"""Prepares numbers for a linear model: squeezed, imputed, marked where missing, scaled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from models.calibration.calibrator import Floats


class NumberCoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """arcsinh, median for missing, one mark per column that had missing values, then mean 0 and deviation 1.

    arcsinh is linear near zero and logarithmic in the tails: counts and money keep their order and lose their pull.
    A column without any value becomes zeros.
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> NumberCoder:
        """Learn medians, marks, means and deviations of every column."""
        del y
        self.feature_names_in_ = np.array(list(X.columns), dtype=object)
        medians, marked = [], []
        for name in X.columns:
            values = np.asarray(X[name].to_numpy(), dtype=np.float64)
            known = values[~np.isnan(values)]
            medians.append(float(np.median(np.arcsinh(known))) if known.size else 0.0)
            marked.append(0 < known.size < values.size)
        self.medians_ = np.array(medians)
        self.marked_ = np.flatnonzero(marked)
        columns = len(medians) + len(self.marked_)
        self.means_, self.scales_ = np.zeros(columns), np.ones(columns)
        prepared = self.transform(X)
        spread = prepared.std(axis=0)
        self.means_ = prepared.mean(axis=0)
        self.scales_ = np.where(spread > 1e-12, spread, 1.0)
        return self

    def transform(self, X: pd.DataFrame) -> Floats:
        """Prepared columns, then the marks, shape (rows, columns + marks)."""
        names = list(self.feature_names_in_)
        out = np.empty((len(X), len(names) + len(self.marked_)))
        place = {int(column): len(names) + index for index, column in enumerate(self.marked_)}
        for index, name in enumerate(names):
            values = np.asarray(X[name].to_numpy(), dtype=np.float64)
            missing = np.isnan(values)
            squeezed = np.where(missing, self.medians_[index], np.arcsinh(values))
            out[:, index] = (squeezed - self.means_[index]) / self.scales_[index]
            if index in place:
                at = place[index]
                out[:, at] = (missing - self.means_[at]) / self.scales_[at]
        return out

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Feature names, then `missingindicator_<feature>`."""
        del input_features
        marks = [f"missingindicator_{self.feature_names_in_[index]}" for index in self.marked_]
        return np.array([*self.feature_names_in_, *marks], dtype=object)
