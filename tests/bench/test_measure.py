from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.measure import interleave, run_measured, tree_rss
from contracts.errors import BadInputError

_HUNGRY = "b = bytearray(120_000_000); import time; time.sleep(0.4); print('fed')"


def test_time_and_memory_of_the_whole_tree_are_measured(tmp_path: Path) -> None:
    alone = run_measured([sys.executable, "-c", "import time; time.sleep(0.3)"], cwd=tmp_path)
    child = f"import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', {_HUNGRY!r}], text=True))"
    parent = run_measured([sys.executable, "-c", child], cwd=tmp_path)
    assert alone.seconds >= 0.3
    assert parent.output.strip() == "fed"
    assert parent.peak_rss_bytes > alone.peak_rss_bytes + 100_000_000


def test_a_failed_command_is_told_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"code 3(.|\n)*out of luck"):
        run_measured(
            [sys.executable, "-c", "import sys; sys.stderr.write('out of luck'); sys.exit(3)"],
            cwd=tmp_path,
            log=tmp_path / "log.txt",
        )


def test_variables_reach_the_command(tmp_path: Path) -> None:
    found = run_measured(
        [sys.executable, "-c", "import os; print(os.environ['X_BENCH'])"], cwd=tmp_path, env={"X_BENCH": "yes"}
    )
    assert found.output.strip() == "yes"


def test_a_process_that_is_gone_has_no_memory() -> None:
    assert tree_rss(2**22 + 1) == 0


def test_contestants_take_turns() -> None:
    log: list[str] = []

    def run(name: str, seconds: float) -> float:
        log.append(name)
        return seconds

    ours, theirs = interleave(lambda _: run("a", 1.0), lambda _: run("b", 2.0), lambda s: s)
    assert log == ["a", "b", "b", "a", "a", "b"]
    assert (len(ours), len(theirs)) == (3, 3)


def test_long_rounds_run_once() -> None:
    ours, theirs = interleave(lambda _: 50.0, lambda _: 20.0, lambda s: s)
    assert (ours, theirs) == ([50.0], [20.0])
