"""Held-out rows: by name, by time, in turn; groups stay on one side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import BadInputError
from models.assess.splits import fold_of, make_splits, refuse_small
from models.assess.table import FlatTable

RNG = np.random.default_rng(5)


def _table(rows: int = 1_000, **roles: object) -> FlatTable:
    return FlatTable(
        columns=pd.DataFrame({"x": np.zeros(rows)}),
        y=np.arange(rows) % 3 == 0,
        **roles,  # type: ignore[arg-type]
    )


def test_the_last_share_by_time_is_held_out_and_ties_stay_together() -> None:
    time = np.repeat(np.arange(100.0), 10)[RNG.permutation(1_000)]
    splits = make_splits(_table(time=time), test_share=0.25, seed=1)
    (split,) = splits.rounds
    assert splits.by_time
    assert time[split.train].max() < time[split.test].min()
    assert split.test.size == 250


def test_a_later_row_of_a_known_group_is_not_judged() -> None:
    time, group = np.arange(1_000.0), np.arange(1_000) % 900
    (split,) = make_splits(_table(time=time, group=group), test_share=0.25, seed=1).rounds
    assert not set(group[split.train]) & set(group[split.test])
    assert split.train.size == 750
    assert split.test.size == 150


def test_named_rows_are_all_judged_and_their_groups_leave_training() -> None:
    is_test, group = np.arange(1_000) >= 700, np.arange(1_000) % 800
    (split,) = make_splits(_table(is_test=is_test, group=group), test_share=0.25, seed=1).rounds
    assert split.test.size == 300
    assert not set(group[split.train]) & set(group[split.test])


@pytest.mark.parametrize("hits", [0, 10, 49])
def test_few_positives_are_refused(hits: int) -> None:
    y = np.arange(400) < hits
    with pytest.raises(BadInputError):
        refuse_small(y)
    with pytest.raises(BadInputError):
        refuse_small(~y)


def test_a_side_without_outcomes_is_refused() -> None:
    table = replace(_table(time=np.arange(1_000.0)), y=np.arange(1_000) < 300)
    with pytest.raises(BadInputError, match="held-out rows hold 0 positives"):
        make_splits(table, test_share=0.25, seed=1)


def test_one_time_for_all_is_refused() -> None:
    with pytest.raises(BadInputError, match="most rows share one time"):
        make_splits(_table(time=np.zeros(1_000)), test_share=0.25, seed=1)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=60, max_size=300), st.integers(0, 5))
def test_folds_never_part_a_group_and_use_every_row(rows: list[tuple[int, bool]], seed: int) -> None:
    groups, y = np.array([group for group, _ in rows]), np.array([hit for _, hit in rows])
    part = fold_of(y, groups, folds=5, seed=seed)
    assert part.size == y.size
    assert all(len(set(part[groups == group])) == 1 for group in set(groups.tolist()))


def test_folds_have_like_shares_of_positives() -> None:
    y = RNG.random(2_000) < 0.05
    part = fold_of(y, np.arange(2_000), folds=5, seed=1)
    hits = np.bincount(part[y], minlength=5)
    assert hits.max() - hits.min() <= 1
