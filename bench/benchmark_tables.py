"""Flat tables that the benchmark assesses: public ones read as a user would, and daily snapshots of Olist's leads."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from contracts.errors import BadInputError
from models.assess.table import FlatTable
from pipelines.assess.reading import read_table
from pipelines.assess.request import Request

DORMANT_DAYS: Final = 30
HORIZON_DAYS: Final = 60
_EVERY: Final = 7  # one in so many daily snapshots of a lead is kept, drawn anew for every lead
_FORMAT: Final = "%d-%m-%Y"
_SEED: Final = 7


def read(path: Path, *, label: str, **roles: Any) -> FlatTable:
    """A public table as `recovery assess` reads it.

    Raises:
        BadInputError: it is not there.
    """
    require(path)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        return read_table(path, Request(label=label, **roles), folder=Path(folder), memory="2GB", threads=2)


def require(path: Path) -> Path:
    """The path of a public table.

    Raises:
        BadInputError: it is not there.
    """
    if not path.exists():
        raise BadInputError(
            "A public table is not there.",
            where=str(path),
            remedy="Get it from its publisher and set RECOVERY_EXAMPLE_DATA to its folder.",
        )
    return path


def olist(data: Path, *, every: int = _EVERY, share: float = 1.0) -> FlatTable:
    """Daily snapshots of leads that have been silent for 30 days: won within the next 60?

    A snapshot is mature when its 60 days have passed before the last deal that the export knows. The last quarter of
    the mature days is held out, and the 60 days before it belong to neither side. Rows of a lead are one cluster.

    Args:
        data: folder of public tables.
        every: one in so many days of a lead is kept.
        share: share of the leads taken.
    """
    leads = pd.read_csv(require(data / "olist" / "olist_marketing_qualified_leads_dataset.csv"))
    deals = pd.read_csv(require(data / "olist" / "olist_closed_deals_dataset.csv"), usecols=["mql_id", "won_date"])
    deals["won"] = pd.to_datetime(deals["won_date"].str[:10], format=_FORMAT)
    leads = leads.merge(deals[["mql_id", "won"]], on="mql_id", how="left")
    if share < 1.0:
        leads = leads.sample(frac=share, random_state=_SEED)
    leads["first"] = pd.to_datetime(leads["first_contact_date"], format=_FORMAT)
    last = leads["won"].max() - pd.Timedelta(days=HORIZON_DAYS)
    leads = leads[leads["first"] + pd.Timedelta(days=DORMANT_DAYS) <= last].reset_index(drop=True)
    end = leads["won"].where(leads["won"] <= last, last + pd.Timedelta(days=1))
    days = (end - leads["first"]).dt.days.to_numpy() - DORMANT_DAYS
    row = np.repeat(np.arange(len(leads)), np.maximum(days, 0))
    age = DORMANT_DAYS + np.arange(row.size) - np.repeat(np.cumsum(np.maximum(days, 0)) - np.maximum(days, 0),
                                                         np.maximum(days, 0))  # fmt: skip
    phase = np.random.default_rng(_SEED).integers(0, every, len(leads))
    kept = (age + phase[row]) % every == 0
    return _snapshots(leads, row[kept], age[kept])


def _snapshots(leads: pd.DataFrame, row: np.ndarray[Any, Any], age: np.ndarray[Any, Any]) -> FlatTable:
    part = leads.iloc[row]
    as_of = part["first"] + pd.to_timedelta(age, unit="D")
    ahead = (part["won"] - as_of).dt.days
    y = ((ahead >= 0) & (ahead < HORIZON_DAYS)).to_numpy(dtype=bool)
    day = as_of.to_numpy(dtype="datetime64[D]").astype(np.int64).astype(np.float64)
    columns = pd.DataFrame(
        {
            "days_since_first_contact": age.astype(np.float64),
            "origin": part["origin"].to_numpy(dtype=object),
            "landing_page": part["landing_page_id"].to_numpy(dtype=object),
            "weekday_of_first_contact": part["first"].dt.dayofweek.to_numpy(dtype=np.float64),
        }
    )
    start = np.quantile(day, 0.75)
    table = FlatTable(
        columns=columns, y=y, time=day, cluster=part["mql_id"].to_numpy(dtype=object), is_test=day >= start,
        time_is_date=True, total_rows=y.size,
    )  # fmt: skip
    outside_gap = np.flatnonzero((day >= start) | (day < start - HORIZON_DAYS))
    return replace(table.take(outside_gap), total_rows=outside_gap.size)


def winners(table: FlatTable) -> int:
    """Held-out clusters with a positive row."""
    assert table.is_test is not None
    return int(np.unique(table.units[table.is_test & table.y]).size)


def without(table: FlatTable, names: Sequence[str]) -> FlatTable:
    """The table without some columns."""
    return replace(table, columns=table.columns.drop(columns=list(names)))
