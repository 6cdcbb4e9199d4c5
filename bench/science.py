"""`python -m bench.science`: the candidates against plain scikit-learn on public tables and on the synthetic world.

Every figure is computed by the same code on the same splits for ours and the references; a shortfall is the better
reference less ours, so that small is good and below 0 is a gain.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from bench.references import Table, bank, references, xeducation
from bench.rows import Origin, Row, make_row, origin, write_suite
from bench.table import show
from contracts.settings import Settings
from models.calibration.calibrator import Floats, calibration_in_the_large, logistic_line, logit
from models.calibration.recalibration import roll
from models.evaluation.metrics import row_log_loss
from models.scoring.model import ResurrectionModel
from models.training.search import Fold, SearchPlan, finish, search, stratified_folds, time_folds

_INNER: Final = 4
_ORIGINS: Final = 5
_OURS: Final = "ours"


@dataclass(frozen=True)
class Scored:
    """Scores of one split: model name -> p of the test rows; `raw` and `model` are ours."""

    y: NDArray[np.bool_]
    p: dict[str, Floats]
    raw: Floats
    model: ResurrectionModel

    def auc(self, name: str) -> float:
        """Area under the ROC curve."""
        return float(roc_auc_score(self.y, self.raw if name == _OURS else self.p[name]))


def train_ours(table: Table, *, in_time: bool, seed: int = 7, threads: int = 1) -> ResurrectionModel:
    """Search, choice, calibration and refit on a table."""
    folds = time_folds(table.order, None, _INNER) if in_time else stratified_folds(table.y, table.groups, _INNER)
    order = table.order if in_time else None
    plan = SearchPlan(seed=seed, threads=threads)
    found = search(table.frame, table.y, table.features, folds=folds, groups=table.groups, order=order, plan=plan)
    return finish(found, table.frame, table.y, table.features, groups=table.groups, seed=seed, threads=threads)


def score_split(table: Table, fold: Fold, *, in_time: bool) -> Scored:
    """Ours and the references, learned on one side and scored on the other."""
    known, test = table.rows(fold.train), table.rows(fold.test)
    model = train_ours(known, in_time=in_time)
    raw = model.raw(test.frame)
    p = {_OURS: model.calibrate(raw)}
    for name, pipeline in references(table.features).items():
        p[name] = pipeline.fit(known.frame, known.y).predict_proba(test.frame)[:, 1]
    return Scored(test.y, p, raw, model)


def xeducation_rows(at: Origin, data: Path, *, repeats: int = 2) -> list[Row]:
    """Repeated five folds, duplicates grouped."""
    table = xeducation(data)
    splits = [score_split(table, fold, in_time=False) for fold in stratified_folds(table.y, table.groups, 5, repeats)]
    aucs = {name: np.array([one.auc(name) for one in splits]) for name in splits[0].p}
    better = max((name for name in aucs if name != _OURS), key=lambda name: float(aucs[name].mean()))
    gap = aucs[better] - aucs[_OURS]
    return [
        make_row(at, "X Education, 5 folds: AUC", [aucs[_OURS].mean()], "AUC", baseline=[aucs[better].mean()]),
        make_row(
            at, "X Education, 5 folds: AUC short of the better reference, in paired deviations",
            [float(gap.mean() / gap.std(ddof=1))], "sd", target=1.0,
        ),
        *_calibration_rows(at, "X Education, 5 folds", splits),
    ]  # fmt: skip


def xeducation_time_rows(at: Origin, data: Path) -> list[Row]:
    """Rolling origins by Lead Number."""
    table = xeducation(data)
    folds = time_folds(table.order, None, _ORIGINS)
    splits = [score_split(table, fold, in_time=True) for fold in folds]
    aucs = {name: float(np.mean([one.auc(name) for one in splits])) for name in splits[0].p}
    better = max(aucs[name] for name in aucs if name != _OURS)
    return [
        make_row(at, "X Education, 5 origins: AUC", [aucs[_OURS]], "AUC", baseline=[better]),
        make_row(
            at, "X Education, 5 origins: AUC short of the better reference", [better - aucs[_OURS]], "AUC", target=0.002
        ),
        *_calibration_rows(at, "X Education, 5 origins", splits),
    ]


def bank_rows(at: Origin, data: Path) -> list[Row]:
    """The last fifth of the calls, and what monthly recalibration saves there."""
    table = bank(data)
    cut = int(0.8 * table.y.size)
    one = score_split(table, Fold(np.arange(cut), np.arange(cut, table.y.size)), in_time=True)
    better = max(one.auc(name) for name in one.p if name != _OURS)
    month = (table.frame["month"] != table.frame["month"].shift()).cumsum().to_numpy()[cut:]
    rolled = roll(
        one.model.calibrator,
        raw=one.raw,
        y=one.y,
        month=month,
        groups=np.arange(one.y.size),
    )
    still, moved = (float(row_log_loss(p, one.y).mean()) for p in (one.p[_OURS], rolled))
    # With its default tolerance the regression stops early, which happens to rank these rows better than its end does.
    known, test = table.rows(np.arange(cut)), table.rows(np.arange(cut, table.y.size))
    solved = references(table.features)["logistic regression"].set_params(logisticregression__tol=1e-12)
    ended = float(roc_auc_score(test.y, solved.fit(known.frame, known.y).decision_function(test.frame)))
    return [
        make_row(at, "bank, last fifth: AUC", [one.auc(_OURS)], "AUC", baseline=[better]),
        make_row(
            at, "bank, last fifth: AUC short of the better reference", [better - one.auc(_OURS)], "AUC", target=0.0
        ),
        make_row(
            at, "bank, last fifth: AUC short of plain logistic regression solved to its end", [ended - one.auc(_OURS)],
            "AUC",
        ),
        make_row(
            at, "bank, last fifth: log loss with monthly recalibration / without", [moved], "nats",
            baseline=[still], target_ratio=1.0,
        ),
    ]  # fmt: skip


def speed_rows(at: Origin, *, rows: int = 500_000, columns: int = 40) -> list[Row]:
    """Processor seconds of search, choice, calibration and refit, and of one boosted fit against the libraries' own."""
    from bench.boosted import boosted_rows, snapshots

    table = snapshots(rows, columns)
    started, wall = time.process_time(), time.perf_counter()
    train_ours_once(table)
    used, passed = time.process_time() - started, time.perf_counter() - wall
    return [
        make_row(at, f"search and calibration, {rows:,} x {columns}: processor seconds", [used], "s", target=240.0),
        make_row(at, f"search and calibration, {rows:,} x {columns}: wall seconds", [passed], "s", target=180.0),
        *boosted_rows(at, table),
    ]


