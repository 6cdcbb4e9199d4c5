"""Columns of features to answers: by the model in use, or by the rule scorecard where none is, saying so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from contracts.words import ScoreKind
from models.feature_batch import FeatureTable
from models.features import FEATURES
from models.scoring.described import block_of, contributions_of, raw_of, reasons_of
from models.scoring.points import points_of, tier_of
from models.scoring.scorecard import NAME, Scorecard, prior_card
from models.scoring.scorecard_words import PRIOR_RATE

if TYPE_CHECKING:
    from serving.api.live import Live

BY_RULES: Final = "scored by the rule scorecard, because no model is in use: title, company size and industry alone"


def rate(live: Live, table: FeatureTable) -> list[dict[str, Any]]:
    """Points, chance, percentile, tier and reasons of some leads, in their order (parts of `schemas.ScoreOut`).

    Args:
        live: the published state.
        table: the features of the leads.
    """
    if live.model is None or live.pointer is None:
        return _by_rules(live, table)
    model, pointer = live.model, live.pointer
    block = block_of(model.encoder, table)
    p = model.calibrate(raw_of(model, block))
    points = points_of(p, anchor=pointer.anchor)
    reasons = reasons_of(table, model.features, contributions_of(model, block))
    shared = {
        "score_kind": ScoreKind.MODEL.value,
        "model": {"name": pointer.name, "version": pointer.version},
        "anchor": pointer.anchor,
    }
    return _answers(live, p, points, reasons, shared, [])


def _by_rules(live: Live, features: FeatureTable) -> list[dict[str, Any]]:
    import pandas as pd

    from models.scoring.score import Scorer, score_people

    frame = pd.DataFrame(features.columns())
    rows = len(frame)
    frame["person_id"] = [str(row) for row in range(rows)]
    card, anchor = card_of(live)
    scores = score_people(Scorer(None, card, anchor, FEATURES), frame, reasons_limit=rows)
    back = np.argsort(scores.order)
    table = scores.table.take(back)
    p, points = table["p"].to_numpy(), table["points"].to_numpy()
    shared = {"score_kind": ScoreKind.RULES.value, "model": {"name": NAME, "version": None}, "anchor": anchor}
    why = live.faults.get("model")
    warnings = [BY_RULES if why is None else f"{BY_RULES}; {why}"]
    return _answers(live, p, points, table["reasons"].to_pylist(), shared, warnings)


def card_of(live: Live) -> tuple[Scorecard, float]:
    """Scorecard and anchor of the newest published day; without one the stated prior."""
    facts = live.manifest.facts if live.manifest else {}
    if facts.get("card"):
        return Scorecard.from_dict(facts["card"]), float(facts["anchor"])
    import pandas as pd

    return prior_card(pd.DataFrame()), PRIOR_RATE


def _answers(
    live: Live,
    p: NDArray[np.float64],
    points: NDArray[np.int64],
    reasons: list[list[dict[str, Any]]],
    shared: dict[str, Any],
    warnings: list[str],
) -> list[dict[str, Any]]:
    rows = zip(p.tolist(), points.tolist(), live.people.percentiles(p), reasons, strict=True)
    return [
        {
            "points": shown,
            "p": chance,
            "percent": round(100 * chance, 1),
            "times_average": round(chance / shared["anchor"], 2),
            "percentile": percentile,
            "tier": tier_of(shown),
            "reasons": why,
            **shared,
            "warnings": list(warnings),
        }
        for chance, shown, percentile, why in rows
    ]
