"""Fits side by side give what fits one after another give."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from models.features import FeatureSpec
from models.training import side_by_side as together
from models.training.folds import stratified_folds
from models.training.search import SearchPlan, SearchResult, search
from models.training.side_by_side import bounded, side_by_side


def _table(rows: int = 1_500) -> tuple[pd.DataFrame, np.ndarray, tuple[FeatureSpec, ...]]:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(rows, 4)), columns=list("abcd"))
    frame["e"] = rng.choice(["x", "y", "z"], rows)
    y = rng.random(rows) < 1 / (1 + np.exp(-frame["a"] * frame["b"] - frame["c"]))
    specs = tuple(
        FeatureSpec(name, "category" if name == "e" else "number", "made", name, name) for name in frame.columns
    )
    return frame, y.to_numpy(), specs


def _found(monkeypatch: pytest.MonkeyPatch, workers: int) -> SearchResult:
    monkeypatch.setattr(together, "MOST_WORKERS", workers)
    monkeypatch.setattr(together.os, "cpu_count", lambda: workers)
    frame, y, specs = _table()
    return search(
        frame, y, specs, folds=stratified_folds(y, n=2), groups=np.arange(y.size), plan=SearchPlan(tuning_rows=600)
    )


def test_a_search_finds_the_same_to_the_last_bit_with_any_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    one, three = _found(monkeypatch, 1), _found(monkeypatch, 3)
    assert one.recipes == three.recipes
    for name, raw in one.raw.items():
        assert raw.tobytes() == three.raw[name].tobytes()


def test_calls_run_at_once_each_in_its_own_bounded_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together.os, "cpu_count", lambda: 2)
    meet = threading.Barrier(2, timeout=30)

    def call() -> set[int]:
        meet.wait()
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}

    with bounded(1):
        found = side_by_side([call, call], threads=1)
    assert found == [{1}, {1}]


def test_the_first_failure_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together.os, "cpu_count", lambda: 2)

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        side_by_side([lambda: 1, fail], threads=1)
