"""Folds of row positions: in time order or stratified; rows of one group never stand on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Fold:
    """Row positions to learn from and to judge on."""

    train: Rows
    test: Rows


def time_folds(order: Any, groups: Any = None, n: int = 3, *, gap: float = 0.0, first_share: float = 0.5) -> list[Fold]:
    """Expanding folds in time order: each test block is later than all rows it is judged by.

    Args:
        order: when each row is, sortable, shape (rows,); equal values stay together.
        groups: account or person of each row; rows of a test group that are also in the past leave *training*,
            unless None. Pass None where one person's earlier rows are honest history.
        n: test blocks, of about equal numbers of rows.
        gap: least distance in `order` between training and test rows; needs a numeric order.
        first_share: share of the rows before the first test block.

    Returns:
        The folds in time order; fewer than `n` where the order has too few distinct values.
    """
    codes, distinct = pd.factorize(np.asarray(order), sort=True)
    share = np.cumsum(np.bincount(codes)) / codes.size
    # The block of each distinct value by the share of rows up to its middle; -1 is before the first block.
    middle = share - np.bincount(codes) / (2 * codes.size)
    block_of = np.floor((middle - first_share) / (1 - first_share) * n).astype(int)
    block = block_of[codes]
    names = None if groups is None else pd.factorize(np.asarray(groups))[0]
    folds = []
    for index in range(n):
        test = np.flatnonzero(block == index)
        if not test.size:
            continue
        before = codes < codes[test].min()
        if gap:
            before &= np.asarray(distinct, dtype=np.float64)[codes] <= float(distinct[codes[test].min()]) - gap
        if names is not None:
            before &= ~np.isin(names, names[test])
        train = np.flatnonzero(before)
        if train.size:
            folds.append(Fold(train, test))
    return folds


def stratified_folds(
    y: NDArray[np.bool_], groups: Any = None, n: int = 5, repeats: int = 1, seed: int = 7
) -> list[Fold]:
    """Shuffled folds with like base rates; rows of one group stay on one side.

    Args:
        y: outcome, shape (rows,).
        groups: account or person of each row; None makes every row a group of its own.
        n: folds a repeat.
        repeats: times that all rows are dealt anew.
        seed: of the first repeat.
    """
    names = np.arange(y.size) if groups is None else pd.factorize(np.asarray(groups), sort=True)[0]
    folds = []
    for repeat in range(repeats):
        dealt = np.asarray(_dealt(y, names, n, seed + repeat), dtype=np.intp)
        folds += [Fold(np.flatnonzero(dealt != part), np.flatnonzero(dealt == part)) for part in range(n)]
    return folds


def _dealt(y: NDArray[np.bool_], names: NDArray[np.intp], n: int, seed: int) -> NDArray[np.intp]:
    part = np.empty(y.size, dtype=np.intp)
    splitter = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    for index, (_, test) in enumerate(splitter.split(np.zeros(y.size), y, names)):
        part[test] = index
    return part
