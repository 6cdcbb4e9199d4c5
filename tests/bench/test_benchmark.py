"""The benchmark at a small size: Olist's snapshots are honest in time, and an absent table is skipped with a reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from bench.benchmark import PARTS, leak_rows, measure, olist_rows
from bench.benchmark_tables import DORMANT_DAYS, HORIZON_DAYS, olist, winners
from bench.rows import Origin

AT = Origin("here", "abc", "2026-01-01T00:00:00+00:00")


def _leads(folder: Path, leads: int = 900) -> None:
    """A made-up funnel in the shape of Olist's: day-first dates, some won long after the first contact."""
    rng = np.random.default_rng(1)
    first = pd.Timestamp("2017-06-01") + pd.to_timedelta(rng.integers(0, 300, leads), unit="D")
    origin = rng.choice(["social", "paid_search", "email"], leads)
    frame = pd.DataFrame(
        {
            "mql_id": [f"m{index}" for index in range(leads)],
            "first_contact_date": first.strftime("%d-%m-%Y"),
            "landing_page_id": rng.choice(["a", "b", "c"], leads),
            "origin": origin,
        }
    )
    won = rng.random(leads) < np.where(origin == "social", 0.7, 0.2)
    date = first + pd.to_timedelta(rng.integers(5, 250, leads), unit="D")
    deals = pd.DataFrame({"mql_id": frame["mql_id"], "won_date": date.strftime("%d-%m-%Y 19:58")})[won]
    (folder / "olist").mkdir(parents=True)
    frame.to_csv(folder / "olist" / "olist_marketing_qualified_leads_dataset.csv", index=False)
    deals.to_csv(folder / "olist" / "olist_closed_deals_dataset.csv", index=False)


def test_snapshots_know_nothing_of_the_time_after_them(tmp_path: Path) -> None:
    _leads(tmp_path)
    table = olist(tmp_path, every=3)
    assert table.time is not None
    assert table.is_test is not None
    assert table.columns["days_since_first_contact"].min() >= DORMANT_DAYS
    assert table.time[table.is_test].min() - table.time[~table.is_test].max() > HORIZON_DAYS
    deals = pd.read_csv(tmp_path / "olist" / "olist_closed_deals_dataset.csv")
    last = pd.to_datetime(deals["won_date"].str[:10], format="%d-%m-%Y").max()
    newest = pd.Timestamp("1970-01-01") + pd.Timedelta(days=float(table.time.max()))
    assert newest + pd.Timedelta(days=HORIZON_DAYS) <= last
    assert 0 < winners(table) < 900


def test_olist_is_reported_with_its_interval_beside_the_reference(tmp_path: Path) -> None:
    _leads(tmp_path)
    rows = {row.name.split(": ")[1]: row for row in olist_rows(AT, tmp_path, table=olist(tmp_path, every=20))}
    auc = rows["AUC"]
    assert rows["AUC, lower bound by lead"].value < auc.value < rows["AUC, upper bound by lead"].value
    assert auc.baseline is not None
    assert auc.value > 0.6
    assert rows["winners held out"].value > 20


def test_an_absent_table_is_skipped_with_its_reason(tmp_path: Path) -> None:
    told = io.StringIO()
    assert measure(["leaks", "drift", "olist"], AT, tmp_path, console=Console(file=told, width=200)) == []
    assert told.getvalue().count("skipped") == 3
    assert "RECOVERY_EXAMPLE_DATA" in told.getvalue()


def test_known_leaks_of_the_public_tables_are_named_and_the_rest_is_not(example_data: Path) -> None:
    assert all(row.ok for row in leak_rows(AT, example_data))


@pytest.mark.parametrize("name", list(PARTS))
def test_every_part_can_be_called(name: str) -> None:
    part = PARTS[name]
    if hasattr(part, "load"):
        assert callable(part.load())
