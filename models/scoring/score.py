"""Scores people: p, points, percentile, tier and reasons, in the order in which they are to be worked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from contracts.words import ScoreKind
from models.calibration.calibrator import Floats
from models.features import FeatureSpec
from models.scoring.model import ResurrectionModel
from models.scoring.points import percentiles_of, points_of, ranking, tiers_of
from models.scoring.reasons import REASON_TYPE, reasons_table
from models.scoring.scorecard import FEATURE_NAMES, Scorecard, card_points, card_score

SCORE_COLUMNS: Final = ("p", "points", "percentile", "tier", "reasons", "raw")


@dataclass(frozen=True)
class Scorer:
    """What scores a day: a model with its anchor, or the scorecard.

    Attributes:
        model: None for the scorecard.
        card: the scorecard, used when there is no model.
        anchor: base rate at which a model's 50 points stand.
        features: specs by which the card's reasons are worded; a model brings its own.
    """

    model: ResurrectionModel | None
    card: Scorecard
    anchor: float
    features: tuple[FeatureSpec, ...]

    @property
    def kind(self) -> ScoreKind:
        """`model` or `rules`."""
        return ScoreKind.RULES if self.model is None else ScoreKind.MODEL


@dataclass(frozen=True)
class Scores:
    """Scores in ranking order.

    Attributes:
        order: row numbers of the input, best first.
        table: p, points, percentile, tier, reasons, raw of the rows in that order.
        reasons_for: people with written reasons.
    """

    order: Any
    table: pa.Table
    reasons_for: int


def score_people(scorer: Scorer, frame: pd.DataFrame, *, reasons_limit: int) -> Scores:
    """Score everyone in a frame.

    Args:
        scorer: model or scorecard.
        frame: person_id and the feature columns, one row per person.
        reasons_limit: reasons are written for so many people from the top; the others carry null.

    Returns:
        Points of the scorecard are its own 1-100; those of a model stand around the anchor.
    """
    if scorer.model is None:
        raw = card_score(frame)
        p = scorer.card.p(raw)
        points = np.rint(raw).astype(np.int64)
    else:
        raw = scorer.model.raw(frame)
        p = scorer.model.calibrate(raw)
        points = points_of(p, anchor=scorer.anchor)
    order = ranking(p, raw, frame["person_id"].to_numpy(dtype=object))
    told = min(reasons_limit, len(frame))
    reasons = _reasons(scorer, frame.iloc[order[:told]].reset_index(drop=True))
    rest = pa.nulls(len(frame) - told, type=REASON_TYPE)
    table = pa.table(
        {
            "p": pa.array(p[order], pa.float64()),
            "points": pa.array(points[order], pa.int64()),
            "percentile": pa.array(percentiles_of(p)[order], pa.float64()),
            "tier": pa.array(tiers_of(points)[order].tolist(), pa.string()),
            "reasons": pa.chunked_array([reasons, rest], type=REASON_TYPE),
            "raw": pa.array(raw[order], pa.float64()),
        }
    )
    return Scores(order, table, told)


def _reasons(scorer: Scorer, top: pd.DataFrame) -> pa.Array:
    if scorer.model is None:
        specs = tuple(spec for name in FEATURE_NAMES for spec in scorer.features if spec.name == name)
        columns = [FEATURE_NAMES.index(spec.name) for spec in specs]
        contributions, _ = scorer.card.contributions(top)
        points: Floats = card_points(top)
        # With a flat card (slope 0) the points themselves say what counts.
        strength = contributions if scorer.card.slope > 0 else points
        return reasons_table(top, specs, strength[:, columns], points=points[:, columns])
    contributions, _, _ = scorer.model.contributions(top)
    return reasons_table(top, scorer.model.features, contributions)