def train_ours_once(table: Table) -> ResurrectionModel:
    """As the daily run: one fold in time, two threads."""
    fold = time_folds(table.order, None, 1, first_share=0.6)
    plan = SearchPlan(threads=2)
    found = search(table.frame, table.y, table.features, folds=fold, groups=table.groups, order=table.order, plan=plan)
    return finish(found, table.frame, table.y, table.features, groups=table.groups, threads=2)


def expected_auc(score: Floats, p: Floats) -> float:
    """AUC that outcomes drawn with the true p would show on average; ties in the score count by position."""
    order = np.argsort(score, kind="stable")
    ranked = p[order]
    below = np.cumsum(1.0 - ranked) - (1.0 - ranked)
    return float((ranked * (below + 0.5 * (1.0 - ranked))).sum() / (ranked.sum() * (1.0 - ranked).sum()))


def _calibration_rows(at: Origin, name: str, splits: Sequence[Scored]) -> list[Row]:
    p, y = np.concatenate([one.p[_OURS] for one in splits]), np.concatenate([one.y for one in splits])
    slope = logistic_line(logit(p), y)[1]
    return [
        make_row(at, f"{name}: calibration slope, distance from 1", [abs(slope - 1.0)], "", target=0.1),
        make_row(at, f"{name}: calibration intercept, size", [abs(calibration_in_the_large(p, y))], "", target=0.1),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the wished parts, print the table, write `var/bench/science.json`."""
    parts: dict[str, Any] = {
        "xeducation": xeducation_rows,
        "xeducation-time": xeducation_time_rows,
        "bank": bank_rows,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[*parts, "speed"], action="append")
    parser.add_argument("--data", type=Path, default=Settings().example_data)
    given = parser.parse_args(arguments)
    at = origin()
    rows: list[Row] = []
    for name in given.only or [*parts, "speed"]:
        rows += speed_rows(at) if name == "speed" else parts[name](at, given.data)
    write_suite("science", rows)
    show("The candidates", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
