"""The same number: everyone's score by the API, known and described, beside the one of the daily job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

import httpx

from contracts.published import read_published
from models.feature_attributes import RAW_ATTRIBUTES

_Acts = dict[str, list[tuple[str, dict[str, Any]]]]
_AT_ONCE: Final = 1_000
_ACT: Final = (
    "occurred_at", "observed_at", "kind", "direction", "actor", "outcome_level", "reply_class", "is_machine",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found.

    Attributes:
        people: scored by the daily job.
        known: largest difference of p for people asked by id.
        described: the same for the same people described by what was published about them.
        other_answers: answers whose points or reasons are not those of the daily job.
    """

    people: int
    known: float
    described: float
    other_answers: int


def compare(client: httpx.Client, published: Path, as_of: date) -> Compared:
    """Ask the API for everyone scored on a date, by id and described.

    Args:
        client: with base address and key.
        published: root of published datasets.
        as_of: the newest published date.
    """
    scores = {
        row["person_id"]: row for row in read_published(published, dataset="lead_scores", as_of=as_of).to_pylist()
    }
    leads = describe(published, as_of)
    people = sorted(scores)
    worst, others = {"known": 0.0, "described": 0.0}, 0
    for start in range(0, len(people), _AT_ONCE):
        some = people[start : start + _AT_ONCE]
        asked: dict[str, dict[str, Any]] = {
            "known": {"person_ids": some},
            "described": {"leads": [leads[person] for person in some], "as_of_date": as_of.isoformat()},
        }
        for how, body in asked.items():
            lines = _lines(client, body)
            if len(lines) != len(some):
                raise ValueError(f"{len(lines)} answers for {len(some)} people")
            for person, line in zip(some, lines, strict=True):
                row = scores[person]
                worst[how] = max(worst[how], abs(line["p"] - row["p"]))
                others += line["points"] != row["points"] or (
                    row["reasons"] is not None and line["reasons"] != row["reasons"]
                )
    return Compared(len(people), worst["known"], worst["described"], others)


def describe(published: Path, as_of: date) -> dict[str, dict[str, Any]]:
    """Bodies of leads by person, from the published histories of a date."""
    acts: _Acts = {}
    before = datetime.combine(as_of, time())
    rows = read_published(published, dataset="lead_histories", as_of=as_of).to_pylist()
    for row in read_published(published, dataset="account_histories", as_of=as_of).to_pylist():
        acts.setdefault(row["account_id"], []).append((row["person_id"], _act(row)))
    return {row["person_id"]: _lead(row, acts, before) for row in rows}


def _lead(row: dict[str, Any], acts: _Acts, before: datetime) -> dict[str, Any]:
    attributes = {name: row[name] for name in RAW_ATTRIBUTES if row[name] is not None}
    if "created_at" in attributes:
        attributes["created_at"] = _moment(attributes["created_at"])
    others = acts.get(row["account_id"], [])
    return {
        "attributes": attributes,
        # Planned meetings lie ahead of the date and do not count yet.
        "activities": [_act(one) for one in row["activities"] if one["occurred_at"] < before],
        "colleagues": [one for person, one in others if person != row["person_id"]],
        "dormant_after_days": row["dormant_after_days"],
    }


def _act(row: dict[str, Any]) -> dict[str, Any]:
    one = {name: row[name] for name in _ACT}
    return one | {"occurred_at": _moment(row["occurred_at"]), "observed_at": _moment(row["observed_at"])}


def _moment(moment: datetime) -> str:
    return moment.replace(tzinfo=UTC).isoformat()


def _lines(client: httpx.Client, body: dict[str, Any]) -> Sequence[dict[str, Any]]:
    answer = client.post("/v1/score/bulk", json=body)
    answer.raise_for_status()
    return [json.loads(line) for line in answer.text.splitlines()]
