"""Scores of described leads: the same feature declarations, the same model, the same points and reasons as at night."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.feature_batch import ActivityTable, Column, bits_of, evaluate_many, make_table
from models.scoring.described import block_of, contributions_of, raw_of, reasons_of
from models.scoring.model import ResurrectionModel
from models.scoring.points import points_of, tiers_of
from models.scoring.published import PublishedModel
from serving.api.people import People
from serving.api.schemas import ActivityIn, LeadIn, naive

_NO_OWN_ACT: Final = "the lead has no own activity before the as-of date: a dormant lead has at least one"


def features_of(leads: Sequence[LeadIn], as_of: date) -> dict[str, Column]:
    """Feature columns of some leads, by name, shape (leads,)."""
    return evaluate_many(
        _table([lead.activities for lead in leads]),
        [lead.attributes.raw() for lead in leads],
        as_of,
        colleagues=_table([lead.colleagues for lead in leads]),
        dormant_after_days=np.array([lead.dormant_after_days for lead in leads], np.int64),
    )


def score_leads(
    leads: Sequence[LeadIn],
    as_of: date,
    *,
    model: ResurrectionModel,
    pointer: PublishedModel,
    people: People,
    with_reasons: bool = True,
) -> list[dict[str, Any]]:
    """Answers for some leads, in their order (`schemas.ScoreOut`)."""
    columns = features_of(leads, as_of)
    block = block_of(model.encoder, columns)
    p: NDArray[np.float64] = model.calibrate(raw_of(model, block))
    points = points_of(p, anchor=pointer.anchor)
    tiers = tiers_of(points)
    reasons = reasons_of(columns, model.features, contributions_of(model, block)) if with_reasons else None
    own_acts = columns["inbound_ever"]
    shared = {
        "score_kind": "model",
        "model": {"name": pointer.name, "version": pointer.version},
        "as_of_date": as_of.isoformat(),
        "anchor": pointer.anchor,
        "origin": "described",
    }
    answers = []
    for at, lead in enumerate(leads):
        chance = float(p[at])
        percentile = people.percentile(chance)
        answers.append(
            {
                "ref": lead.ref,
                "points": int(points[at]),
                "p": chance,
                "percent": round(100 * chance, 1),
                "times_average": round(chance / pointer.anchor, 2),
                "percentile": None if percentile != percentile else percentile,
                "tier": str(tiers[at]),
                "reasons": reasons[at] if reasons is not None else [],
                **shared,
                "warnings": [] if own_acts[at] >= 1 else [_NO_OWN_ACT],
            }
        )
    return answers


def _table(groups: Sequence[Sequence[ActivityIn]]) -> ActivityTable:
    every = [one for group in groups for one in group]
    occurred = [naive(one.occurred_at) for one in every]
    return make_table(
        [len(group) for group in groups],
        occurred,
        [naive(one.observed_at) if one.observed_at else at for one, at in zip(every, occurred, strict=True)],
        [
            bits_of(one.kind, one.direction, one.who, one.outcome_level, one.reply_class, one.is_machine)
            for one in every
        ],
    )
