"""The collector looks seldom in a process of the day, and not at all while libraries are imported."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from contracts.heap import importing


def test_nothing_is_collected_while_libraries_are_imported_and_again_after_a_failure() -> None:
    assert gc.isenabled()
    with pytest.raises(ImportError), importing():
        assert not gc.isenabled()
        raise ImportError("no such library")
    assert gc.isenabled()
    gc.unfreeze()


def test_a_process_of_the_day_collects_rarely_and_still_frees_cycles() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _CYCLES], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    young, left = int(told[0]), int(told[1])
    assert young > 10_000
    assert left < 200_000


_CYCLES = """
import gc, pipelines
class Node: pass
for _ in range(200_000):
    one, other = Node(), Node()
    one.peer, other.peer = other, one
print(gc.get_threshold()[0], sum(isinstance(found, Node) for found in gc.get_objects()))
"""
