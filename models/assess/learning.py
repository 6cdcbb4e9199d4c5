"""One round of an assessment: the platform's candidate search, calibration and value model on training rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.assess.columns import TypedColumns
from models.assess.profit import Policy, choose_policy
from models.assess.screening import screen
from models.assess.splits import fold_of
from models.assess.table import FlatTable, Floats
from models.assess.value import AmountModel, fit_amounts
from models.features import FeatureSpec
from models.scoring.model import ResurrectionModel
from models.training.matrix import clean_frame, usable_features
from models.training.search import Fold, SearchPlan, finish, search, time_folds
from models.training.table import TableCoder

_FOLDS: Final = 3
_APART: Final = "its values in the held-out rows lie outside those of the training rows"


@dataclass(frozen=True)
class Learned:
    """What was learned from the training rows of a round.

    Attributes:
        model: the finished model.
        reason: why its recipe was chosen, in words.
        specs: the features it reads.
        dropped: columns that could not be used in this round -> why.
        policy: whom to contact, None without a value column.
        amounts: the second stage with the coder of its columns, None without a value column.
    """

    model: ResurrectionModel
    reason: str
    specs: tuple[FeatureSpec, ...]
    dropped: dict[str, str]
    policy: Policy | None = None
    amounts: tuple[AmountModel, TableCoder, TableCoder] | None = None

    def expected_value(self, frame: pd.DataFrame, p: Floats) -> Floats:
        """Chance x amount of each row, unscaled."""
        if self.amounts is None:
            raise AssertionError("no value column was given")
        model, linear, trees = self.amounts

        cleaned = clean_frame(frame, self.specs)
        return p * model.expected(linear.transform(cleaned), trees.transform(cleaned))


def learn(
    table: FlatTable,
    typed: TypedColumns,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    *,
    by_time: bool,
    gap: float,
    cost: float | None,
    seed: int,
    threads: int,
) -> Learned:
    """Search, finish and, where amounts are given, choose a policy; held-out rows give their ranges and nothing else.

    Args:
        table, typed: all rows.
        train, test: row numbers of the round.
        by_time: inner folds follow the order of the rows.
        gap: least distance in time between learning and judging rows of an inner fold.
        cost: of one contact, None without a value column.
        seed, threads: of the fits.
    """
    part = table.take(train)
    frame = typed.frame.iloc[train]
    specs, report = usable_features(frame, typed.specs)
    dropped = dict(report.dropped)
    if by_time or table.is_test is not None:
        apart = _apart(frame, typed.frame.iloc[test], specs)
        dropped |= dict.fromkeys(apart, _APART)
        specs = tuple(spec for spec in specs if spec.name not in apart)
    kept = screen(frame, specs, part.y, part.weights, amount=part.value)
    if len(kept) < len(specs):
        names = {spec.name for spec in kept}
        dropped |= {spec.name: "weaker than the columns kept" for spec in specs if spec.name not in names}
    frame = frame[[spec.name for spec in kept]]
    folds = _inner_folds(part, by_time=by_time, gap=gap, seed=seed)
    with threadpool_limits(threads):
        found = search(
            frame, part.y, kept, folds=folds, groups=part.units, order=part.time if by_time else None,
            plan=SearchPlan(seed=seed, threads=threads), weights=part.weight,
        )  # fmt: skip
        model = finish(found, frame, part.y, kept, groups=part.units, seed=seed, weights=part.weight, threads=threads)
    learned = Learned(model, found.reason, kept, dropped)
    if part.value is None or cost is None:
        return learned
    held_out = model.calibrate(found.raw[found.chosen.name.value])
    return _with_policy(learned, part, frame, held_out, found.judged, cost=cost, seed=seed, threads=threads)


def _inner_folds(part: FlatTable, *, by_time: bool, gap: float, seed: int) -> list[Fold]:
    if by_time:
        folds = time_folds(part.time, part.group, _FOLDS, gap=gap)
        usable = [fold for fold in folds if _both(part.y[fold.train]) and _both(part.y[fold.test])]
        if usable:
            return usable
    dealt = fold_of(part.y, part.units, folds=_FOLDS, seed=seed)
    return [Fold(np.flatnonzero(dealt != k), np.flatnonzero(dealt == k)) for k in range(_FOLDS)]


def _both(y: NDArray[np.bool_]) -> bool:
    return min(int(y.sum()), int((~y).sum())) >= 5


def _apart(train: pd.DataFrame, test: pd.DataFrame, specs: tuple[FeatureSpec, ...]) -> set[str]:
    """Numbers that separate the two sides: a clock, a running number, or the column of the filter itself."""
    apart = set()
    for spec in specs:
        if spec.kind in ("number", "flag"):
            known, later = train[spec.name].dropna(), test[spec.name].dropna()
            if len(known) and len(later) and (later.min() > known.max() or later.max() < known.min()):
                apart.add(spec.name)
    return apart


def _with_policy(
    learned: Learned,
    part: FlatTable,
    frame: pd.DataFrame,
    held_out: Floats,
    judged: NDArray[np.intp],
    *,
    cost: float,
    seed: int,
    threads: int,
) -> Learned:

    assert part.value is not None
    cleaned = clean_frame(frame, learned.specs)
    linear, trees = TableCoder("linear", knots=3, seed=seed), TableCoder("trees", seed=seed)
    prepared = linear.fit_transform(cleaned, learned.specs, part.y, part.units, part.weights)
    raw = trees.fit_transform(cleaned, learned.specs, part.y, part.units, part.weights)
    with threadpool_limits(threads):
        amounts = fit_amounts(
            prepared=prepared, raw=raw, y=part.y, amount=part.value, weights=part.weights,
            fold=fold_of(part.y, part.units, folds=5, seed=seed), groups=part.units, seed=seed,
        )  # fmt: skip
    policy = choose_policy(
        expected=held_out[judged] * amounts.held_out[judged],
        value=np.nan_to_num(part.value)[judged],
        cost=cost,
        weights=part.weights[judged],
        groups=part.units[judged],
    )
    return replace(learned, policy=policy, amounts=(amounts, linear, trees))
