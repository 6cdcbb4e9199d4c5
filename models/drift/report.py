"""Evidently's comparison of today's people with the champion's training reference."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from models.features import FeatureSpec
from models.training.matrix import clean_frame

NUMBER_METHOD: Final = "psi"
CATEGORY_METHOD: Final = "psi"
# Population stability index; .25 and more is read as a shifted population in credit scoring (Siddiqi, 2006).
THRESHOLD: Final = 0.25
DRAWN: Final = 12  # Evidently spends a quarter of a second on the picture of one feature
# Everyone's value grows by one a day, so these move ahead of any training data by nature.
AGEING: Final = ("days_since_created", "days_since_first_inbound")
# The position in the year differs from the training weeks by nature.
_EXEMPT_GROUPS: Final = frozenset({"calendar"})


@dataclass(frozen=True)
class DriftResult:
    """Drift by feature.

    Attributes:
        scores: feature -> population stability index against the reference.
        drifted: features at or above the threshold, by name.
        share: share of compared features that drifted; None when nothing was compared.
        html: self-contained report of the features that moved most, at most `DRAWN`.
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
    found = drift_figures(current, reference, features)
    names = sorted(found.scores, key=lambda name: -found.scores[name])[:DRAWN]
    by_name = {spec.name: spec for spec in features}
    most = [by_name[name] for name in names]
    if not most:
        return found
    return replace(found, html=_evidently(clean_frame(current, most), clean_frame(reference, most), most))


def drift_figures(current: pd.DataFrame, reference: pd.DataFrame, features: Sequence[FeatureSpec]) -> DriftResult:
    """The figures of `drift_report` without its page."""
    specs = compared_features(features, reference)
    if len(current) == 0 or len(reference) == 0 or not specs:
        return DriftResult({}, (), None, "")
    now, then = clean_frame(current, specs), clean_frame(reference, specs)
    specs = tuple(spec for spec in specs if _comparable(now[spec.name], then[spec.name]))
    scores = {spec.name: _index(now[spec.name], then[spec.name], spec) for spec in specs}
    drifted = tuple(sorted(name for name, value in scores.items() if value >= THRESHOLD))
    return DriftResult(scores, drifted, len(drifted) / len(scores) if scores else None, "")


def _comparable(now: pd.Series, then: pd.Series) -> bool:
    return bool(now.notna().any()) and bool(then.notna().any())


def _index(now: pd.Series, then: pd.Series, spec: FeatureSpec) -> float:
    """Evidently's population stability index of one feature."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations.stattests import psi_stat_test
        from evidently.legacy.core import ColumnType

        kind = ColumnType.Categorical if spec.kind == "category" else ColumnType.Numerical
        found = psi_stat_test(then.dropna(), now.dropna(), kind, THRESHOLD)
    return float(found.drift_score)


def _evidently(now: pd.DataFrame, then: pd.DataFrame, specs: Sequence[FeatureSpec]) -> str:
    with warnings.catch_warnings():
        # Evidently and its plotting library warn about their own use of pandas and numpy.
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        definition = DataDefinition(
            numerical_columns=[spec.name for spec in specs if spec.kind != "category"],
            categorical_columns=[spec.name for spec in specs if spec.kind == "category"],
        )
        sides = [Dataset.from_pandas(side, data_definition=definition) for side in (now, then)]
        # One metric per feature: Evidently's preset computes and draws each feature twice.
        metrics = [
            ValueDrift(
                column=spec.name,
                method=CATEGORY_METHOD if spec.kind == "category" else NUMBER_METHOD,
                threshold=THRESHOLD,
            )
            for spec in specs
        ]
        html: str = Report(metrics).run(sides[0], sides[1]).get_html_str(as_iframe=False)
    return html
