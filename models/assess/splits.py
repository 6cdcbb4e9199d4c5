"""Which rows are held out: named ones, the latest ones, or every row once in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.errors import BadInputError
from models.assess.table import Bools, FlatTable

LEAST_POSITIVES: Final = 50
LEAST_IN_TEST: Final = 20
FOLDS: Final = 5
_SURELY: Final = 5.0  # standard errors
_MOVED: Final = 0.5  # relative change of the base rate that makes earlier promises worthless
_MANY_CELLS: Final = 400_000  # above this one round of folds says as much as two

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    """One round: what is learned from and what is judged; row numbers."""

    train: Rows
    test: Rows


@dataclass(frozen=True)
class Splits:
    """All rounds of an assessment.

    Attributes:
        rounds: the rounds; several rounds together judge every row `repeats` times.
        protocol: the protocol in words.
        by_time: rows are ordered; the folds inside training follow the order.
        repeats: how often each held-out row is judged.
    """

    rounds: tuple[Split, ...]
    protocol: str
    by_time: bool = False
    repeats: int = 1


def refuse_small(y: Bools) -> None:
    """Refuse a table on which nothing can be told.

    Raises:
        BadInputError: fewer than 50 positives or 50 negatives.
    """
    hits, misses = int(y.sum()), int((~y).sum())
    if hits == 0 or misses == 0:
        raise BadInputError(
            f"The label has one class only: {hits:,} of {y.size:,} rows are positive.",
            remedy="A table needs rows with and without the outcome.",
        )
    if min(hits, misses) < LEAST_POSITIVES:
        few = "positives" if hits < misses else "negatives"
        raise BadInputError(
            f"{y.size:,} rows with {hits:,} positives are too few to say anything: at least {LEAST_POSITIVES} {few} "
            "are needed.",
            remedy="Add older rows, or assess a commoner outcome.",
        )


def moved_rate(table: FlatTable, splits: Splits) -> str | None:
    """Whether the base rate surely moved between training and later rows, in words; None where it did not."""
    if len(splits.rounds) != 1:
        return None
    split = splits.rounds[0]
    before, after = (
        float(np.average(table.y[rows], weights=table.weights[rows])) for rows in (split.train, split.test)
    )
    error = np.sqrt(sum(rate * (1 - rate) / rows.size for rate, rows in ((before, split.train), (after, split.test))))
    if abs(after - before) < max(_SURELY * error, _MOVED * before):
        return None
    return (
        f"the base rate moved from {before:.1%} to {after:.1%}: promises made from the earlier rows do not hold later; "
        "severe drift holds a batch, and calibration must roll"
    )


def make_splits(table: FlatTable, *, test_share: float, seed: int) -> Splits:
    """Held-out rows that the user named, else the last share by time, else repeated stratified folds.

    Rows of a group stay on one side. Held out by name: training gives up rows of the held-out groups. Held out by
    time: the test gives up groups that training has seen, because giving them up in training would choose rows by
    what happened later.

    Raises:
        BadInputError: a side lacks outcomes of either kind.
    """
    if table.is_test is not None:
        splits = _named(table, table.is_test)
    elif table.time is not None:
        splits = _latest(table, test_share)
        if table.group is not None and splits.rounds[0].test.size < LEAST_IN_TEST:
            raise BadInputError(
                "Nearly every later row belongs to a group that has earlier rows too, so none of them is new.",
                remedy="Leave --group out to forecast known groups, or leave --time out to hold whole groups out.",
            )
    else:
        return _folds(table, seed)
    for split in splits.rounds:
        _check_side(table.y[split.train], "training", LEAST_POSITIVES)
        _check_side(table.y[split.test], "held-out", LEAST_IN_TEST)
    return splits


def _named(table: FlatTable, is_test: Bools) -> Splits:
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    words = "held out: the rows that the test filter names"
    if table.group is not None and test.size:
        shared = np.isin(table.group[train], pd.unique(table.group[test]))
        if shared.any():
            words += f"; {int(shared.sum()):,} training rows left out because their group is held out"
        train = train[~shared]
    return Splits((Split(train, test),), words, by_time=table.time is not None)


def _latest(table: FlatTable, share: float) -> Splits:
    assert table.time is not None
    order = np.sort(table.time)
    cut = order[min(int(np.ceil((1.0 - share) * order.size)), order.size - 1)]
    if cut == order[0]:
        raise BadInputError(
            f"The time column puts no row before the last {share:.0%}: most rows share one time.",
            remedy="Name a column that tells when each row was decided, or leave --time out.",
        )
    train, test = np.flatnonzero(table.time < cut), np.flatnonzero(table.time >= cut)
    words = f"held out: the last {test.size / order.size:.0%} by time"
    if table.group is not None:
        seen = np.isin(table.group[test], pd.unique(table.group[train]))
        if seen.any():
            words += f"; {int(seen.sum()):,} later rows left out because training knows their group"
        test = test[~seen]
    return Splits((Split(train, test),), words, by_time=True)


def _check_side(y: Bools, side: str, least: int) -> None:
    hits, misses = int(y.sum()), int((~y).sum())
    if min(hits, misses) < least:
        raise BadInputError(
            f"The {side} rows hold {hits:,} positives and {misses:,} negatives; at least {least} of each are needed.",
            remedy="Move the split (--test-share, --test-filter), or leave --time out.",
        )


def _folds(table: FlatTable, seed: int) -> Splits:
    repeats = 1 if len(table) * max(table.columns.shape[1], 1) > _MANY_CELLS else 2
    rounds = []
    for repeat in range(repeats):
        part = fold_of(table.y, table.units, folds=FOLDS, seed=seed + repeat)
        rounds += [Split(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(FOLDS)]
    times = "" if repeats == 1 else f" {repeats} times"
    words = f"held out: every row once in {FOLDS} stratified folds{times}"
    return Splits(tuple(rounds), words, repeats=repeats)


def fold_of(y: Bools, groups: Any, *, folds: int, seed: int) -> NDArray[np.intp]:
    """Fold of each row, shape (rows,): a group stays whole, and groups are dealt out by how often it happened."""
    codes, distinct = pd.factorize(np.asarray(groups))
    events = np.bincount(codes, weights=y, minlength=len(distinct))
    sizes = np.bincount(codes, minlength=len(distinct))
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(distinct))
    order = shuffled[np.lexsort((sizes[shuffled], events[shuffled]))]
    part = np.empty(len(distinct), dtype=np.intp)
    part[order] = (np.arange(len(distinct)) + int(rng.integers(folds))) % folds
    return part[codes]
