"""`make benchmark`: `assess` on the public tables that are there, beside plain scikit-learn on the same splits.

Figures that must not fall below something are told as a shortfall, so that small is good. A table that is absent is
skipped, and the table printed says why.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from bench.benchmark_tables import olist, read, winners, without
from bench.rows import ROOT, Origin, Row, make_row, origin, write_suite
from bench.table import show
from contracts.errors import BadInputError
from contracts.settings import Settings
from models.assess.assessment import (
    AssessPlan,
    Judged,
    Prepared,
    assess,
    evaluate_judged,
    prepare,
    training_rate,
)
from models.assess.table import FlatTable
from models.drift.report import drift_report
from models.evaluation.metrics import Evaluation

_FLOOR: Final = 1e-6
_AFTERWARDS: Final = ("Tags", "Lead Quality", "Last Notable Activity")
_GAP_DAYS: Final = 60.0
_ALL_AFTERWARDS: Final = (
    "Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity", "Asymmetrique Activity Index",
    "Asymmetrique Profile Index", "Asymmetrique Activity Score", "Asymmetrique Profile Score",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A part of the suite: a module and its function from an origin and the folder of public tables to rows."""

    module: str
    function: str

    def load(self) -> Callable[[Origin, Path], list[Row]]:
        """The function; its module is imported only when the part is wished."""
        found: Callable[[Origin, Path], list[Row]] = getattr(importlib.import_module(self.module), self.function)
        return found

    def __call__(self, at: Origin, data: Path) -> list[Row]:
        """Measure the part."""
        return self.load()(at, data)


def references_on(prepared: Prepared, *, seed: int) -> dict[str, Evaluation]:
    """Plain scikit-learn with default settings on the same splits, judged by the same code."""
    from bench.references import references

    table, typed = prepared.table, prepared.typed
    found = {}
    for name in references(typed.specs):
        rows, chances = [], []
        for split in prepared.splits.rounds:
            learn = typed.frame.iloc[split.train]
            kept = tuple(spec for spec in typed.specs if learn[spec.name].nunique(dropna=False) > 1)
            model = references(kept)[name].fit(learn, table.y[split.train])
            chances.append(model.predict_proba(typed.frame.iloc[split.test])[:, 1])
            rows.append(split.test)
        p = np.clip(np.concatenate(chances), _FLOOR, 1 - _FLOOR)
        judged = Judged(np.concatenate(rows), p, p, training_rate(prepared))
        found[name] = evaluate_judged(prepared, judged, seed=seed)
    return found


def olist_rows(at: Origin, data: Path, *, table: FlatTable | None = None) -> list[Row]:
    """Olist: an interval clustered on the lead; few winners, so no promise."""
    table = table or olist(data)
    plan = AssessPlan(gap=_GAP_DAYS)
    prepared = prepare(table, plan)
    found = assess(table, plan)
    reference = max(one.roc_auc.value for one in references_on(prepared, seed=plan.seed).values())
    auc = found.evaluation.roc_auc
    name = "Olist, dormant 30 days, won in 60"
    return [
        make_row(at, f"{name}: AUC", [auc.value], "AUC", baseline=[reference]),
        make_row(at, f"{name}: AUC, lower bound by lead", [auc.low], "AUC"),
        make_row(at, f"{name}: AUC, upper bound by lead", [auc.high], "AUC"),
        make_row(at, f"{name}: winners held out", [float(winners(prepared.table))], "leads"),
    ]


def leak_rows(at: Origin, data: Path) -> list[Row]:
    """Raw tables: the columns known to be written afterwards must be named; the same tables without them raise none."""
    rows = []
    for name, path, label, known, later in (
        ("X Education", data / "xeducation" / "Leads.csv", "Converted", _AFTERWARDS, _ALL_AFTERWARDS),
        ("bank", data / "bank" / "bank-additional-full.csv", "y", ("duration",), ("duration",)),
    ):
        table = read(path, label=label)
        named = set(_suspects(table))
        clean = set(_suspects(without(table, later)))
        rows.append(
            make_row(at, f"{name} raw: leaks not named", [float(len(set(known) - named))], "columns", target=0.0)
        )
        rows.append(make_row(at, f"{name} without them: columns doubted", [float(len(clean))], "columns", target=0.0))
    return rows


def drift_rows(at: Origin, data: Path, *, hold_share: float = 0.5) -> list[Row]:
    """Bank by file order: drift must be seen, told, and severe enough to hold a batch."""
    table = read(data / "bank" / "bank-additional-full.csv", label="y", time="_row_number", drop=("duration",))
    prepared = prepare(table, AssessPlan(test_share=0.2))
    (split,) = prepared.splits.rounds
    frame = prepared.typed.frame
    drift = drift_report(frame.iloc[split.test], frame.iloc[split.train], prepared.typed.specs)
    told = any("base rate moved" in note for note in prepared.notes)
    missed = float(not told) + float((drift.share or 0.0) < hold_share)
    return [
        make_row(at, "bank, last fifth: share of drifted columns", [drift.share or 0.0], "share"),
        make_row(at, "bank, last fifth: severe drift not told or not held", [missed], "faults", target=0.0),
    ]


def _suspects(table: FlatTable) -> list[str]:
    from models.assess.columns import type_columns
    from models.leaks.columns import suspect_columns

    typed = type_columns(table)
    found = suspect_columns(table.columns, typed.frame, typed.specs, table.y, seed=7, aged=table.time_is_date)
    return [suspect.column for suspect in found]


PARTS: Final[dict[str, Callable[[Origin, Path], list[Row]]]] = {
    "leaks": leak_rows,
    "drift": drift_rows,
    "olist": olist_rows,
    "xeducation": Part("bench.science", "xeducation_rows"),
    "xeducation-time": Part("bench.science", "xeducation_time_rows"),
    "bank": Part("bench.science", "bank_rows"),
    "world-6000": Part("bench.synthetic", "rows_6_000"),
    "world-60000": Part("bench.synthetic", "rows_60_000"),
    "world-200000": Part("bench.synthetic", "rows_200_000"),
    "world-500000": Part("bench.synthetic", "rows_500_000"),
}


def measure(names: Sequence[str], at: Origin, data: Path, *, console: Console) -> list[Row]:
    """Rows of the parts named; a part whose table is absent is skipped with its reason."""
    rows: list[Row] = []
    for name in names:
        try:
            rows += PARTS[name](at, data)
        except BadInputError as error:
            console.print(f"skipped {name}: {error}", markup=False)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the wished parts, print the table, write `var/bench/benchmark.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(PARTS), action="append")
    parser.add_argument("--data", type=Path, default=ROOT / Settings().example_data)
    given = parser.parse_args(arguments)
    console = Console(highlight=False)
    rows = measure(given.only or list(PARTS), origin(), given.data, console=console)
    write_suite("benchmark", rows)
    show("What assess achieves", rows, console=console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
