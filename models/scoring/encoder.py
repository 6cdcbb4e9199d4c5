"""From a frame, or one described lead, to the matrix that a program reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadInputError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
UNKNOWN = "(unknown)"  # the text that stands for a missing category, as in `models.training.matrix`
TEXT_KINDS = ("category", "text")


@dataclass(frozen=True)
class Encoder:
    """Columns of the matrix: one per feature in their order, then one per bucket of words of a text.

    Attributes:
        names, kinds: of the features.
        categories: feature -> known categories; the code is the position, unknown ones get the length.
        words: feature -> numbers of buckets by which its words are read.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Name of every column."""
        return (*self.names, *(words_column(name, n, at) for name, n, at in self._buckets))

    @cached_property
    def sources(self) -> NDArray[np.intp]:
        """Position of the feature of every column."""
        place = {name: index for index, name in enumerate(self.names)}
        return np.array([*range(len(self.names)), *(place[name] for name, _, _ in self._buckets)], dtype=np.intp)

    @cached_property
    def tables(self) -> list[int]:
        """Known categories of every column, -1 where it holds numbers."""
        sizes = [len(self.categories[name]) if name in self.categories else -1 for name in self.names]
        return sizes + [-1] * len(self._buckets)

    @cached_property
    def _buckets(self) -> list[tuple[str, int, int]]:
        return [(name, n, at) for name, counts in self.words.items() for n in counts for at in range(n)]

    @cached_property
    def _codes(self) -> dict[str, dict[str, int]]:
        return {name: {text: code for code, text in enumerate(known)} for name, known in self.categories.items()}

    @cached_property
    def numbers(self) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Columns of the features that are numbers, and their names."""
        found = [at for at, kind in enumerate(self.kinds) if kind not in TEXT_KINDS]
        return np.array(found, dtype=np.intp), tuple(self.names[at] for at in found)

    @cached_property
    def texts(self) -> tuple[tuple[int, str], ...]:
        """Columns of the features that are words, with their names."""
        return tuple((at, self.names[at]) for at, kind in enumerate(self.kinds) if kind in TEXT_KINDS)

    def code(self, name: str, value: Any) -> float:
        """Code of one value of a category; what was never seen has a code of its own."""
        known = self._codes.get(name, {})
        return float(known.get(_text(value), len(known)))

    def columns(self, frame: pd.DataFrame) -> list[Floats]:
        """Float64 columns, shape (rows,) each: infinite and missing numbers are NaN, categories codes, words 0 or 1.

        Raises:
            BadInputError: a feature is absent.
        """
        absent = [name for name in self.names if name not in frame.columns]
        if absent:
            raise BadInputError(
                f"{len(absent)} features of the model are missing: {', '.join(absent[:5])}.",
                where="features",
                remedy="Rebuild the snapshots, or train a model on the present features.",
            )
        own = [
            self._category(frame[name], name) if kind in TEXT_KINDS else _number(frame[name])
            for name, kind in zip(self.names, self.kinds, strict=True)
        ]
        return own + [column for name, counts in self.words.items() for column in _words(frame[name], counts)]

    def _category(self, series: pd.Series, name: str) -> Floats:
        codes, texts = _texts(series)
        known = self._codes.get(name, {})
        table = np.array([known.get(text, len(known)) for text in texts], dtype=np.float64)
        return table[codes]

    def row(self, values: Mapping[str, Any]) -> Floats:
        """Matrix of one described lead, shape (1, columns); absent features are missing."""
        out = np.zeros((1, len(self.column_names)))
        for index, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True)):
            value = values.get(name)
            out[0, index] = self.code(name, value) if kind in TEXT_KINDS else _plain(value)
        at = len(self.names)
        for name, counts in self.words.items():
            for count in counts:
                out[0, at : at + count] = _bucketed([_text(values.get(name))], count)[0]
                at += count
        return out


def words_column(feature: str, buckets: int, bucket: int) -> str:
    """Name of the column of one bucket of words."""
    return f"{feature}#{bucket} of {buckets}"


def filled(columns: Sequence[Floats], start: int, stop: int) -> Floats:
    """Rows start to stop of some columns as a matrix, shape (stop - start, columns)."""
    out = np.empty((stop - start, len(columns)))
    for index, column in enumerate(columns):
        out[:, index] = column[start:stop]
    return out


def _number(series: pd.Series) -> Floats:
    if series.dtype == np.float64:
        values = series.to_numpy()
    else:
        import pandas as pd

        values = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(values)
    return np.where(infinite, np.nan, values) if infinite.any() else values


def _texts(series: pd.Series) -> tuple[NDArray[np.intp], list[str]]:
    """Code of every row, and the text of every code; the last one stands for missing values, code -1."""
    import pandas as pd

    codes, distinct = pd.factorize(series)
    return codes, [*pd.Series(distinct).astype(str).tolist(), UNKNOWN]


def _words(series: pd.Series, counts: Sequence[int]) -> list[Floats]:
    codes, texts = _texts(series)
    return [column[codes] for count in counts for column in _bucketed(texts, count).T]


def _bucketed(texts: Sequence[str], buckets: int) -> Floats:
    from models.training.codes import coded, fit_words

    return coded(fit_words("", buckets=buckets), np.array(texts, dtype=object))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    missing = value is None or type(value).__name__ in ("NAType", "NaTType") or value != value
    return UNKNOWN if missing else str(value)


def _plain(value: Any) -> float:
    if value is None or (isinstance(value, str) and "_" in value):  # pandas reads no underscores either
        return math.nan
    try:
        number = float(value)
    except (TypeError, ValueError):  # pandas.NA, or no number at all
        return math.nan
    return number if math.isfinite(number) else math.nan
