"""Turns a cleaned frame into the matrix of a recipe; its fitted state is plain lists and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from models.calibration.calibrator import Floats
from models.features import FeatureSpec
from models.training.codes import (
    Code,
    coded,
    columns_of,
    fit_number,
    fit_one_hot,
    fit_plain,
    fit_target,
    fit_words,
    words_of,
)

Basis = Literal["linear", "trees"]
UNIT_KINDS: Final = ("one_hot", "words")  # centred but not scaled, so that a ridge shrinks rare categories most
_MOST_ONE_HOT: Final = {"linear": 40, "trees": 12}
_LEAST_SHARE: Final = 0.002  # where categories are many, rarer ones have too few events to be told apart
_LEAST_ROWS: Final = 10
_CROSS_FITS: Final = 5
_TEXT_WORDS: Final = 3.0  # a column of mostly distinct values with so many words each is text, whatever its type


class TableCoder(BaseEstimator):  # type: ignore[misc]
    """Columns for a linear model (`linear`: curves, marks, scaled, products) or for trees (`trees`: as they are).

    Args:
        basis: `linear` or `trees`.
        knots: knots of a curve, 0 or 3 to 5.
        buckets: columns of a free text.
        seed: of the cross-fitting of target statistics.

    Attributes:
        features_: names of the features read, in order.
        codes_: one code (plain JSON, see `models.training.codes`) per feature.
        means_, scales_: of the coded columns, shape (columns,); 0 and 1 for trees.
        pairs_: columns whose scaled values are multiplied, shape (pairs, 2); products come after the coded columns.
        pair_means_, pair_scales_: of the products, shape (pairs,).
    """

    def __init__(self, basis: Basis = "linear", knots: int = 4, buckets: int = 64, seed: int = 7) -> None:
        self.basis = basis
        self.knots = knots
        self.buckets = buckets
        self.seed = seed

    def fit_transform(
        self, cleaned: pd.DataFrame, specs: Sequence[FeatureSpec], y: NDArray[np.bool_], groups: Any, weights: Floats
    ) -> Floats:
        """Learn the codes, and return the matrix of the training rows.

        A target statistic of a training row comes from rows of other groups (cross-fitted), so no row sees its own
        outcome.
        """
        self.features_ = [spec.name for spec in specs]
        self.codes_: list[Code] = []
        blocks: list[Floats] = []
        part = _parts(groups, seed=self.seed)
        for spec in specs:
            column = cleaned[spec.name].to_numpy()
            code = self._fit_code(spec, column, y, weights)
            self.codes_.append(code)
            blocks.append(
                _cross_fitted(code, column, y, weights, part) if code["kind"] == "target" else coded(code, column)
            )
        matrix = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(cleaned), 0))
        blocks.clear()
        self._fit_scales(matrix, weights)
        self.pairs_ = np.zeros((0, 2), dtype=np.int64)
        self.pair_means_, self.pair_scales_ = np.zeros(0), np.ones(0)
        return self._scaled(matrix)

    def add_pairs(self, matrix: Floats, pairs: NDArray[np.int64], weights: Floats) -> Floats:
        """Learn products of columns of the matrix that `fit_transform` gave, and return it with them."""
        products = matrix[:, pairs[:, 0]] * matrix[:, pairs[:, 1]]
        self.pairs_ = pairs
        self.pair_means_, self.pair_scales_ = _moments(products, weights)
        return np.concatenate([matrix, (products - self.pair_means_) / self.pair_scales_], axis=1)

    def transform(self, cleaned: pd.DataFrame) -> Floats:
        """Matrix of any rows, shape (rows, columns + pairs)."""
        blocks = [coded(code, cleaned[name].to_numpy()) for name, code in zip(self.features_, self.codes_, strict=True)]
        matrix = self._scaled(np.concatenate(blocks, axis=1) if blocks else np.zeros((len(cleaned), 0)))
        if not len(self.pairs_):
            return matrix
        products = matrix[:, self.pairs_[:, 0]] * matrix[:, self.pairs_[:, 1]]
        return np.concatenate([matrix, (products - self.pair_means_) / self.pair_scales_], axis=1)

    @property
    def columns_(self) -> list[str]:
        """Names of the matrix's columns."""
        names = [name for code in self.codes_ for name in columns_of(code)]
        return [*names, *(f"{names[a]} x {names[b]}" for a, b in self.pairs_)]

    @property
    def shares_(self) -> Floats:
        """Share of every matrix column that belongs to each feature, shape (columns, features); rows sum to 1.

        A product belongs half to each of its features.
        """
        sources = np.repeat(np.arange(len(self.codes_)), [len(columns_of(code)) for code in self.codes_])
        single = np.eye(len(self.codes_))[sources]
        if not len(self.pairs_):
            return single
        return np.concatenate([single, 0.5 * (single[self.pairs_[:, 0]] + single[self.pairs_[:, 1]])])

    def _fit_code(self, spec: FeatureSpec, column: NDArray[Any], y: NDArray[np.bool_], weights: Floats) -> Code:
        if spec.kind in ("number", "flag"):
            if self.basis == "trees":
                return fit_plain(spec.name)
            values = np.asarray(column, dtype=np.float64)
            return fit_number(spec.name, values, knots=self.knots if spec.kind == "number" else 0)
        if spec.kind == "text" or looks_like_text(column):
            return fit_words(spec.name, buckets=self.buckets)
        few = _LEAST_ROWS if len(column) > 10 * _LEAST_ROWS else 1
        code = fit_one_hot(spec.name, column, least_rows=few)
        if len(code["values"]) > _MOST_ONE_HOT[self.basis]:
            code = fit_one_hot(spec.name, column, least_rows=max(few, _LEAST_SHARE * len(column)))
        if len(code["values"]) <= _MOST_ONE_HOT[self.basis] and _covered(column, code["values"]) >= 0.5:
            return code
        return fit_target(spec.name, column, y, weights)

    def _fit_scales(self, matrix: Floats, weights: Floats) -> None:
        columns = matrix.shape[1]
        if self.basis == "trees":
            self.means_, self.scales_ = np.zeros(columns), np.ones(columns)
            return
        self.means_, self.scales_ = _moments(matrix, weights)
        unit = np.concatenate([np.full(len(columns_of(code)), code["kind"] in UNIT_KINDS) for code in self.codes_])
        self.scales_[unit] = 1.0

    def _scaled(self, matrix: Floats) -> Floats:
        """The matrix itself, its columns centred and scaled in place: at a million rows a copy is felt."""
        if self.basis != "trees":
            matrix -= self.means_
            matrix /= self.scales_
        return matrix


