"""The suite of planning and ledger at a thousandth of its size."""

from __future__ import annotations

import json
from pathlib import Path

from bench import plan
from bench.rows import read_suite


def test_the_suite_measures_plan_and_ledger(tmp_path: Path) -> None:
    rows = plan.run(count=500, capacity=100, links=1000, folder=tmp_path)
    assert read_suite(tmp_path / "plan.json") == rows
    assert len(rows) == 6
    assert all(row.ok is not False for row in rows)
    assert {row.value for row in rows if row.unit in ("people", "links")} == {0}
    assert all(row.value > 0 for row in rows if row.unit in ("s", "MiB"))


def test_a_job_tells_its_figures(capsys) -> None:
    assert plan.main(["--job", "plan", "600", "100"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["unaccounted"] == 0
    assert 0 < found["chosen"] <= 100
    assert found["cpu"] > 0
