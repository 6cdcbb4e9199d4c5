"""Rows outside what the champion learned from, counted without any library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.features import FeatureSpec
from models.training.matrix import UNKNOWN, clean_frame

Ranges = dict[str, dict[str, Any]]


def training_ranges(frame: pd.DataFrame, features: Sequence[FeatureSpec]) -> Ranges:
    """Smallest and largest value of each number, known values of each category; JSON-ready."""
    cleaned = clean_frame(frame, features)
    ranges: Ranges = {}
    for spec in features:
        values = cleaned[spec.name].to_numpy()
        if spec.kind == "category":
            known = sorted(set(pd.unique(values).tolist()) - {UNKNOWN})
            ranges[spec.name] = {"kind": "category", "values": known}
        else:
            numbers = values[~np.isnan(values)]
            low, high = (float(numbers.min()), float(numbers.max())) if numbers.size else (None, None)
            ranges[spec.name] = {"kind": spec.kind, "low": low, "high": high}
    return ranges


def out_of_range(frame: pd.DataFrame, features: Sequence[FeatureSpec], ranges: Ranges) -> tuple[int, dict[str, int]]:
    """Rows with at least one value outside the training range or set, and such values by feature.

    Missing values are no fault. Features without a stored range are left out, and so is the position in the year:
    a new date lies outside the training weeks by nature.
    """
    known = [spec for spec in features if spec.name in ranges and spec.group != "calendar"]
    cleaned = clean_frame(frame, known)
    outside = np.zeros(len(frame), dtype=bool)
    counts: dict[str, int] = {}
    for spec in known:
        found = _outside(cleaned[spec.name].to_numpy(), ranges[spec.name])
        if number := int(found.sum()):
            counts[spec.name] = number
            outside |= found
    return int(outside.sum()), counts


def _outside(values: Any, span: dict[str, Any]) -> Any:
    if span["kind"] == "category":
        return ~np.isin(values.astype(str), [*span["values"], UNKNOWN])
    if span["low"] is None:
        return ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return (values < span["low"]) | (values > span["high"])
