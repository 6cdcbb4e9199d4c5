"""Scores beside the hidden chances: joined person by person, and judged without the luck of one draw."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.benchmark import PARTS
from bench.synthetic import Judged, joined
from bench.world import SECOND_DAY
from contracts.errors import BadInputError
from contracts.published import publish


def _judged(ours: np.ndarray, truth: np.ndarray, best: np.ndarray) -> Judged:
    return Judged(ours, truth, best, np.zeros(truth.size, dtype=bool))


def test_the_way_is_none_for_chance_whole_for_the_optimum_and_between_for_the_rest() -> None:
    rng = np.random.default_rng(1)
    best = 1 / (1 + np.exp(2.5 - rng.normal(size=4_000)))
    truth = np.clip(best * np.exp(0.5 * rng.normal(size=4_000)), 0.001, 0.999)
    assert _judged(best, truth, best).way == pytest.approx(1.0)
    assert abs(_judged(rng.random(4_000), truth, best).way) < 0.1
    assert 0.2 < _judged(best * np.exp(rng.normal(size=4_000)), truth, best).way < 0.9


def _house(folder: Path, *, reacted: bool) -> tuple[Path, Path]:
    """Three people: one with two records, one whose records belong to two people, one of no CRM that is known."""
    state, truth = folder / "state", folder / "truth"
    people = ["a", "b", "c"]
    table = pa.table({"person_id": people, "p": [0.1, 0.2, 0.3]})
    publish(state / "published", dataset="lead_scores", as_of=SECOND_DAY, table=table)
    (state / "warehouse").mkdir(parents=True)
    with duckdb.connect(str(state / "warehouse" / "recovery.duckdb")) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.person_records (person_id varchar, crm varchar, record_id varchar)")
        held = [("a", "hubspot", "1"), ("a", "salesforce", "1"), ("b", "hubspot", "2"), ("b", "hubspot", "3")]
        connection.executemany("insert into marts.person_records values (?, ?, ?)", [*held, ("c", "csv", "1")])
    for name in ("p", "optimum"):
        (truth / name).mkdir(parents=True)
    crm, record = ["hubspot", "salesforce", "hubspot", "hubspot"], ["1", "1", "2", "3"]
    pq.write_table(pa.table({"crm": crm, "record_id": record, "pid": [10, 10, 20, 30]}), truth / "identity.parquet")
    pids, chances = [10, 20, 30], [0.4, 0.5, 0.6]
    hidden = {"pid": pids, "dormant": [True] * 3, "p": chances, "reacted": [reacted] * 3}
    pq.write_table(pa.table(hidden), truth / "p" / f"{SECOND_DAY}.parquet")
    pq.write_table(pa.table({"pid": pids, "p_observable": [0.3, 0.2, 0.1]}), truth / "optimum" / "people.parquet")
    return state, truth


def test_a_person_is_judged_where_all_records_are_of_one_person(tmp_path: Path) -> None:
    found = joined(*_house(tmp_path, reacted=True))
    assert (found.ours.tolist(), found.truth.tolist(), found.best.tolist()) == ([0.1], [0.4], [0.3])


def test_a_world_in_which_nobody_came_back_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="Nobody of the world can be judged"):
        joined(*_house(tmp_path, reacted=False))


def test_the_worlds_are_parts_of_the_benchmark() -> None:
    assert {"world-60000", "world-200000"} <= set(PARTS)
