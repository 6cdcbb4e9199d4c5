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
    (truth / "optimum").mkdir(parents=True)
    pids = list(range(len(HIDDEN)))
    pq.write_table(
        pa.table({"crm": ["hubspot"] * len(HIDDEN), "record_id": list(HIDDEN), "pid": pids}), truth / "identity.parquet"
    )
    effects_of = {"uplift": list(HIDDEN.values()), "uplift_observable": [0.02, 0.01, 0.01, -0.01]}
    pq.write_table(pa.table({"pid": pids, **effects_of}), truth / "optimum" / "people.parquet")
    return state, truth


def test_the_value_is_that_of_those_whom_the_policy_contacts(tmp_path: Path) -> None:
    found = policy_of(*_house(tmp_path, learner="dr_learner", expected={"a": 0.01, "b": -0.01, "c": -0.01, "d": 0.02}))
    assert found.contacts(0.0).tolist() == [True, False, False, True]
    assert found.share(0.0, of=found.hidden) == pytest.approx((0.03 - 0.01) / (0.03 + 0.01))
    assert found.share(0.0, of=found.best) == pytest.approx((0.03 - 0.01) / (0.03 - 0.02 + 0.01))
    assert found.contacts(0.015).tolist() == [False, False, False, True]
    assert found.share(0.015, of=found.best) == pytest.approx((-0.01 - 0.015) / (0.03 - 0.015))


def test_harmed_people_are_left_alone_and_unknown_ones_treated_as_all(tmp_path: Path) -> None:
    expected = {"a": 0.01, "b": 0.01, "c": 0.01}
    found = policy_of(*_house(tmp_path, learner="dr_learner", expected=expected, harmed=("b",)))
    assert found.contacts(0.0).tolist() == [True, False, True, True]


def test_a_model_that_treats_all_alike_is_taken_at_its_word(tmp_path: Path) -> None:
    state, truth = _house(tmp_path, learner="treat_all", expected={"a": -0.01})
    assert policy_of(state, truth).contacts(0.0).all()
    best, oracle, costly, at_cost, contacted = uplift_rows(origin(), 4, share=0.8, state=state, truth=truth)
    assert "treat_all" in best.name
    assert (best.value, best.ok) == (pytest.approx(0.5), None)
    assert (oracle.value, oracle.ok) == (pytest.approx(0.75), False)
    assert costly.value == at_cost.value == pytest.approx(1.0)
    assert contacted.value == 1.0


def test_a_day_without_a_trial_is_told(tmp_path: Path) -> None:
    state, truth = _house(tmp_path, learner="dr_learner", expected={})
    publish(
        state / "published", dataset="uplift_model", as_of=SECOND_DAY,
        table=pa.table({"channel": ["sms"], "learner": ["dr_learner"], "reason": [""], "contacted": [1.0]}),
    )  # fmt: skip
    with pytest.raises(BadInputError, match="No trial of e-mails"):
        policy_of(state, truth)


def test_the_best_that_the_exports_allow_has_its_own_value() -> None:
    hidden = np.array([0.02, -0.01, 0.0])
    found = Policy(hidden, hidden, hidden, np.zeros(3, dtype=bool), "oracle")
    assert found.share(0.0, of=found.best) == found.share(0.005, of=found.hidden) == 1.0


def test_the_worlds_are_parts_of_the_benchmark() -> None:
    assert {"world-6000", "world-60000", "world-500000"} <= set(PARTS)
