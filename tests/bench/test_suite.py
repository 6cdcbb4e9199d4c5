from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from bench import bare, daily, door, history, platform_day, world
from bench.bare_model import score_everyone
from bench.compiled import LINKS, MODULUS_MARK, Statement, day_variables
from bench.measure import Measured
from bench.rows import read_suite, write_suite
from contracts.settings import Settings
from models.features import FEATURES
from pipelines.run import DayResult

AS_OF = date(2026, 5, 31)
DAY = {
    "seconds": {"ingest": 1.0},
    "failures": [],
    "hashes": {"lead_scores": "a"},
    "facts": {"dormant": 10, "scored": 9, "unscored": 1, "planned": 2, "held_out": 1, "skipped": 7},
}
DOOR = {"rows_in": 10, "rows_loaded": 9, "rows_rejected": 1, "seconds": 2.0, "unchanged_seconds": 0.1}


def test_a_suite_runs_rounds_and_writes_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def fake(command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, log: Path) -> Measured:
        module = command[2]
        called.append(module)
        told = {"bench.world": {"rows": 5}, "bench.bare": {"facts": {"scored": 10}}, "bench.door": DOOR}
        if module == "bench.world":
            (tmp_path / "world-10000").mkdir(exist_ok=True)
        return Measured(1.0, 2**30, "noise\n" + json.dumps(told.get(module, DAY)))

    monkeypatch.setattr(daily, "run_measured", fake)
    monkeypatch.setattr(daily, "compile_project", lambda variables, scratch: [Statement("marts.a", "view", "select 1")])
    rows = daily.run_suite(10_000, folder=tmp_path)
    assert called.count("bench.platform_day") == 12
    assert called.count("bench.bare") == 3
    assert called.count("bench.world") == 3
    assert read_suite(tmp_path / "daily.json") == rows
    assert all(row.ok is not False for row in rows)
    called.clear()
    daily.run_suite(10_000, folder=tmp_path)
    assert "bench.world" not in called


def test_the_command_fails_when_a_target_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    missed = daily.door_rows(daily.origin(), daily.Told(Measured(1, 1, ""), DOOR | {"seconds": 99.0}))
    monkeypatch.setattr("sys.argv", ["daily", "--people", "5"])
    monkeypatch.setattr(daily, "run_suite", lambda people: missed)
    assert daily.main() == 1
    monkeypatch.setattr(daily, "run_suite", lambda people: missed[1:])
    assert daily.main() == 0


def test_the_sql_of_a_day_runs_with_links_and_sample() -> None:
    statements = [
        Statement(
            "intermediate.int_records",
            "table",
            "select 'h:contacts:1' as record_key, timestamp '2026-01-01' as first_observed_at, 'p1' as own_person_id",
        ),
        Statement(
            "intermediate.int_identity_edges",
            "table",
            "select null::varchar as left_key, null::varchar as right_key, null::timestamp as since, "
            "null::varchar as why limit 0",
        ),
        Statement(LINKS, "links", ""),
        Statement("marts.people", "view", f"select person_id, {MODULUS_MARK} as sample from {LINKS}"),
    ]
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        bare.build(connection, statements, AS_OF, Settings())
        assert connection.execute("select * from marts.people").fetchall() == [("p1", 1)]


def test_the_marked_sample_reaches_the_sql() -> None:
    found = day_variables(AS_OF, Settings())
    assert found["sample_modulus"] == int(MODULUS_MARK)
    assert found["as_of_date"] == "2026-05-31"
    assert len(found["snapshot_dates"]) == Settings().training_weeks


def test_without_labels_people_are_listed_without_scores(tmp_path: Path) -> None:
    kinds = {"category": "varchar", "flag": "double", "number": "double"}
    columns = ", ".join(f"null::{kinds[spec.kind]} as {spec.name}" for spec in FEATURES)
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        connection.execute(
            f"create table marts.lead_snapshots as select date '2026-05-31' as as_of_date, 'p1' as person_id, "
            f"null::varchar as account_id, 'hubspot' as crm, true as is_training, {columns}"
        )
        connection.execute(
            "create table marts.lead_labels as select date '2026-05-31' as as_of_date, 'p1' as person_id, "
            "true as is_reactivated, null::timestamp as first_event_at, null::timestamp as censored_at, "
            "timestamp '2026-07-02' as label_observed_until"
        )
        assert score_everyone(connection, AS_OF, Settings(), tmp_path / "scores.parquet") == 1
    assert pq.read_table(tmp_path / "scores.parquet").column_names == ["person_id"]


def test_a_day_tells_what_it_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    from contracts.published import publish

    def fake(engine: object, as_of: date) -> DayResult:
        publish(tmp_path / "published", dataset="lead_scores", as_of=as_of, table=pa.table({"a": [1]}))
        return DayResult(as_of, "run", False, ("x: failed",), (), {"ingest": 1.0})

    monkeypatch.setattr("pipelines.run.run_day", fake)
    argv = ["platform_day", "--state", str(tmp_path), "--sources", "s.yml", "--as-of", "2026-05-31"]
    monkeypatch.setattr("sys.argv", argv)
    found = platform_day.run(tmp_path, tmp_path / "sources.yml", AS_OF)
    assert (found.ok, found.failures, list(found.hashes)) == (False, ("x: failed",), ["lead_scores"])
    assert platform_day.main() == 0


def test_commands_end_with_one_line_of_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(world, "write", lambda given, day, since: {"people": given.people, "day": str(day)})
    monkeypatch.setattr("sys.argv", ["world", "--folder", str(tmp_path), "--people", "7", "--as-of", "2026-05-31"])
    assert world.main() == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"people": 7, "day": "2026-05-31"}
    from bench.ingest_csv import IngestTiming

    monkeypatch.setattr(door, "measure_once", lambda: IngestTiming(10, 9, 1, 0, 2.0, 0.1, 50.0))
    assert door.main() == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["rows_in"] == 10


def test_the_history_command_adds_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = daily.door_rows(daily.origin(), daily.Told(Measured(1, 1, ""), DOOR))[0]
    write_suite("daily", [row], folder=tmp_path)
    monkeypatch.setattr(history, "BENCH_DIR", tmp_path)
    monkeypatch.setattr(history, "ROOT", tmp_path)
    monkeypatch.setattr(history, "HISTORY", tmp_path / "benchmarks.md")
    assert history.main() == 0
    assert "1 of 1 suites added to benchmarks.md" in capsys.readouterr().out
