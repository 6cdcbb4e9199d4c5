"""Features of a dormant lead, each declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["number", "flag", "category"]
Group = Literal["recency", "frequency", "trend", "channel", "stage", "firmographics", "spell", "exposure", "calendar"]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature.

    Attributes:
        name: column in `marts.lead_snapshots`; carries its window, as in `replies_last_90d`.
        kind: number (float, null = unknown), flag (0/1) or category (text, null = unknown).
        group: theme; `exposure` is what our people and machines sent.
        description: what one value means, with unit.
        words: sentence for a salesperson, formatted with `value`, e.g. "no reply for {value:.0f} days".
    """

    name: str
    kind: Kind
    group: Group
    description: str
    words: str


FEATURES: Final[tuple[FeatureSpec, ...]] = ()
