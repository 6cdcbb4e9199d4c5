"""Kinds of columns, identifiers, and rows that repeat others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.assess.columns import IDENTIFIER, NO_VALUE, ONE_VALUE, duplicate_groups, type_columns
from models.assess.table import FlatTable
from tests.models.assess.tables import leads


def _typed(frame: pd.DataFrame, **roles: object):
    return type_columns(FlatTable(columns=frame, y=np.zeros(len(frame), dtype=bool), **roles))  # type: ignore[arg-type]


def test_identifiers_constants_and_empty_columns_are_dropped_and_said() -> None:
    typed = _typed(leads(400).drop(columns="won"))
    assert typed.dropped == {"lead_id": IDENTIFIER, "version": ONE_VALUE, "fax": NO_VALUE}
    assert {spec.name: spec.kind for spec in typed.specs} == {
        "visits": "number", "minutes": "number", "source": "category", "noise": "number", "country": "category",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("anything", np.arange(1_000)),
        ("CONTROLN", np.random.default_rng(1).permutation(190_000)[:1_000]),
        ("customer_id", np.repeat(np.arange(300), 3)),
        ("mail", [f"p{i}@example.org" for i in range(300)] * 2),
        ("hash", [f"{i * 7919:08x}" for i in range(900)]),
    ],
)
def test_what_names_a_row_is_an_identifier(name: str, values: object) -> None:
    assert _typed(pd.DataFrame({name: values})).dropped == {name: IDENTIFIER}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("income", np.random.default_rng(2).integers(0, 10**9, 1_000)),
        ("age", np.random.default_rng(2).integers(18, 90, 1_000)),
        ("score", np.random.default_rng(2).normal(size=1_000)),
        ("orders", np.random.default_rng(2).poisson(3, 1_000)),
    ],
)
def test_a_number_is_no_identifier_because_it_varies(name: str, values: object) -> None:
    assert not _typed(pd.DataFrame({name: np.asarray(values, dtype=float)})).dropped


def test_free_text_is_text_and_a_flag_a_flag() -> None:
    rng = np.random.default_rng(3)
    words = ["asked", "for", "a", "price", "call", "again", "in", "may"]
    frame = pd.DataFrame(
        {"remark": [" ".join(rng.choice(words, 7)) + f" {i}" for i in range(200)], "opted": [0.0, 1.0] * 100}
    )
    assert {spec.name: spec.kind for spec in _typed(frame).specs} == {"remark": "text", "opted": "flag"}


def test_dates_become_ages_where_rows_have_a_date() -> None:
    frame = pd.DataFrame({"first_seen": pd.to_datetime(["2024-01-01", "2024-01-11", None])})
    time = np.array([19_753.0, 19_753.0, 19_753.0])  # 2024-01-31
    aged = _typed(frame, time=time, time_is_date=True)
    assert aged.frame["first_seen"].tolist()[:2] == [30.0, 20.0]
    assert np.isnan(aged.frame["first_seen"][2])
    assert _typed(frame).frame["first_seen"][0] == 19_723.0


def test_repeated_rows_get_one_group_and_coarse_tables_none() -> None:
    frame = leads(300).drop(columns=["won", "lead_id"])
    doubled = pd.concat([frame, frame.iloc[:30]], ignore_index=True)
    groups = duplicate_groups(doubled)
    assert groups is not None
    assert (groups[:30] == groups[300:]).all()
    assert len(np.unique(groups)) == 300
    assert duplicate_groups(frame) is None
    assert duplicate_groups(pd.DataFrame({"a": [1, 0] * 50, "b": [1] * 100, "c": [0] * 100})) is None
