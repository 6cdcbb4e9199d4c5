"""Reads the training panel, its fingerprint and its dates from the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from contracts.published import arrow
from contracts.times import grid_dates
from models.features import FeatureSpec
from models.training.fingerprint import fingerprint
from models.training.slices import plan_slices
from pipelines.warehouse import Warehouse

TABLES = ("marts.lead_snapshots", "marts.lead_labels")


@dataclass(frozen=True)
class PanelRequest:
    """Which rows are training rows on a date.

    Attributes:
        as_of: only outcomes fully observed by this date count.
        weeks: weekly as-of dates to look back.
        horizon_days: label window, and gap between slices.
        features: columns to read.
    """

    as_of: date
    weeks: int
    horizon_days: int
    features: tuple[FeatureSpec, ...]


_MATURE = """
from marts.lead_snapshots as s
join marts.lead_labels as l on l.as_of_date = s.as_of_date and l.person_id = s.person_id
where
    l.censored_at is null
    and l.is_reactivated is not null
    and l.label_observed_until <= cast(? as date)
    and s.as_of_date in (select unnest(cast(? as date[])))
"""
_PANEL = _MATURE + "    and s.is_training\n"

# The lowest bit of the hash by which the panel is sampled: who stays in every week has the high ones.
_HASH = "try_cast('0x' || left(s.person_id, 8) as bigint)"
_STAYS = f"({_HASH} & (-{_HASH}))"


def _bound(request: PanelRequest) -> list[Any]:
    return [request.as_of, list(grid_dates(request.as_of, request.weeks))]


def has_panel(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the tables of snapshots and labels exist."""
    return all(warehouse.exists(connection, table) for table in TABLES)


def panel_fingerprint(connection: duckdb.DuckDBPyConnection, request: PanelRequest) -> str:
    """Fingerprint of the training rows: independent of their order and of where they are stored."""
    columns = ", ".join(f"s.{spec.name}" for spec in request.features)
    row = connection.execute(
        f"""
        select count(*), sum(cast(h as hugeint)), bit_xor(h)
        from (
            select hash(s.as_of_date, s.person_id, s.account_id, l.is_reactivated, l.first_event_at, {columns}) as h
            {_PANEL}
        )
        """,
        _bound(request),
    ).fetchone()
    names = [spec.name for spec in request.features]
    return fingerprint(rows=[str(value) for value in row or ()], features=names, horizon=request.horizon_days)


def panel_dates(connection: duckdb.DuckDBPyConnection, request: PanelRequest, *, digest: str) -> pa.Table:
    """One row per weekly date of the panel: its slice, rows, people, returns, and the panel's fingerprint."""
    dates = connection.execute(f"select distinct s.as_of_date {_PANEL}", _bound(request)).fetchall()
    slices = plan_slices([row[0] for row in dates], horizon_days=request.horizon_days)
    named: dict[date, str] = {}
    if slices is not None:
        for name in ("train", "calibrate", "test"):
            named |= dict.fromkeys(getattr(slices, name), name)
    listed = pa.table({"day": pa.array(list(named), pa.date32()), "slice": pa.array(list(named.values()), pa.string())})
    connection.register("panel_slices", listed)
    table = arrow(
        connection,
        f"""
        select
            cast(? as date) as as_of_date,
            s.as_of_date as snapshot_date,
            coalesce(max(p.slice), 'gap') as slice,
            count(*) as snapshots,
            count(distinct s.person_id) as people,
            count(*) filter (where l.is_reactivated) as reactivated,
            cast(? as varchar) as fingerprint
        {_PANEL.replace("where", "left join panel_slices as p on p.day = s.as_of_date where", 1)}
        group by s.as_of_date
        order by s.as_of_date
        """,
        [request.as_of, digest, *_bound(request)],
    )
    connection.unregister("panel_slices")
    return table


def read_panel(
    connection: duckdb.DuckDBPyConnection, request: PanelRequest, *, people: int | None = None
) -> pd.DataFrame:
    """Training rows ordered by date and person: keys, y, event_at and the features.

    With `people`, every weekly row of so many of them, always the same, also those that are not for training.
    """
    columns = ", ".join(f"s.{spec.name}" for spec in request.features)
    order = f"{_STAYS} desc, hash(s.person_id), s.person_id"
    kept = "" if people is None else f"qualify dense_rank() over (order by {order}) <= {people}"
    frame = connection.execute(
        f"""
        select
            s.person_id, s.account_id, s.as_of_date, l.is_reactivated as y, l.first_event_at as event_at, {columns}
        {_PANEL if people is None else _MATURE}
        {kept}
        order by s.as_of_date, s.person_id
        """,
        _bound(request),
    ).df()
    return with_dates(frame)


def read_people(
    connection: duckdb.DuckDBPyConnection, *, as_of: date, features: Sequence[FeatureSpec], most: int | None = None
) -> pd.DataFrame:
    """Everyone dormant on a date with features, ordered by person_id; with `most`, so many of them, always the same."""
    columns = ", ".join(f"s.{spec.name}" for spec in features)
    kept = "" if most is None else f"qualify row_number() over (order by hash(s.person_id), s.person_id) <= {int(most)}"
    return connection.execute(
        f"""
        select s.person_id, s.account_id, s.crm, {columns}
        from marts.lead_snapshots as s
        where s.as_of_date = ?
        {kept}
        order by s.person_id
        """,
        [as_of],
    ).df()


def people_digest(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, *, as_of: date, features: Sequence[FeatureSpec]
) -> str:
    """Fingerprint of the snapshots of a date; `empty` without the table."""
    if not warehouse.exists(connection, TABLES[0]):
        return "empty"
    columns = ", ".join(spec.name for spec in features)
    row = connection.execute(
        f"select count(*), sum(cast(hash(person_id, {columns}) as hugeint)) from {TABLES[0]} where as_of_date = ?",
        [as_of],
    ).fetchone()
    return str(row)


def with_dates(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with `as_of_date` as Python dates; each distinct date is converted once."""
    codes, distinct = pd.factorize(frame["as_of_date"])
    days = np.array([pd.Timestamp(value).date() for value in distinct], dtype=object)
    frame["as_of_date"] = days[codes] if len(days) else np.zeros(0, dtype=object)
    return frame