def looks_like_text(column: NDArray[Any]) -> bool:
    """Whether most values of a column are distinct and hold several words."""
    distinct = pd.unique(column)
    if len(distinct) < 0.5 * len(column) or len(distinct) < 20:
        return False
    some = distinct[:: max(1, len(distinct) // 200)]
    return float(np.mean([len(words_of(str(text))) for text in some])) >= _TEXT_WORDS


def _covered(column: NDArray[Any], values: list[str]) -> float:
    return float(pd.Series(column).isin(values).mean())


def _parts(groups: Any, *, seed: int) -> NDArray[np.intp]:
    """Fifth of each row; rows of one group share it."""
    codes, distinct = pd.factorize(np.asarray(groups), sort=True)
    drawn = np.random.default_rng(seed).permutation(len(distinct)) % _CROSS_FITS
    return np.asarray(drawn[codes], dtype=np.intp)


def _cross_fitted(
    code: Code, column: NDArray[Any], y: NDArray[np.bool_], weights: Floats, part: NDArray[np.intp]
) -> Floats:
    out = np.zeros((len(column), 1))
    for index in range(_CROSS_FITS):
        inside = part == index
        if inside.any() and not inside.all():
            others = fit_target(code["feature"], column[~inside], y[~inside], weights[~inside])
            out[inside] = coded(others, column[inside])
    return out


def _moments(matrix: Floats, weights: Floats) -> tuple[Floats, Floats]:
    total = float(weights.sum())
    means = weights @ matrix / total
    squared = matrix - means
    np.square(squared, out=squared)
    spread = np.sqrt(np.maximum(weights @ squared / total, 0.0))
    return means, np.where(spread > 1e-9, spread, 1.0)
