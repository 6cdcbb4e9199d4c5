"""Assesses a flat table: what would this engine have achieved on these past leads?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadInputError
from models.assess.columns import TypedColumns, duplicate_groups, type_columns
from models.assess.drivers import Driver, drivers_of
from models.assess.learning import Learned, learn
from models.assess.measures import evaluate_rows, lift_of, reliability_of
from models.assess.profit import Profit, net_profit, profit_curve
from models.assess.splits import Splits, make_splits, moved_rate, refuse_small
from models.assess.table import Bools, FlatTable, Floats
from models.assess.uplift import ArmResult, assess_uplift
from models.evaluation.metrics import Evaluation
from models.leaks.columns import Suspect, suspect_columns

_MANY_CELLS: Final = 1_000_000  # below this a second thread costs more than it brings


@dataclass(frozen=True)
class AssessPlan:
    """How a table is assessed.

    Attributes:
        test_share: share held out by time.
        gap: length of the label window in the unit of `time`: inside training no row judges one whose window overlaps.
            The caller leaves the same gap before the held-out rows.
        cost: of one contact; 0 where an amount is given and no cost.
        control: arm that is the control, None to detect it.
        seed, threads: of fits and resampling.
    """

    test_share: float = 0.25
    gap: float = 0.0
    cost: float | None = None
    control: str | None = None
    seed: int = 7
    threads: int = 1


@dataclass(frozen=True)
class Prepared:
    """A table with typed columns and its rounds of held-out rows."""

    table: FlatTable
    typed: TypedColumns
    splits: Splits
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """Forecasts of the held-out rows of all rounds, stacked; a row appears once per repeat.

    Attributes:
        rows: row numbers, shape (judged,).
        p, raw: calibrated chance and tie-breaking raw log odds.
        reference_rate: base rate of the training rows.
    """

    rows: NDArray[np.intp]
    p: Floats
    raw: Floats
    reference_rate: float


@dataclass(frozen=True)
class Assessment:
    """What was found. Fields that do not apply are None or empty.

    Attributes:
        rows, test_rows: rows with an outcome in the file, and held-out rows that were judged.
        base_rate: share of positives among all rows (of the population, where weights are given).
        model: the recipe chosen (in most rounds), and why in the last one.
        protocol: which rows were held out, in words.
        evaluation: measures on the held-out rows.
        reliability, lift, profit_points: for pictures.
        policy_words: the policy of the last round.
        suspects: columns that may know the outcome.
        dropped: columns that are not used -> why.
        unavailable: what was asked for and cannot be had -> why.
        notes: what else a reader must know.
    """

    rows: int
    test_rows: int
    base_rate: float
    model: str
    model_reason: str
    protocol: str
    evaluation: Evaluation
    reliability: list[dict[str, float]]
    lift: list[tuple[float, float]]
    profit: Profit | None
    profit_points: list[tuple[float, float]]
    policy_words: str
    uplift: dict[str, ArmResult] | None
    suspects: tuple[Suspect, ...]
    drivers: tuple[Driver, ...]
    features: tuple[str, ...]
    dropped: dict[str, str]
    unavailable: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def prepare(table: FlatTable, plan: AssessPlan) -> Prepared:
    """Type the columns and choose the held-out rows.

    Raises:
        BadInputError: too few outcomes, no usable column, or a side without outcomes.
    """
    refuse_small(table.y)
    typed = type_columns(table)
    if not typed.specs:
        told = "; ".join(f"{name}: {why}" for name, why in list(typed.dropped.items())[:5])
        raise BadInputError(
            f"No column can tell anything about the outcome ({told or 'there is none beside the label'}).",
            remedy="Add columns that were known before the outcome.",
        )
    notes = list(table.notes)
    if table.group is None and table.cluster is None:
        twins = duplicate_groups(typed.frame)
        if twins is not None:
            repeated = len(table) - int(np.unique(twins).size)
            if table.time is None:
                table = replace(table, group=twins)
                notes.append(f"{repeated:,} rows repeat another on every column; such rows stay on one side")
            else:  # a later row is a new case, however much it looks like an earlier one
                table = replace(table, cluster=twins)
                notes.append(f"{repeated:,} rows repeat another on every column; intervals count such rows as one")
    splits = make_splits(table, test_share=plan.test_share, seed=plan.seed)
    if (moved := moved_rate(table, splits)) is not None:
        notes.append(moved)
    return Prepared(table, typed, splits, tuple(notes))


def assess(table: FlatTable, plan: AssessPlan, *, progress: Callable[[str], None] | None = None) -> Assessment:
    """Search, calibrate and judge on held-out rows.

    Raises:
        BadInputError: nothing can be told from this table; the text says why.
    """
    prepared = prepare(table, plan)
    table, typed = prepared.table, prepared.typed
    cost = None if table.value is None else plan.cost or 0.0
    threads = plan.threads if len(table) * len(typed.specs) >= _MANY_CELLS else 1
    rounds: list[Learned] = []
    parts: list[tuple[NDArray[np.intp], Floats, Floats, Floats, Bools]] = []
    for number, split in enumerate(prepared.splits.rounds, start=1):
        if progress:
            progress(f"round {number} of {len(prepared.splits.rounds)}")
        learned = learn(
            table, typed, split.train, split.test,
            by_time=prepared.splits.by_time, gap=plan.gap, cost=cost, seed=plan.seed, threads=threads,
        )  # fmt: skip
        rounds.append(learned)
        parts.append((split.test, *_forecast(learned, typed, split.test)))
    rows, p, raw, expected, contacted = (np.concatenate(column) for column in zip(*parts, strict=True))
    judged = Judged(rows, p, raw, training_rate(prepared))
    last = rounds[-1]
    in_last = typed.frame.iloc[prepared.splits.rounds[-1].test]
    uplift, unavailable, remarks = assess_uplift(table, typed, control=plan.control, cost=cost, seed=plan.seed)
    if uplift and plan.cost and table.value is None:
        remarks = (*remarks, "uplift is told without the cost: no amounts say what a return is worth beside it")
    if len(rounds) > 1:
        told = "the reason for the model, its policy and what drives it are those of the last round of folds"
        remarks = (*remarks, told)
    if table.weight is not None:
        remarks = (*remarks, "rates of suspected leaks are those of the rows in the file, not of the population")
    weight = None if table.weight is None else table.weight[rows]
    worth = _worth(prepared, judged, expected, contacted, cost, plan) if cost is not None else (None, [])
    return Assessment(
        rows=table.total_rows or len(table),
        test_rows=int(np.unique(rows).size),
        base_rate=float(np.average(table.y, weights=table.weights)),
        model=Counter(one.model.recipe for one in rounds).most_common(1)[0][0],
        model_reason=last.reason,
        protocol=prepared.splits.protocol,
        evaluation=evaluate_judged(prepared, judged, seed=plan.seed),
        reliability=reliability_of(p, table.y[rows], weight),
        lift=lift_of(table.y[rows], p, raw, weight),
        profit=worth[0],
        profit_points=worth[1],
        policy_words=last.policy.words if last.policy else "",
        uplift=uplift,
        suspects=suspect_columns(
            table.columns, typed.frame, typed.specs, table.y, seed=plan.seed, aged=table.time_is_date
        ),
        drivers=drivers_of(last.model, in_last),
        features=tuple(spec.name for spec in last.specs),
        dropped=typed.dropped | last.dropped,
        unavailable=table.unavailable | unavailable,
        notes=(*prepared.notes, *remarks),
    )


def training_rate(prepared: Prepared) -> float:
    """Weighted base rate of the training rows, mean over the rounds: the forecast to beat."""
    table = prepared.table
    rates = [np.average(table.y[split.train], weights=table.weights[split.train]) for split in prepared.splits.rounds]
    return float(np.mean(rates))


def evaluate_judged(prepared: Prepared, judged: Judged, *, seed: int) -> Evaluation:
    """Measures of stacked forecasts; a group, or a row that was judged twice, is resampled as one."""
    table, rows = prepared.table, judged.rows
    return evaluate_rows(
        y=table.y[rows],
        p=judged.p,
        raw=judged.raw,
        groups=table.units[rows],
        weights=None if table.weight is None else table.weight[rows],
        reference_rate=judged.reference_rate,
        seed=seed,
    )


def _forecast(learned: Learned, typed: TypedColumns, test: NDArray[np.intp]) -> tuple[Floats, Floats, Floats, Bools]:
    """p, raw, scaled expected value and whether the policy contacts each held-out row."""
    frame = typed.frame.iloc[test]
    raw = learned.model.raw(frame)
    p = learned.model.calibrate(raw)
    if learned.policy is None:
        return p, raw, np.zeros(test.size), np.zeros(test.size, dtype=bool)
    expected = learned.expected_value(frame, p)
    return p, raw, expected * learned.policy.scale, learned.policy.contacts(expected)


def _worth(
    prepared: Prepared, judged: Judged, expected: Floats, contacted: Bools, cost: float, plan: AssessPlan
) -> tuple[Profit, list[tuple[float, float]]]:
    table, rows = prepared.table, judged.rows
    assert table.value is not None
    common: dict[str, Any] = {
        "value": np.nan_to_num(table.value)[rows],
        "cost": cost,
        "weights": table.weights[rows],
        "repeats": prepared.splits.repeats,
    }
    profit = net_profit(contacted=contacted, groups=table.units[rows], seed=plan.seed, **common)
    return profit, profit_curve(expected=expected, **common)
