"""From a frame of snapshots to clean model input; every value that cannot be used is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from contracts.errors import BadInputError
from models.features import FeatureSpec

UNKNOWN: Final = "(unknown)"
SHORT_PANEL: Final = "the panel spans less than a year"
TEXT_KINDS: Final = ("category", "text")
_YEAR_DAYS: Final = 365


@dataclass(frozen=True)
class InputReport:
    """What was found in the input: infinite values by feature, and features dropped with the reason."""

    infinite: dict[str, int]
    dropped: dict[str, str]


def clean_frame(frame: pd.DataFrame, features: Sequence[FeatureSpec]) -> pd.DataFrame:
    """Feature columns alone: numbers and flags as float64 (infinite -> missing), categories as text.

    A missing category becomes `(unknown)`; a missing number stays NaN.

    Raises:
        BadInputError: a feature column is absent.
    """
    absent = [spec.name for spec in features if spec.name not in frame.columns]
    if absent:
        raise BadInputError(
            f"{len(absent)} features are missing from the snapshots: {', '.join(absent[:5])}.",
            where="marts.lead_snapshots",
            remedy="Rebuild the snapshots, or train a model on the present features.",
        )
    columns: dict[str, np.ndarray] = {}
    for spec in features:
        series = frame[spec.name]
        if spec.kind in TEXT_KINDS:
            text = series.astype(object) if _is_text(series) else series.astype(str).astype(object)
            columns[spec.name] = text.where(series.notna(), UNKNOWN).to_numpy(dtype=object)
        else:
            values = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            columns[spec.name] = np.where(np.isfinite(values), values, np.nan)
    return pd.DataFrame(columns, index=frame.index, copy=False)


def _is_text(series: pd.Series) -> bool:
    return pd.api.types.infer_dtype(series, skipna=True) in ("string", "empty")


def infinite_counts(frame: pd.DataFrame, features: Sequence[FeatureSpec]) -> dict[str, int]:
    """Infinite values by feature; features without any are left out."""
    counts: dict[str, int] = {}
    for spec in features:
        if spec.kind in TEXT_KINDS:
            continue
        values = pd.to_numeric(frame[spec.name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        if found := int(np.isinf(values).sum()):
            counts[spec.name] = found
    return counts


def usable_features(
    frame: pd.DataFrame, features: Sequence[FeatureSpec]
) -> tuple[tuple[FeatureSpec, ...], InputReport]:
    """Features that vary in the frame; the others are named with the reason they are dropped."""
    cleaned = clean_frame(frame, features)
    kept: list[FeatureSpec] = []
    dropped: dict[str, str] = {}
    for spec in features:
        values = cleaned[spec.name]
        if spec.kind in TEXT_KINDS:
            distinct, filled = values.nunique(), bool((values != UNKNOWN).any())
        else:
            array = values.to_numpy()
            known = array[~np.isnan(array)]
            filled = known.size > 0
            varies = filled and float(known.min()) != float(known.max())
            distinct = 2 if varies or (filled and known.size < array.size) else 1
        if not filled:
            dropped[spec.name] = "no value in the training rows"
        elif distinct < 2:
            dropped[spec.name] = "the same value in all training rows"
        else:
            kept.append(spec)
    return tuple(kept), InputReport(infinite=infinite_counts(frame, features), dropped=dropped)


def without_calendar(
    features: Sequence[FeatureSpec], report: InputReport, dates: pd.Series
) -> tuple[tuple[FeatureSpec, ...], InputReport]:
    """Features without those of the group `calendar`, unless the training dates span a whole year.

    On a shorter panel the position in the year is known for some months only, and every later date lies outside it.
    """
    if len(dates) and (max(dates) - min(dates)).days >= _YEAR_DAYS:
        return tuple(features), report
    kept = tuple(spec for spec in features if spec.group != "calendar")
    dropped = {spec.name: SHORT_PANEL for spec in features if spec.group == "calendar"}
    return kept, InputReport(infinite=report.infinite, dropped=report.dropped | dropped)
