from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from bench.daily import Platform, Targets, Told, door_rows, rows_of
from bench.measure import Measured
from bench.platform_day import settings_of, summary_counts
from bench.rows import Origin
from bench.world import FIRST_DAY, SECOND_DAY, World, hide, reveal, write

AT = Origin("2 cores", "abc123", "2026-11-21T10:00:00+00:00")
FACTS = {"dormant": 10, "scored": 9, "unscored": 1, "planned": 2, "held_out": 1, "skipped": 7}


def told(seconds: float, *, gib: float = 1.0, **facts: Any) -> Told:
    base = {"seconds": {"ingest": 1.0}, "failures": [], "hashes": {"lead_scores": "a"}, "facts": FACTS}
    return Told(Measured(seconds, int(gib * 2**30), ""), base | facts)


def test_a_clean_round_meets_its_targets() -> None:
    run = Platform(told(30), told(20), told(10), told(15))
    world = (told(5, rows=100), told(1, rows=10))
    rows = {row.name: row for row in rows_of(AT, 10_000, world, [run], [told(25, facts={"scored": 10})])}
    assert all(row.ok is not False for row in rows.values())
    assert rows["first day / bare"].value == 1.2
    assert rows["next day, a Monday that fits a model"].target == 45
    assert rows["the day after, a Tuesday that fits none"].value == 15
    assert rows["peak memory"].value == 1.0
    assert rows["first day: ingest"].value == 1.0


def test_what_falls_short_is_said() -> None:
    first = told(30, failures=["x failed"], gib=3)
    warm = told(50, facts=FACTS | {"skipped": 5})
    run = Platform(first, warm, told(21, hashes={"lead_scores": "b"}), told(46))
    rows = {row.name: row for row in rows_of(AT, 10_000, None, [run], [told(25, facts={"scored": 8})])}
    missed = {name for name, row in rows.items() if row.ok is False}
    assert missed == {
        "next day, a Monday that fits a model",
        "the day after, a Tuesday that fits none",
        "the same day, nothing changed",
        "peak memory",
        "failed steps and checks",
        "dormant people lost between scores and plan",
        "published partitions that changed in a rerun",
        "dormant people found by only one of platform and bare",
    }


def test_sizes_without_promises_have_no_targets() -> None:
    rows = rows_of(AT, 500, None, [Platform(told(1), told(1), told(1))], [told(1, facts={"scored": 10})])
    assert {row.target for row in rows} == {None, 0}
    assert Targets() == Targets(None, None)


def test_the_door_keeps_every_row() -> None:
    facts = {"rows_in": 100, "rows_loaded": 95, "rows_rejected": 4, "seconds": 46.0, "unchanged_seconds": 0.5}
    rows = door_rows(AT, Told(Measured(50, 2**30, ""), facts))
    assert [row.ok for row in rows] == [False, None, None, False]
    assert rows[3].value == 1


def test_exports_of_a_later_day_can_be_hidden(tmp_path: Path) -> None:
    world = World(tmp_path, 60)
    first = write(world, FIRST_DAY, since=None)
    write(world, SECOND_DAY, since=FIRST_DAY)
    place = world.exports / "exports" / SECOND_DAY.isoformat()
    hide(world, SECOND_DAY)
    hide(world, SECOND_DAY)
    assert not place.exists()
    reveal(world, SECOND_DAY)
    reveal(world, SECOND_DAY)
    assert place.exists()
    assert world.sources.exists()
    assert first["people"] > 0
    assert SECOND_DAY.weekday() == 0


def test_counts_come_from_the_summary_of_that_day(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    assert summary_counts(path, date(2026, 6, 1)) == {}
    batch = {"planned": 2, "held_out": 1, "skipped": {"capacity": 7}}
    scores = {"rows": 9, "unscored": {"objected": 1}}
    day = {"as_of_date": "2026-06-01", "people": 12, "dormant": 10, "rows_in": 5, "scores": scores, "batch": batch}
    path.write_text(json.dumps(day))
    assert summary_counts(path, date(2026, 6, 1)) == FACTS | {"people": 12, "rows_in": 5}
    assert summary_counts(path, date(2026, 6, 2)) == {}


def test_a_benchmark_lives_in_its_own_folder(tmp_path: Path) -> None:
    found = settings_of(tmp_path / "state", tmp_path / "sources.yml")
    assert found["var_dir"] == str(tmp_path / "state")
    assert found["sender_postal_address"]
