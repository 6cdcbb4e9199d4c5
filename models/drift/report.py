"""Evidently's comparison of today's people with the champion's training reference."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from models.features import FeatureSpec
from models.training.matrix import UNKNOWN, clean_frame

NUMBER_METHOD: Final = "psi"
CATEGORY_METHOD: Final = "psi"
# Population stability index; .25 and more is read as a shifted population in credit scoring (Siddiqi, 2006).
THRESHOLD: Final = 0.25
# The position in the year differs from the training weeks by nature.
_EXEMPT_GROUPS: Final = frozenset({"calendar"})


@dataclass(frozen=True)
class DriftResult:
    """Drift by feature.

    Attributes:
        scores: feature -> population stability index against the reference.
        drifted: features at or above the threshold, by name.
        share: share of compared features that drifted; None when nothing was compared.
        html: self-contained report.
    """

    scores: dict[str, float]
    drifted: tuple[str, ...]
    share: float | None
    html: str


def sample_rows(rows: int, most: int) -> Any:
    """Evenly spaced row numbers, at most `most`."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(int)) if rows else np.zeros(0, dtype=int)


def compared_features(features: Sequence[FeatureSpec], reference: pd.DataFrame) -> tuple[FeatureSpec, ...]:
    """Features that the reference holds and that may be compared over time."""
    return tuple(spec for spec in features if spec.name in reference.columns and spec.group not in _EXEMPT_GROUPS)


def drift_report(current: pd.DataFrame, reference: pd.DataFrame, features: Sequence[FeatureSpec]) -> DriftResult:
    """Compare two frames feature by feature.

    Args:
        current: today's rows.
        reference: rows the champion learned from.
        features: features to compare; those outside the reference are left out.

    Returns:
        An empty result when either side has no rows.
    """
    specs = compared_features(features, reference)
    if len(current) == 0 or len(reference) == 0 or not specs:
        return DriftResult({}, (), None, "")
    now, then = clean_frame(current, specs), clean_frame(reference, specs)
    specs = tuple(spec for spec in specs if _comparable(now[spec.name], then[spec.name]))
    names = [spec.name for spec in specs]
    scores, html = _evidently(now[names], then[names], specs)
    drifted = tuple(sorted(name for name, value in scores.items() if value >= THRESHOLD))
    return DriftResult(scores, drifted, len(drifted) / len(scores) if scores else None, html)


def _comparable(now: pd.Series, then: pd.Series) -> bool:
    return bool(now.notna().any()) and bool(then.notna().any())


def _evidently(now: pd.DataFrame, then: pd.DataFrame, specs: Sequence[FeatureSpec]) -> tuple[dict[str, float], str]:
    with warnings.catch_warnings():
        # Evidently and its plotting library warn about their own use of pandas and numpy.
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        definition = DataDefinition(
            numerical_columns=[spec.name for spec in specs if spec.kind != "category"],
            categorical_columns=[spec.name for spec in specs if spec.kind == "category"],
        )
        sides = [Dataset.from_pandas(_plain(side), data_definition=definition) for side in (now, then)]
        # One metric per feature: Evidently's preset computes and draws each feature twice.
        metrics = [
            ValueDrift(
                column=spec.name,
                method=CATEGORY_METHOD if spec.kind == "category" else NUMBER_METHOD,
                threshold=THRESHOLD,
            )
            for spec in specs
        ]
        snapshot = Report(metrics).run(sides[0], sides[1])
        scores = _scores(snapshot.dict())
        html = snapshot.get_html_str(as_iframe=False)
    return scores, html


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.fillna({name: UNKNOWN for name in frame.columns if frame[name].dtype == object})


def _scores(found: dict[str, Any]) -> dict[str, float]:
    """Value per column of Evidently's `ValueDrift` metrics."""
    scores = {}
    for metric in found["metrics"]:
        config = metric.get("config", {})
        if config.get("type", "").endswith("ValueDrift"):
            scores[config["column"]] = float(metric["value"])
    return dict(sorted(scores.items()))
