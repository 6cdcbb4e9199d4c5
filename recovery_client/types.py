"""What goes in and comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Literal


@dataclass(frozen=True)
class Activity:
    """One dated thing of a person; `occurred_at` carries its offset."""

    occurred_at: datetime
    kind: str
    direction: Literal["inbound", "outbound", "internal"]
    actor: str | None = None
    outcome_level: int = 0
    reply_class: str | None = None
    is_machine: bool = False
    observed_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, without what is unknown.

        Raises:
            ValueError: a time without an offset.
        """
        return _known(asdict(self))


@dataclass(frozen=True)
class Event:
    """One new activity of a known person; with an `event_id` it is told once however often it is sent."""

    occurred_at: datetime
    kind: str
    direction: Literal["inbound", "outbound", "internal"]
    event_id: str | None = None
    actor: str | None = None
    outcome_level: int = 0
    reply_class: Literal["auto_reply"] | None = None
    is_machine: bool = False

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, without what is unknown.

        Raises:
            ValueError: a time without an offset.
        """
        return _known(asdict(self))


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError(f"{name} needs a UTC offset")
            found[name] = value.isoformat()
        elif value is not None:
            found[name] = value
    return found


@dataclass(frozen=True)
class Lead:
    """A lead described by its attributes and activities."""

    activities: tuple[Activity, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    colleagues: tuple[Activity, ...] = ()
    ref: str | None = None
    dormant_after_days: int = 30

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        attributes = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in self.attributes.items()}
        return {
            "ref": self.ref,
            "attributes": attributes,
            "activities": [one.to_json() for one in self.activities],
            "colleagues": [one.to_json() for one in self.colleagues],
            "dormant_after_days": self.dormant_after_days,
        }


@dataclass(frozen=True)
class Reason:
    """Why, in words and points."""

    code: str
    words: str
    points: float
    value: str | None


@dataclass(frozen=True)
class Score:
    """A score; `p` is the chance of coming back within the horizon, handled as usual."""

    points: int
    p: float
    tier: str
    score_kind: str
    reasons: tuple[Reason, ...]
    as_of_date: date
    anchor: float
    origin: str
    model_version: str | None
    percentile: float | None
    times_average: float
    person_id: str | None = None
    ref: str | None = None
    warnings: tuple[str, ...] = ()

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Score:
        """From an answer of the API."""
        return Score(
            points=data["points"],
            p=data["p"],
            tier=data["tier"],
            score_kind=data["score_kind"],
            reasons=tuple(
                Reason(**{name: one[name] for name in ("code", "words", "points", "value")}) for one in data["reasons"]
            ),
            as_of_date=date.fromisoformat(data["as_of_date"]),
            anchor=data["anchor"],
            origin=data["origin"],
            model_version=data["model"]["version"],
            percentile=data["percentile"],
            times_average=data["times_average"],
            person_id=data.get("person_id"),
            ref=data.get("ref"),
            warnings=tuple(data.get("warnings", ())),
        )


@dataclass(frozen=True)
class Told:
    """What became of events: how many are new, and the score that knows of them, or why the person has none."""

    new: int
    repeated: int
    score: Score | None
    unscored_reason: str | None

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Told:
        """From an answer of the API."""
        score = None if data["score"] is None else Score.from_json(data["score"])
        return Told(data["new"], data["repeated"], score, data["unscored_reason"])
