"""Keeps the columns of a wide table that tell something about the outcome or the amount; training rows alone decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.assess.table import Bools, Floats
from models.features import FeatureSpec

MOST_FEATURES: Final = 80
_BINS: Final = 10
_MOST_CODES: Final = 30
_LEAST_ROWS: Final = 30


def screen(
    frame: pd.DataFrame,
    specs: Sequence[FeatureSpec],
    y: Bools,
    weights: Floats,
    *,
    amount: Floats | None = None,
    most: int = MOST_FEATURES,
) -> tuple[FeatureSpec, ...]:
    """The features with the strongest association, in their old order; all of them when they are few.

    The measure is chi-square less its expectation under no association, over its standard deviation: tenths of a
    number, or categories, against the outcome; a fifth of the places goes to columns that tell amounts apart.

    Args:
        frame: the feature columns of the training rows.
        specs: features.
        y, weights: outcome and weight of each row.
        amount: amounts of positives, or None.
        most: features kept.
    """
    if len(specs) <= most:
        return tuple(specs)
    codes = {spec.name: bins_of(frame[spec.name], spec.kind) for spec in specs}
    by_outcome = {name: _strength(code, y.astype(np.float64), weights) for name, code in codes.items()}
    places = most
    kept: set[str] = set()
    if amount is not None and (paid := np.flatnonzero(y & (np.nan_to_num(amount) > 0))).size >= 10 * _LEAST_ROWS:
        size = np.log(np.asarray(amount)[paid])
        by_amount = {name: _strength(code[paid], size, weights[paid]) for name, code in codes.items()}
        kept |= set(sorted(by_amount, key=lambda name: -by_amount[name])[: most // 5])
    ranked = sorted(by_outcome, key=lambda name: (-by_outcome[name], name))
    kept |= set([name for name in ranked if name not in kept][: places - len(kept)])
    return tuple(spec for spec in specs if spec.name in kept)


def bins_of(column: pd.Series, kind: str) -> NDArray[np.intp]:
    """Code of each row: tenths of a number or the common categories; missing and rare ones have codes of their own."""
    if kind in ("category", "text"):
        codes, distinct = pd.factorize(column.to_numpy(dtype=object))
        counts = np.bincount(codes[codes >= 0], minlength=max(len(distinct), 1))
        order = np.argsort(-counts, kind="stable")[:_MOST_CODES]
        place = np.full(counts.size + 1, 1, dtype=np.intp)
        place[order] = np.arange(order.size) + 2
        return np.where(codes < 0, 0, place[codes])
    values = column.to_numpy(dtype=np.float64)
    missing = np.isnan(values)
    if missing.all():
        return np.zeros(values.size, dtype=np.intp)
    edges = np.unique(np.quantile(values[~missing], np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.where(missing, 0, np.searchsorted(edges, values, side="left") + 1)


def _strength(codes: NDArray[Any], target: Floats, weights: Floats) -> float:
    """Between-bin variation of a target, as a standardised chi-square."""
    rows = np.bincount(codes)
    mass = np.bincount(codes, weights=weights)
    sums = np.bincount(codes, weights=weights * target)
    squares = np.bincount(codes, weights=weights**2)
    used = rows >= _LEAST_ROWS
    if int(used.sum()) < 2:
        return -np.inf
    mean = float(np.average(target, weights=weights))
    variance = float(np.average((target - mean) ** 2, weights=weights))
    if variance <= 0:
        return -np.inf
    chi = float((((sums - mass * mean) ** 2)[used] / (variance * squares[used])).sum())
    freedom = int(used.sum()) - 1
    return (chi - freedom) / float(np.sqrt(2.0 * freedom))
