"""A delivery that is killed at any moment sends nothing twice and loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.resources import PROJECT_ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("delivery_kills")]


def fates(folder: Path, *options: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "bench.delivery_kills", str(folder), *options]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def assert_safe(fate: dict[str, Any], *, workers: int) -> None:
    assert fate["duplicates"] == 0, fate
    assert fate["lost"] == 0, fate
    assert fate["unknown"] <= 50 * workers, fate
    assert fate["is_conserved"], fate
    assert fate["is_chain_whole"], fate


def test_killed_at_each_occurrence_of_each_failpoint(tmp_path: Path) -> None:
    undisturbed, *killed = fates(tmp_path, "--touches", "50", "--workers", "1")
    assert (undisturbed["was_killed"], undisturbed["unknown"]) == (False, 0)
    names = {fate["moment"].split(" ")[0] for fate in killed}
    assert {"claim.before_commit", "claim.after_commit", "send.before", "send.after", "mark.before_commit"} <= names
    assert all(fate["was_killed"] for fate in killed)
    for fate in killed:
        assert_safe(fate, workers=1)
    assert any(fate["arrived_unknown"] for fate in killed), "no kill fell between sending and marking"


def test_killed_at_random_moments(tmp_path: Path) -> None:
    undisturbed, *killed = fates(tmp_path, "--touches", "2500", "--workers", "2", "--runs", "10")
    assert undisturbed["unknown"] == 0
    assert sum(fate["was_killed"] for fate in killed) >= 5
    for fate in killed:
        assert_safe(fate, workers=2)


def test_two_schedulers_with_sixteen_workers_each_send_nothing_twice(tmp_path: Path) -> None:
    found = fates(tmp_path, "--crowd", "--touches", "1000", "--workers", "16", "--runs", "2")
    for fate in found:
        assert_safe(fate, workers=16)
