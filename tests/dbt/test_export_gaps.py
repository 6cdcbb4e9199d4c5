"""The detector of days that a source did not deliver, on planted gaps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipelines.features import dates
from pipelines.features.project import DbtProject
from tests.pipelines.features import raw_world as raw

AS_OF = date(2026, 6, 1)
FIRST = date(2026, 3, 2)
DAYS = [FIRST + timedelta(days=n) for n in range((AS_OF - FIRST).days)]
OPEN_END = date(9999, 12, 31)
Gap = tuple[str, str, date, date]

pytestmark = pytest.mark.xdist_group("dbt_units")


def deliver(source: str, name: str, *, per_day: int, thin: Iterable[date] = (), to: int = 0) -> pd.DataFrame:
    """`per_day` acts of people on every day; on the days of `thin` only `to`."""
    few = set(thin)
    days = [day for day in DAYS for _ in range(to if day in few else per_day)]
    return pd.DataFrame(
        {
            "source": source,
            "object": name,
            "occurred_at": [datetime(day.year, day.month, day.day, 12) for day in days],
            "actor": "person",
            "kind": "form",
            "is_late": False,
        }
    )


def find_gaps(folder: Path, *delivered: pd.DataFrame) -> set[Gap]:
    """Gaps that the model finds, without the open end of each source."""
    stage = raw.stage(folder)
    rows = pd.concat(delivered, ignore_index=True)
    landings = rows[["source"]].drop_duplicates().assign(exported_at=datetime(2026, 5, 31, 23))
    with stage.warehouse.open() as connection:
        connection.execute("create schema intermediate")
        for name, frame in (("int_activities", rows), ("int_landings", landings)):
            connection.register("incoming", frame)
            connection.execute(f"create table intermediate.{name} as select * from incoming")
            connection.unregister("incoming")
    plan = dates.DatesPlan(as_of=AS_OF, missing=(), full=(), sample_modulus=1, fingerprint="")
    project = DbtProject(project_root=stage.project_root, manifest_dir=stage.manifest_dir, warehouse=stage.warehouse)
    nodes = project.build(select=["int_export_gaps"], variables=dates.variables(plan, stage.settings))
    assert all(node.is_good for node in nodes), nodes
    found = raw.rows_of(stage, "select source, object, first_day, last_day from intermediate.int_export_gaps")
    assert {row[0] for row in found if row[3] == OPEN_END} == set(landings["source"])
    return {(row[0], row[1], row[2], row[3]) for row in found if row[3] != OPEN_END}


def span(first: date, days: int) -> list[date]:
    return [first + timedelta(days=n) for n in range(days)]


def test_silent_and_thin_stretches_are_found_and_nothing_else(tmp_path: Path) -> None:
    silent, thin, single = span(date(2026, 4, 14), 3), span(date(2026, 4, 27), 2), [date(2026, 5, 12)]
    holiday, early = span(date(2026, 5, 20), 2), span(date(2026, 3, 10), 4)
    gaps = find_gaps(
        tmp_path,
        # One object falls silent, and so do its source's other objects not: found by object.
        deliver("a", "messages", per_day=6, thin=[*silent, *single, *early]),
        deliver("a", "calls", per_day=30, thin=holiday, to=3),
        # A whole source delivers a third on two days while the other carries on.
        deliver("b", "tasks", per_day=30, thin=[*thin, *holiday], to=8),
        # Too few rows a day to tell anything.
        deliver("c", "notes", per_day=2, thin=span(date(2026, 4, 20), 5)),
    )
    assert gaps == {("a", "messages", silent[0], silent[-1]), ("b", "*", thin[0], thin[-1])}


def test_a_loss_of_half_in_the_only_source_is_a_known_limit(tmp_path: Path) -> None:
    lost = span(date(2026, 4, 27), 2)
    assert find_gaps(tmp_path, deliver("b", "tasks", per_day=30, thin=lost, to=8)) == set()
    whole = span(date(2026, 4, 27), 4)
    gaps = find_gaps(tmp_path / "silent", deliver("b", "tasks", per_day=30, thin=whole))
    assert ("b", "tasks", whole[0], whole[-1]) in gaps
