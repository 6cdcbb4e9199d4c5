"""Five signed reasons in words and points, with stable codes (the feature names)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from models.calibration.calibrator import Floats
from models.features import FeatureSpec
from models.scoring.points import POINTS_PER_LOGIT
from models.training.matrix import UNKNOWN, clean_frame

REASONS: Final = 5
REASON_TYPE: Final = pa.list_(
    pa.struct(
        [
            pa.field("code", pa.string()),
            pa.field("words", pa.string()),
            pa.field("points", pa.float64()),
            pa.field("value", pa.string()),
        ]
    )
)


@dataclass(frozen=True)
class Phrase:
    """Words and value of one feature value, as people read them."""

    words: str
    value: str | None


def phrase(spec: FeatureSpec, value: Any) -> Phrase:
    """Words for one value; missing is said to be unknown."""
    return _phrase(spec.name, spec.kind, spec.words, value)


@lru_cache(maxsize=65_536, typed=True)  # whole numbers and few groups come again and again
def _phrase(name: str, kind: str, words: str, value: Any) -> Phrase:
    missing = value is None or value == UNKNOWN or (isinstance(value, float) and math.isnan(value))
    if missing:
        return Phrase(f"{_subject(name)}: unknown", None)
    if kind == "flag":
        answer = "yes" if float(value) >= 0.5 else "no"
        text = words.split("{", 1)[0].rstrip(" :")
        return Phrase(f"{text}: {answer}", answer)
    try:
        said = words.format(value=value)
    except (ValueError, TypeError, KeyError, IndexError):
        said = f"{_subject(name)}: {value}"
    return Phrase(said, value if isinstance(value, str) else f"{float(value):.6g}")


def _subject(name: str) -> str:
    return name.replace("_", " ")


def reasons_table(
    frame: pd.DataFrame, features: Sequence[FeatureSpec], contributions: Floats, *, points: Floats | None = None
) -> pa.Array:
    """Reasons of every row as an Arrow list of structs, strongest first.

    Args:
        frame: rows in the order of `contributions`.
        features: specs in the order of the columns of `contributions`.
        contributions: on the logit scale, shape (rows, features).
        points: points to show instead of contributions turned into points, same shape.
    """
    rows = len(frame)
    count = min(REASONS, len(features))
    if rows == 0 or count == 0:
        return pa.array([[]] * rows, type=REASON_TYPE)
    shown = POINTS_PER_LOGIT * contributions if points is None else points
    strength = np.abs(contributions)
    # A tie goes to the feature declared first: the same input gives the same reasons.
    top = np.argsort(-strength, axis=1, kind="stable")[:, :count]
    cleaned = clean_frame(frame, features)
    codes = np.array([spec.name for spec in features], dtype=object)
    words = np.empty((rows, count), dtype=object)
    values = np.empty((rows, count), dtype=object)
    for index, spec in enumerate(features):
        row, place = np.nonzero(top == index)
        if row.size:
            said, given = _phrases(spec, cleaned[spec.name].to_numpy()[row])
            words[row, place], values[row, place] = said, given
    flat = pa.StructArray.from_arrays(
        [
            pa.array(codes[top].ravel(), pa.string()),
            pa.array(words.ravel(), pa.string()),
            pa.array(np.round(np.take_along_axis(shown, top, axis=1).ravel(), 2), pa.float64()),
            pa.array(values.ravel(), pa.string()),
        ],
        fields=list(REASON_TYPE.value_type),
    )
    return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1) * count, pa.int32()), flat, type=REASON_TYPE)


def _phrases(spec: FeatureSpec, values: Any) -> tuple[Any, Any]:
    """Words and values of many values of one feature; each distinct value is phrased once."""
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    said = [phrase(spec, value) for value in distinct.tolist()]
    words = np.array([one.words for one in said], dtype=object)
    given = np.array([one.value for one in said], dtype=object)
    return words[codes], given[codes]
