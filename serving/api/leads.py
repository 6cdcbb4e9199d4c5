"""Described leads as columns: what the features are computed from, however the request was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.feature_batch import ActivityTable, bits_of, pack_table
from serving.api.schemas import ActivityIn, LeadIn

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Leads:
    """Described leads, in the order of the request.

    Attributes:
        refs: what comes back in the answers.
        attributes: raw stable attributes of each lead (`feature_attributes.RAW_ATTRIBUTES`), times naive UTC.
        own: activities of each lead.
        colleagues: activities of the other people of each lead's account; None when nobody states any.
        dormant_after_days: int64, shape (leads,).
    """

    refs: Sequence[str | None]
    attributes: Sequence[dict[str, Any]]
    own: ActivityTable
    colleagues: ActivityTable | None
    dormant_after_days: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.refs)


def leads_of(described: Sequence[LeadIn]) -> Leads:
    """Columns of checked leads."""
    has_colleagues = any(lead.colleagues for lead in described)
    return Leads(
        refs=[lead.ref for lead in described],
        attributes=[lead.attributes.raw() for lead in described],
        own=_table([lead.activities for lead in described]),
        colleagues=_table([lead.colleagues for lead in described]) if has_colleagues else None,
        dormant_after_days=np.array([lead.dormant_after_days for lead in described], np.int64),
    )


def _table(groups: Sequence[Sequence[ActivityIn]]) -> ActivityTable:
    every = [one for group in groups for one in group]
    occurred = [micros_of(one.occurred_at) for one in every]
    observed = [micros_of(one.observed_at) if one.observed_at else at for one, at in zip(every, occurred, strict=True)]
    return pack_table(
        [len(group) for group in groups],
        np.array(occurred, np.int64),
        np.array(observed, np.int64),
        [
            bits_of(one.kind, one.direction, one.who, one.outcome_level, one.reply_class, one.is_machine)
            for one in every
        ],
    )


def micros_of(moment: datetime) -> int:
    """Microseconds since 1970 UTC of an aware moment, exact."""
    span = moment - EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
