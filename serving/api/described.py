"""Scores of described leads: the same feature declarations, the same model, the same points and reasons as at night."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.feature_batch import ActivityTable, Column, bits_of, evaluate_many, pack_table
from serving.api.rating import rate
from serving.api.schemas import ActivityIn, LeadIn

if TYPE_CHECKING:
    from serving.api.live import Live

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_OWN_ACT: Final = "the lead has no own activity before the as-of date: a dormant lead has at least one"


def features_of(leads: Sequence[LeadIn], as_of: date) -> dict[str, Column]:
    """Feature columns of some leads, by name, shape (leads,)."""
    return evaluate_many(
        _table([lead.activities for lead in leads]),
        [lead.attributes.raw() for lead in leads],
        as_of,
        colleagues=_table([lead.colleagues for lead in leads]) if any(lead.colleagues for lead in leads) else None,
        dormant_after_days=np.array([lead.dormant_after_days for lead in leads], np.int64),
    )


def score_leads(leads: Sequence[LeadIn], as_of: date, live: Live) -> list[dict[str, Any]]:
    """Answers for some leads, in their order (`schemas.ScoreOut`)."""
    columns = features_of(leads, as_of)
    own_acts = columns["inbound_ever"]
    return [
        {
            "ref": lead.ref,
            "as_of_date": as_of.isoformat(),
            "origin": "described",
            **rated,
            "warnings": [*rated["warnings"], *([] if own_acts[at] >= 1 else [_NO_OWN_ACT])],
        }
        for at, (lead, rated) in enumerate(zip(leads, rate(live, columns), strict=True))
    ]


def _table(groups: Sequence[Sequence[ActivityIn]]) -> ActivityTable:
    every = [one for group in groups for one in group]
    occurred = [_micros(one.occurred_at) for one in every]
    observed = [_micros(one.observed_at) if one.observed_at else at for one, at in zip(every, occurred, strict=True)]
    return pack_table(
        [len(group) for group in groups],
        np.array(occurred, np.int64),
        np.array(observed, np.int64),
        [
            bits_of(one.kind, one.direction, one.who, one.outcome_level, one.reply_class, one.is_machine)
            for one in every
        ],
    )


def _micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC of an aware moment, exact."""
    span = moment - _EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
