"""Column codes: how one cleaned feature becomes numbers. A code is plain JSON, learned by `fit_*`, applied by `coded`.

`docs/science.md` tells the parameters and the formula of every kind.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration.calibrator import Floats, logit

Code = dict[str, Any]
_KNOTS_AT: Final = {3: (0.1, 0.5, 0.9), 4: (0.05, 0.35, 0.65, 0.95), 5: (0.05, 0.275, 0.5, 0.725, 0.95)}
_HEAVY_SKEW: Final = 1.5  # above this a few rows would steer a straight line
_PRIOR_ROWS: Final = 20.0  # rows by which the rate of a category is drawn to that of all


def fit_plain(feature: str) -> Code:
    """The value as it is; missing stays missing. For trees."""
    return {"kind": "plain", "feature": feature}


def fit_number(feature: str, values: Floats, *, knots: int) -> Code:
    """Natural cubic spline of the value, squeezed by arcsinh where its tail is heavy, with a mark where missing.

    Args:
        feature: name of the column.
        values: shape (rows,), NaN for missing.
        knots: wished number of knots, 0 or 3 to 5; a column with too few distinct values gets none.
    """
    known = values[~np.isnan(values)]
    code: Code = {"kind": "number", "feature": feature, "squeeze": 0.0, "marked": bool(0 < known.size < values.size)}
    if known.size == 0:
        return code | {"low": 0.0, "high": 0.0, "fill": 0.0, "knots": []}
    moved = known[known != 0.0]
    scale = float(np.median(np.abs(moved))) if moved.size else 1.0
    squeezed = np.arcsinh(known / scale)
    if abs(_skew(known)) > _HEAVY_SKEW and abs(_skew(squeezed)) < abs(_skew(known)):
        code["squeeze"], known = scale, squeezed
    places = _knots(known, knots)
    # A trend may go on for as far as it has been seen; beyond that no line is trusted.
    low, high = float(known.min()), float(known.max())
    return code | {
        "low": low - (high - low),
        "high": high + (high - low),
        "fill": float(np.median(known)),
        "knots": places,
    }


def fit_one_hot(feature: str, values: NDArray[Any], *, least_rows: float) -> Code:
    """One column per category with enough rows; rare and unseen ones are zero in all."""
    counts = pd.Series(values).value_counts()
    kept = sorted(str(value) for value, count in counts.items() if count >= least_rows)
    return {"kind": "one_hot", "feature": feature, "values": kept}


def fit_target(feature: str, values: NDArray[Any], y: NDArray[np.bool_], weights: Floats) -> Code:
    """Log odds of each category less those of all rows, shrunk (Micci-Barreca, 2001); 0 for unseen ones."""
    codes, distinct = pd.factorize(values, sort=True)
    rows = np.bincount(codes, weights=weights, minlength=len(distinct))
    events = np.bincount(codes, weights=weights * y, minlength=len(distinct))
    base = float(np.clip((events.sum() + 0.5) / (rows.sum() + 1.0), 1e-9, 1 - 1e-9))
    rate = (events + _PRIOR_ROWS * base) / (rows + _PRIOR_ROWS)
    scores = logit(rate) - float(logit(base))
    return {
        "kind": "target",
        "feature": feature,
        "values": [str(value) for value in distinct],
        "scores": [float(score) for score in scores],
    }


def fit_words(feature: str, *, buckets: int) -> Code:
    """One column per bucket: 1 when a word of the text falls into it (Weinberger et al., 2009)."""
    return {"kind": "words", "feature": feature, "buckets": buckets}


def columns_of(code: Code) -> list[str]:
    """Names of the columns that a code makes, in order."""
    name = str(code["feature"])
    if code["kind"] == "number":
        curves = [f"{name}~curve{index + 1}" for index in range(max(0, len(code["knots"]) - 2))]
        return [name, *curves, *([f"{name}~missing"] if code["marked"] else [])]
    if code["kind"] == "one_hot":
        return [f"{name}={value}" for value in code["values"]]
    if code["kind"] == "words":
        return [f"{name}#{bucket}" for bucket in range(code["buckets"])]
    return [name]


def coded(code: Code, column: NDArray[Any]) -> Floats:
    """Values of a column under a code, shape (rows, columns of the code)."""
    kind = code["kind"]
    if kind == "plain":
        return np.asarray(column, dtype=np.float64)[:, None]
    if kind == "number":
        return _curves(code, np.asarray(column, dtype=np.float64))
    if kind == "words":
        return _buckets(column, int(code["buckets"]))
    places = pd.Index(code["values"], dtype=object).get_indexer(pd.Index(column, dtype=object))
    if kind == "target":
        return np.append(np.asarray(code["scores"], dtype=np.float64), 0.0)[places][:, None]
    out = np.zeros((len(column), len(code["values"])))
    seen = np.flatnonzero(places >= 0)
    out[seen, places[seen]] = 1.0
    return out


def natural_cubic(u: Floats, knots: Sequence[float]) -> Floats:
    """Restricted cubic spline terms beyond the straight line, shape (rows, knots - 2) (Harrell, 2015, 2.4.5)."""
    k = np.asarray(knots, dtype=np.float64)
    span = k[-1] - k[0]
    last, before = k[-1], k[-2]
    third = np.maximum(u - last, 0.0) ** 3
    second = np.maximum(u - before, 0.0) ** 3
    terms = [
        np.maximum(u - knot, 0.0) ** 3
        - second * (last - knot) / (last - before)
        + third * (before - knot) / (last - before)
        for knot in k[:-2]
    ]
    return np.asarray(np.column_stack(terms) / span**2, dtype=np.float64)


def _curves(code: Code, values: Floats) -> Floats:
    missing = np.isnan(values)
    u = np.arcsinh(values / code["squeeze"]) if code["squeeze"] else values
    u = np.clip(np.where(missing, code["fill"], u), code["low"], code["high"])
    parts = [u[:, None]]
    if code["knots"]:
        parts.append(natural_cubic(u, code["knots"]))
    if code["marked"]:
        parts.append(missing[:, None].astype(np.float64))
    return np.concatenate(parts, axis=1)


def _knots(u: Floats, wished: int) -> list[float]:
    if wished == 0:
        return []
    found = np.unique(np.quantile(u, _KNOTS_AT[wished]))
    if found.size < 3:
        # Most rows share one value (no reply, no visit): the curve belongs to the others.
        values, counts = np.unique(u, return_counts=True)
        mode = values[np.argmax(counts)]
        rest = u[u != mode]
        found = np.unique(np.append(np.quantile(rest, (0.25, 0.9)), mode)) if rest.size else found
    gaps = np.diff(found)
    if found.size < 3 or float(gaps.min()) <= 1e-9 * max(1.0, float(np.abs(found).max())):
        return []
    return [float(value) for value in found]


def _skew(values: Floats) -> float:
    centred = values - values.mean()
    spread = float(centred.std())
    if spread < 1e-12 * max(1.0, float(np.abs(values).max())):
        return 0.0
    return float((centred * centred * centred).mean() / spread**3)  # numpy's third power is twenty times as slow


def words_of(text: str) -> set[str]:
    """Distinct lower-case runs of letters and digits."""
    return set("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())


@lru_cache(maxsize=100_000)
def _bucket(word: str, buckets: int) -> int:
    return zlib.crc32(word.encode()) % buckets


def _buckets(column: NDArray[Any], buckets: int) -> Floats:
    codes, distinct = pd.factorize(column)
    table = np.zeros((len(distinct) + 1, buckets))
    for row, text in enumerate(distinct):
        for word in words_of(str(text)):
            table[row, _bucket(word, buckets)] = 1.0
    return np.asarray(table[codes], dtype=np.float64)
