"""What is published about a person beside the score: trend, chance and value with intervals, best contact, next step.

Read from published files alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson

from contracts.published import published_dates, published_path, read_manifest
from models.scoring.published import PublishedModel
from recovery.results import wilson

_DAYS_OF_TREND: Final = 14
_PLAN: Final = "campaign_plan"
_TIMING: Final = "lead_timing"
_TREND: Final = ("points", "p", "score_kind")
_ANSWERS: Final = "answers_"
_ALLOWED: Final = "allowed"
_NO_PLAN: Final = "Nothing is planned: the day's plan does not name this person."


def insights_of(
    published: Path, score: dict[str, Any], as_of: date | None, pointer: PublishedModel | None
) -> dict[str, Any]:
    """Everything published about a person, in the shape of `InsightsOut`.

    Args:
        published: root of published datasets.
        score: the person's answer.
        as_of: newest published date.
        pointer: of the model in use; None where rules answer.
    """
    person = score["person_id"]
    dates = [day for day in published_dates(published, "lead_scores") if as_of is None or day <= as_of]
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        trend = [
            {"as_of_date": day.isoformat(), **row}
            for day in dates[-_DAYS_OF_TREND:]
            for row in _rows(connection, published, "lead_scores", day, person, _TREND)
        ]
        plan = None if as_of is None else _first(connection, published, _PLAN, as_of, person)
        timing = None if as_of is None else _first(connection, published, _TIMING, as_of, person)
    contact = None if plan is None else _contact(plan)
    return {
        "score": score,
        "trend": trend,
        "chance": _chance(score, timing or {}, pointer),
        "value": _value(timing or {}),
        "best": None if timing is None else _best(timing, contact),
        "contact": contact,
        "next_step": _NO_PLAN if contact is None else _next_step(contact),
    }


def _chance(score: Mapping[str, Any], timing: Mapping[str, Any], pointer: PublishedModel | None) -> dict[str, Any]:
    low, high = interval_of(score["p"], pointer) if score["score_kind"] == "model" else (None, None)
    names = ("p_return_30d", "p_return_60d", "p_return_90d", "median_days_if_returning")
    horizon = None if pointer is None else pointer.horizon_days
    return {"p": score["p"], "horizon_days": horizon, "low": low, "high": high, **{n: timing.get(n) for n in names}}


def interval_of(p: float, pointer: PublishedModel | None) -> tuple[float | None, float | None]:
    """95 % interval of the rate at which people with such a chance came back on the model's test dates.

    Of the bin whose mean is nearest, what happened beside what was promised, on the scale of `p`.
    """
    bins = () if pointer is None else pointer.reliability
    if not bins:
        return None, None
    promised, observed, rows = min(bins, key=lambda one: abs(one[0] - p))
    low, high = wilson(observed, rows)
    return min(1.0, p * low / promised), min(1.0, p * high / promised)


def _value(timing: Mapping[str, Any]) -> dict[str, Any] | None:
    expected = timing.get("expected_value")
    if expected is None:
        return None
    return {"expected": expected, "low": timing["expected_value_low"], "high": timing["expected_value_high"]}


def _best(timing: Mapping[str, Any], contact: Mapping[str, Any] | None) -> dict[str, Any]:
    answers = {
        name.removeprefix(_ANSWERS): value
        for name, value in timing.items()
        if name.startswith(_ANSWERS) and value is not None
    }
    open_to = [
        name for name in answers if contact is None or str(contact["channels"].get(name, "")).startswith(_ALLOWED)
    ]
    return {
        "channel": max(open_to, key=lambda name: answers[name], default=None),
        "answers": answers,
        "weekday": timing.get("best_weekday"),
        "hour": timing.get("best_hour"),
        "hour_rate": timing.get("best_hour_rate"),
        "hour_basis": timing.get("hour_basis"),
        "hour_reason": timing.get("hour_reason"),
    }


def _contact(plan: Mapping[str, Any]) -> dict[str, Any]:
    names = ("decision", "channel", "reason", "unlock", "not_before", "expires_at")
    return {**{name: plan.get(name) for name in names}, "channels": orjson.loads(plan.get("alternatives") or "{}")}


def _next_step(contact: Mapping[str, Any]) -> str:
    if contact["decision"] == "contacted":
        return (
            f"Contact by {contact['channel']} from {contact['not_before']} to {contact['expires_at']} UTC, as planned."
        )
    if contact["decision"] == "held_out":
        return "None: this person is held out, to measure what contact changes."
    return str(contact["unlock"] or f"None: {str(contact['reason']).replace('_', ' ')}.")


def _first(
    connection: duckdb.DuckDBPyConnection, published: Path, dataset: str, day: date, person: str
) -> dict[str, Any] | None:
    found = _rows(connection, published, dataset, day, person, ())
    return found[0] if found else None


def _rows(
    connection: duckdb.DuckDBPyConnection,
    published: Path,
    dataset: str,
    day: date,
    person: str,
    columns: Sequence[str],
) -> list[dict[str, Any]]:
    if read_manifest(published, dataset=dataset, as_of=day) is None:
        return []
    path = str(published_path(published, dataset=dataset, as_of=day))
    listed = ", ".join(columns) or "*"
    cursor = connection.execute(f"select {listed} from read_parquet(?) where person_id = ?", [path, person])
    names = [column[0] for column in cursor.description or []]
    return [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in cursor.fetchall()]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value != value:
        return None
    return value if isinstance(value, str | int | float | bool | list | dict | type(None)) else str(value)
