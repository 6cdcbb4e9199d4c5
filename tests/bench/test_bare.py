from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from bench.bare import Memory, timed
from bench.bare_ingest import ingest
from bench.compiled import LINKS, Statement, read_statements, statements, write_statements
from contracts.errors import BadInputError
from recovery.ledger import LINKS_SCHEMA


def node(name: str, *parents: str, kind: str = "table") -> dict[str, Any]:
    return {
        "resource_type": "model",
        "schema": "marts",
        "alias": name,
        "config": {"materialized": kind},
        "compiled_code": f"select '{name}' as name",
        "depends_on": {"nodes": list(parents)},
    }


def test_models_run_after_what_they_refer_to_and_links_stand_between() -> None:
    nodes = {
        "model.r.c": node("c", "model.r.b"),
        "model.r.a": node("a", "source.r.raw.x", kind="view"),
        "model.r.b": node("b", "model.r.a", f"source.r.{LINKS}"),
        "model.r.d": node("d", "model.r.a", kind="incremental"),
        "test.r.t": {"resource_type": "test"},
    }
    found = statements({"nodes": nodes})
    assert [one.relation for one in found] == ["marts.a", "marts.d", LINKS, "marts.b", "marts.c"]
    assert [one.kind for one in found] == ["view", "table", "links", "table", "table"]


def test_a_circle_of_models_is_refused() -> None:
    with pytest.raises(BadInputError, match="circle"):
        statements({"nodes": {"model.r.a": node("a", "model.r.b"), "model.r.b": node("b", "model.r.a")}})


def test_statements_are_written_and_read_back(tmp_path: Path) -> None:
    found = [Statement("marts.a", "view", "select 1")]
    write_statements(tmp_path / "sql.json", found)
    assert read_statements(tmp_path / "sql.json") == found


def test_the_baseline_reads_the_exports(tmp_path: Path) -> None:
    folder = tmp_path / "exports" / "hubspot"
    folder.mkdir(parents=True)
    lines = ["Record ID,Create Date,First Name,Last Name,Email", "1,2026-01-02 10:00,Ada,Example,ada@acme.example"]
    (folder / "contacts.csv").write_text("\n".join([*lines, "2,2026-01-03 10:00,Kofi,Sample,kofi@acme.example\n"]))
    (tmp_path / "sources.yml").write_text(
        "version: 1\nsources:\n  - {name: hubspot, crm: hubspot, path: exports/hubspot, time_zone: UTC}\n"
    )
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        rows = ingest(connection, tmp_path / "sources.yml", tmp_path / "csv", memory="1GB", threads=1)
        emails = connection.execute("select email from raw.hubspot__contacts order by record_id").fetchall()
        sources = connection.execute("select source from raw.sources").fetchall()
    assert rows == 2
    assert emails == [("ada@acme.example",), ("kofi@acme.example",)]
    assert sources == [("hubspot",)]


def test_links_live_for_one_run() -> None:
    memory = Memory()
    assert memory.append_links(LINKS_SCHEMA.empty_table()) == 0
    assert memory.read_links().schema == LINKS_SCHEMA


def test_time_is_noted() -> None:
    seconds: dict[str, float] = {}
    with timed(seconds, "x"):
        pass
    assert seconds["x"] >= 0
