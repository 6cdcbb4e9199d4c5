"""Scores of described leads: the same feature declarations, the same model, the same points and reasons as at night."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from models.feature_batch import FeatureTable, evaluate_table
from serving.api.leads import Leads
from serving.api.rating import rate

if TYPE_CHECKING:
    from serving.api.live import Live

_NO_OWN_ACT: Final = "the lead has no own activity before the as-of date: a dormant lead has at least one"


def features_of(leads: Leads, as_of: date) -> FeatureTable:
    """Every feature of some leads."""
    return evaluate_table(
        leads.own, leads.attributes, as_of, colleagues=leads.colleagues, dormant_after_days=leads.dormant_after_days
    )


def score_leads(leads: Leads, as_of: date, live: Live) -> list[dict[str, Any]]:
    """Answers for some leads, in their order (`schemas.ScoreOut`)."""
    table = features_of(leads, as_of)
    own_acts = table.number("inbound_ever").tolist()
    day = as_of.isoformat()
    answers = []
    for ref, acts, rated in zip(leads.refs, own_acts, rate(live, table), strict=True):
        if acts < 1:
            rated["warnings"].append(_NO_OWN_ACT)
        answers.append({"ref": ref, "as_of_date": day, "origin": "described", **rated})
    return answers
