"""What is published about a person beside the score: trend, timing, plan. Read from published files alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb

from contracts.published import published_dates, published_path, read_manifest

_DAYS_OF_TREND: Final = 14
_PLAN: Final = "campaign_plan"
_TIMING: Final = "lead_timing"


def insights_of(published: Path, score: dict[str, Any], as_of: date | None) -> dict[str, Any]:
    """Everything published about a person.

    Args:
        published: root of published datasets.
        score: the person's published answer.
        as_of: its date.

    Returns:
        `score`, `trend` (date and points, oldest first), `timing` and `plan`, each None when the day published none.
    """
    person = score["person_id"]
    dates = [day for day in published_dates(published, "lead_scores") if as_of is None or day <= as_of]
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        trend = [
            {"as_of_date": day.isoformat(), "points": row["points"], "p": row["p"]}
            for day in dates[-_DAYS_OF_TREND:]
            for row in _rows(connection, published, "lead_scores", day, person, ("points", "p"))
        ]
        plan = None if as_of is None else _first(connection, published, _PLAN, as_of, person)
        timing = None if as_of is None else _first(connection, published, _TIMING, as_of, person)
    return {"score": score, "trend": trend, "timing": timing, "plan": plan}


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
