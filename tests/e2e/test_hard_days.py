"""Days that go wrong: killed, doubled, starved, silent, and sources that cannot be read."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from contracts.errors import BusyError
from pipelines.resources import PROJECT_ROOT
from pipelines.run import run_day
from simulation import WorldSettings, write_exports
from tests.e2e.installation import LAST, fingerprints, make_engine, read_summary

PEOPLE = 300
WORLD = WorldSettings(seed=5, people=PEOPLE)

RUN = """
import json, sys
from datetime import date
from pathlib import Path
from pipelines.run import run_day
from tests.e2e.installation import make_engine
if __name__ == "__main__":
    result = run_day(make_engine(Path(sys.argv[1])), date.fromisoformat(sys.argv[2]))
    print(json.dumps([result.ok, result.failures]))
    sys.exit(0 if result.ok else 1)
"""


def _world(var_dir: Path, day: date = LAST) -> Path:
    write_exports(WORLD, out=var_dir / "world", truth=var_dir / "truth", as_of=day)
    return var_dir / "world" / "exports" / day.isoformat()


def _start(var_dir: Path, day: date = LAST) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(var_dir), day.isoformat()],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _made(var_dir: Path) -> dict[str, bytes]:
    files = fingerprints(var_dir, "published", "outbox", "landing")
    # A landing's manifest tells when it landed, and MLflow draws the ids of its runs.
    return {
        name: re.sub(rb'"run_id": "[0-9a-f]{32}"', b"", data) if name.endswith("manifest.json") else data
        for name, data in files.items()
        if not (name.startswith("landing") and name.endswith(".json"))
    }


@pytest.mark.slow
def test_a_killed_day_and_one_without_the_hidden_truth_end_with_the_same_bytes(tmp_path: Path) -> None:
    calm, hard = tmp_path / "calm" / "var", tmp_path / "hard" / "var"
    _world(calm)
    _world(hard)
    for var_dir in (calm, hard):
        (var_dir / "secrets").mkdir()
        (var_dir / "secrets" / "unsubscribe.key").write_text("5a" * 32)
    # The pipelines cannot have read what is not there.
    shutil.rmtree(hard / "truth")
    began = time.monotonic()
    undisturbed = _start(calm)
    out, err = undisturbed.communicate(timeout=240)
    assert undisturbed.returncode == 0, out + err
    took = time.monotonic() - began
    moments = random.Random(3)
    for _ in range(2):
        process = _start(hard)
        time.sleep(moments.uniform(0.25, 0.95) * took)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    last = _start(hard)
    out, err = last.communicate(timeout=240)
    assert last.returncode == 0, out + err
    assert _made(hard) == _made(calm)


def test_two_runs_at_once_one_refuses_in_clear_words(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    lock = var_dir / "locks" / "run.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock), pytest.raises(BusyError, match="Another run of this installation is going on"):
        run_day(make_engine(var_dir), LAST)


def _spoil_four_files(exports: Path) -> None:
    import gzip

    (exports / "salesforce" / "leads.csv").write_bytes(b"")
    (exports / "hubspot" / "companies.csv").write_bytes(random.Random(1).randbytes(20_000))
    messages = exports / "gohighlevel" / "messages.csv"
    packed = gzip.compress(messages.read_bytes())
    messages.unlink()
    messages.with_name("messages.csv.gz").write_bytes(packed[: len(packed) // 2])
    tasks = exports / "salesforce" / "tasks.csv"
    header, rest = tasks.read_text(encoding="utf-8-sig").split("\n", 1)
    tasks.write_text(header.replace("Id", "Nothing", 1) + "\n" + rest)


@pytest.mark.slow
def test_bad_files_are_told_one_by_one_and_the_others_go_on(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    _spoil_four_files(_world(var_dir))
    result = run_day(make_engine(var_dir), LAST)
    assert not result.ok
    told = " ".join(result.failures)
    for file in ("leads.csv", "companies.csv", "messages.csv.gz", "tasks.csv"):
        assert file in told
    summary = read_summary(var_dir)
    assert summary.people > PEOPLE / 3
    assert summary.scores.rows > 0


@pytest.mark.slow
def test_nobody_dormant_ends_well_and_plans_nothing(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    _world(var_dir)
    engine = make_engine(var_dir, dormant_after_days=3_650, market_dormant_after_days={})
    result = run_day(engine, LAST)
    assert result.ok, result.failures
    summary = read_summary(var_dir)
    assert summary.dormant == summary.batch.planned == summary.scores.rows == 0
    assert (var_dir / "report" / LAST.isoformat() / "index.html").exists()


@pytest.mark.slow
def test_nobody_contactable_ends_well_and_plans_nothing(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    exports = _world(var_dir)
    sources = var_dir / "world" / "sources.yml"
    assert exports.exists()
    result = run_day(make_engine(var_dir, sources, permission_policy="explicit", max_dormancy_days=30), LAST)
    assert result.ok, result.failures
    summary = read_summary(var_dir)
    assert summary.dormant > 0
    assert summary.batch.planned == 0
    assert sum(summary.batch.skipped.values()) == summary.dormant


@pytest.mark.slow
def test_a_silent_source_holds_the_plan(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    _world(var_dir)
    result = run_day(make_engine(var_dir), LAST + timedelta(days=5))
    assert result.ok, result.failures
    summary = read_summary(var_dir)
    assert summary.batch.planned == 0
    assert summary.batch.skipped.get("source_silent", 0) > 0
    assert summary.scores.rows > 0
