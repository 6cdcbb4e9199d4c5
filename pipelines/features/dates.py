"""Which as-of dates a day computes, for which share of the people, and by what fingerprint a past date stays valid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import duckdb

from contracts.settings import Settings
from contracts.times import grid_dates
from contracts.words import DEFINITION_VERSION
from pipelines.warehouse import Warehouse

# Share of people that are dormant on a date: measured on the synthetic world, only used to choose the sample.
_DORMANT_SHARE: Final = 0.7
_STATE: Final = "intermediate.snapshot_dates"


@dataclass(frozen=True)
class DatesPlan:
    """What `lead_snapshots` computes in a run.

    Attributes:
        as_of: the run's own date; everyone dormant.
        missing: weekly dates to compute, ascending, without `as_of`.
        full: those of `missing` that were once scored and so hold everyone.
        sample_modulus: a weekly date of the panel takes one person in so many, a power of two; each date others.
        fingerprint: of everything that can change a past date.
    """

    as_of: date
    missing: tuple[date, ...]
    full: tuple[date, ...]
    sample_modulus: int
    fingerprint: str


def sample_modulus(*, people: int, weeks: int, limit: int) -> int:
    """Smallest power of two that keeps people x weeks x the dormant share within `limit` snapshots.

    >>> [sample_modulus(people=people, weeks=26, limit=500_000) for people in (10_000, 1_000_000)]
    [1, 64]
    """
    modulus = 1
    while people * weeks * _DORMANT_SHARE / modulus > limit:
        modulus *= 2
    return modulus


def plan_dates(
    *, as_of: date, weeks: int, done: Mapping[date, tuple[str, bool]], fingerprint: str, modulus: int
) -> DatesPlan:
    """Choose the dates of a run.

    Args:
        as_of: the run's date.
        weeks: weekly dates in the panel.
        done: computed dates with the fingerprint they were computed by and whether they hold everyone.
        fingerprint: what a past date must carry to be kept.
        modulus: sample of the panel.
    """
    stale = {day for day, (made_by, _) in done.items() if made_by != fingerprint and day < as_of}
    wanted = {day for day in grid_dates(as_of, weeks) if day not in done} | stale
    missing = tuple(sorted(wanted - {as_of}))
    full = tuple(day for day in missing if day in done and done[day][1])
    return DatesPlan(as_of=as_of, missing=missing, full=full, sample_modulus=modulus, fingerprint=fingerprint)


def past_fingerprint(connection: duckdb.DuckDBPyConnection, *, as_of: date, code: str, definitions: str) -> str:
    """Fingerprint of what can change a past date: code, definitions, first landings, corrections.

    An ordinary later export cannot: what it adds is observed after every date that was computed before it.
    """
    rows = connection.execute(
        """
        with landings as (
            select *, min(exported_at) over (partition by source, object) as first_exported_at
            from raw.landings
            where not coalesce(is_superseded, false) and exported_at < ?::date::timestamp
        )
        select landing_id
        from landings
        where supersedes is not null or exported_at = first_exported_at
        order by landing_id
        """,
        [as_of],
    ).fetchall()
    return digest(code, definitions, [row[0] for row in rows])


def definitions(settings: Settings) -> dict[str, Any]:
    """Settings that define a snapshot, as dbt variables."""
    return {
        "dormant_after_days": settings.dormant_after_days,
        "market_dormant_after_days": settings.market_dormant_after_days,
        "owner_contact_days": settings.owner_contact_days,
        "horizon_days": settings.horizon_days,
        "label_lag_days": settings.label_lag_days,
        "outcome_level": settings.outcome_level,
        "definition_version": DEFINITION_VERSION,
    }


def variables(plan: DatesPlan, settings: Settings) -> dict[str, Any]:
    """Variables of a dbt run."""
    return definitions(settings) | {
        "as_of_date": plan.as_of.isoformat(),
        "snapshot_dates": [day.isoformat() for day in plan.missing],
        "full_dates": [day.isoformat() for day in plan.full],
        "sample_modulus": plan.sample_modulus,
    }


def read_done(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> dict[date, tuple[str, bool]]:
    """Dates that the warehouse holds, with fingerprint and whether they hold everyone."""
    if not (warehouse.exists(connection, _STATE) and warehouse.exists(connection, "marts.lead_snapshots")):
        return {}
    rows = connection.execute(f"select as_of_date, fingerprint, is_full from {_STATE}").fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def forget(connection: duckdb.DuckDBPyConnection, plan: DatesPlan) -> None:
    """Mark the dates of a plan as not computed, before they are: a killed run computes them again."""
    connection.execute("create schema if not exists intermediate")
    connection.execute(
        f"create table if not exists {_STATE} (as_of_date date primary key, fingerprint varchar, is_full boolean)"
    )
    connection.executemany(f"delete from {_STATE} where as_of_date = ?", [[day] for day in (plan.as_of, *plan.missing)])


def remember(connection: duckdb.DuckDBPyConnection, plan: DatesPlan) -> None:
    """Mark the dates of a plan as computed."""
    rows = [[day, plan.fingerprint, day in plan.full] for day in plan.missing]
    connection.executemany(
        f"insert or replace into {_STATE} values (?, ?, ?)", [*rows, [plan.as_of, plan.fingerprint, True]]
    )


def digest(*parts: Any) -> str:
    """Hex SHA-256 of JSON-ready parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
