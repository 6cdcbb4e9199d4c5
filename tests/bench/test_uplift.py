"""A policy beside the oracle's: valued by hidden effects, and by the model's own word where nothing was learned."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.benchmark import PARTS
from bench.rows import origin
from bench.uplift import Policy, policy_of, uplift_rows
from bench.world import SECOND_DAY
from contracts.errors import BadInputError
from contracts.published import publish

HIDDEN = {"a": 0.03, "b": -0.02, "c": 0.01, "d": -0.01}


def _house(
    folder: Path, *, learner: str, expected: dict[str, float], harmed: tuple[str, ...] = ()
) -> tuple[Path, Path]:
    state, truth = folder / "state", folder / "truth"
    told = pa.table({"channel": ["email"], "learner": [learner], "reason": ["because"], "contacted": [1.0]})
    effects = pa.table(
        {
            "person_id": list(expected),
            "channel": ["email"] * len(expected),
            "p_no_contact": [0.05] * len(expected),
            "p_contact": [0.05 + effect for effect in expected.values()],
            "is_harmed": [name in harmed for name in expected],
        }
    )
    scores = pa.table({"person_id": list(HIDDEN), "p": [0.1] * len(HIDDEN)})
    for name, table in (("uplift_model", told), ("lead_uplift", effects), ("lead_scores", scores)):
        publish(state / "published", dataset=name, as_of=SECOND_DAY, table=table)
    (state / "warehouse").mkdir(parents=True)
    with duckdb.connect(str(state / "warehouse" / "recovery.duckdb")) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.person_records (person_id varchar, crm varchar, record_id varchar)")
        connection.executemany("insert into marts.person_records values (?, 'hubspot', ?)", [(n, n) for n in HIDDEN])
    (truth / "p").mkdir(parents=True)
    pids = list(range(len(HIDDEN)))
    pq.write_table(
        pa.table({"crm": ["hubspot"] * len(HIDDEN), "record_id": list(HIDDEN), "pid": pids}), truth / "identity.parquet"
    )
    hidden = {"pid": pids, "dormant": [True] * len(HIDDEN), "uplift": list(HIDDEN.values())}
    pq.write_table(pa.table(hidden), truth / "p" / f"{SECOND_DAY}.parquet")
    return state, truth


def test_the_value_is_that_of_those_whom_the_policy_contacts(tmp_path: Path) -> None:
    found = policy_of(*_house(tmp_path, learner="dr", expected={"a": 0.01, "b": -0.01, "c": -0.01, "d": 0.02}))
    assert found.contacts.tolist() == [True, False, False, True]
    assert found.oracle == pytest.approx(0.04)
    assert found.share == pytest.approx((0.03 - 0.01) / 0.04)
    assert found.everybody == pytest.approx(0.01 / 0.04)


def test_harmed_people_are_left_alone_and_unknown_ones_treated_as_all(tmp_path: Path) -> None:
    expected = {"a": 0.01, "b": 0.01, "c": 0.01}
    found = policy_of(*_house(tmp_path, learner="dr", expected=expected, harmed=("b",)))
    assert found.contacts.tolist() == [True, False, True, True]


def test_a_model_that_treats_all_alike_is_taken_at_its_word(tmp_path: Path) -> None:
    state, truth = _house(tmp_path, learner="treat_all", expected={"a": -0.01})
    found = policy_of(state, truth)
    assert found.contacts.all()
    value, contacted = uplift_rows(origin(), 4, share=0.8, state=state, truth=truth)
    assert "treat_all" in value.name
    assert (value.value, value.ok, contacted.value) == (pytest.approx(0.75), False, 1.0)


def test_a_day_without_a_trial_is_told(tmp_path: Path) -> None:
    state, truth = _house(tmp_path, learner="dr", expected={})
    publish(
        state / "published", dataset="uplift_model", as_of=SECOND_DAY,
        table=pa.table({"channel": ["sms"], "learner": ["dr"], "reason": [""], "contacted": [1.0]}),
    )  # fmt: skip
    with pytest.raises(BadInputError, match="No trial of e-mails"):
        policy_of(state, truth)


def test_the_oracle_has_the_whole_value() -> None:
    hidden = np.array([0.02, -0.01, 0.0])
    assert Policy(hidden, hidden > 0, "oracle", "").share == 1.0


def test_the_worlds_are_parts_of_the_benchmark() -> None:
    assert {"world-6000", "world-60000", "world-500000"} <= set(PARTS)
