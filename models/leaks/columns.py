"""Columns of a flat table that know the outcome. Suspected columns are named, never dropped.

Four rules: it predicts too well alone; its absence equals the label; some of its values decide the label; its name or
its dates say that it was written after the outcome. Each rule asks for more than a strong honest column shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration.calibrator import Floats
from models.features import FeatureSpec

Bools = NDArray[np.bool_]
Rule = Literal["predicts_too_well", "absence_equals_label", "values_decide_label", "written_later"]

_TOO_WELL: Final = 0.90  # lower bound of the AUC of one column alone
_LEAST_ROWS: Final = 30
_PRIOR_ROWS: Final = 5.0
_BINS: Final = 20
_Z: Final = 1.96
# Names of what a CRM writes or overwrites while and after the outcome happens -> least AUC of the column alone.
_WRITTEN_LATER: Final = (
    (r"\blast (notable |known |recorded |sales )?(activity|action|modified|modification|updated?|contacted|touched?"
     r"|status|stage|outcome|event)\b", 0.62),
    (r"^(status|stage|outcome|result|disposition|resolution)$|\b(lead|deal|opportunity|opp|sales|pipeline|call|contact"
     r"|final|current|conversation|closing?) (status|stage|outcome|result|disposition|resolution)\b", 0.62),
    (r"\b(tags?|lead (quality|grade|rating|profile)|activity (score|index))\b", 0.62),
    (r"\b(close[ds]?|closing|won|lost|loss|win|conver(ted|sion)|churn(ed)?|cancell?ed|cancellation|signed"
     r"|disqualified) (date|at|on|time|reason|by|amount|value|revenue)\b", 0.60),
    (r"\b(date|reason|time|amount) (of )?(closed?|won|lost|loss|win|conver(ted|sion)|churn(ed)?|cancell(ed|ation))\b",
     0.60),
    (r"^(call |talk |conversation )?duration$", 0.75),
)  # fmt: skip


@dataclass(frozen=True)
class Suspect:
    """A column that may know the outcome.

    Attributes:
        column: its name.
        rule: the first rule that names it.
        words: what was seen, for a reader.
        auc: how well it ranks the rows alone, NaN where only its absence was looked at.
    """

    column: str
    rule: Rule
    words: str
    auc: float


def suspect_columns(
    columns: pd.DataFrame, frame: pd.DataFrame, specs: Sequence[FeatureSpec], y: Bools, *, seed: int, aged: bool = False
) -> tuple[Suspect, ...]:
    """Every column that a rule names, in the order of the table.

    Args:
        columns: all columns as read, also those that are no features; for the rule of absence.
        frame: the features, numbers as float64 (dates as age in days) and text as object, None for missing.
        specs: the features.
        y: outcome, shape (rows,).
        seed: of the halves on which a column alone is judged.
        aged: dates of `frame` are ages at the row's own time.
    """
    half = np.random.default_rng(seed).integers(0, 2, y.size)
    kinds = {spec.name: spec.kind for spec in specs}
    found = []
    for name in columns.columns:
        alone = float("nan")
        absence = _absence(str(name), columns[name].isna().to_numpy(), y)
        suspect = absence
        if name in kinds and kinds[name] != "text":
            alone, low = auc_alone(frame[name], kinds[name], y, half)
            suspect = (
                _too_well(str(name), alone, low)
                or absence
                or _deciding(str(name), frame[name], kinds[name], y, alone)
                or _named(str(name), alone, low)
                or (_dated_later(str(name), columns[name], frame[name], y, alone) if aged else None)
            )
        if suspect is not None:
            found.append(Suspect(suspect.column, suspect.rule, suspect.words, alone))
    return tuple(found)


def auc_alone(column: pd.Series, kind: str, y: Bools, half: NDArray[Any]) -> tuple[float, float]:
    """AUC of one column alone and its lower bound; rates of its values come from the other half of the rows."""
    if kind in ("category", "text"):
        codes, distinct = pd.factorize(column.to_numpy(dtype=object), use_na_sentinel=False)
        best = _auc(_rates(codes, len(distinct), y, half), y)
    else:
        values = column.to_numpy(dtype=np.float64)
        known = values[~np.isnan(values)]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if known.size else np.zeros(0)
        codes = np.where(np.isnan(values), 0, np.searchsorted(edges, values, side="left") + 1)
        best = _auc(_rates(codes, edges.size + 2, y, half), y)
        if known.size == values.size:
            straight = _auc(values, y)
            best = max(best, straight, 1.0 - straight)
    return best, best - _Z * _auc_error(best, int(y.sum()), int((~y).sum()))


def _rates(codes: NDArray[Any], count: int, y: Bools, half: NDArray[Any]) -> Floats:
    """Shrunk rate of each row's value, learned from the other half."""
    scores = np.zeros(y.size)
    base = float(y.mean())
    for side in (0, 1):
        learn, judge = half != side, half == side
        rows = np.bincount(codes[learn], minlength=count)
        hits = np.bincount(codes[learn], weights=y[learn], minlength=count)
        scores[judge] = ((hits + _PRIOR_ROWS * base) / (rows + _PRIOR_ROWS))[codes[judge]]
    return scores


def _auc(scores: Floats, y: Bools) -> float:
    ranks = pd.Series(scores).rank().to_numpy()
    hits = int(y.sum())
    return float((ranks[y].sum() - hits * (hits + 1) / 2) / max(hits * (y.size - hits), 1))


def _auc_error(auc: float, hits: int, misses: int) -> float:
    """Standard error of an AUC (Hanley and McNeil, 1982)."""
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (hits - 1) * (one - auc**2) + (misses - 1) * (two - auc**2)
    return float(np.sqrt(max(spread, 0.0) / max(hits * misses, 1)))


def _too_well(name: str, auc: float, low: float) -> Suspect | None:
    if not low >= _TOO_WELL:
        return None
    return Suspect(name, "predicts_too_well", f"alone it ranks {auc:.1%} of pairs right", auc)


def _absence(name: str, absent: Bools, y: Bools) -> Suspect | None:
    rows, blanks = y.size, int(absent.sum())
    if not rows - blanks >= _LEAST_ROWS or not blanks >= _LEAST_ROWS:
        return None
    base = float(y.mean())
    filled_rate, blank_rate = float(y[~absent].mean()), float(y[absent].mean())
    agreement = float(np.corrcoef(~absent, y)[0, 1])
    told = f"where it is filled {filled_rate:.1%} are positive, where it is blank {blank_rate:.1%}"
    if abs(agreement) >= 0.9:
        return Suspect(name, "absence_equals_label", f"its absence equals the label: {told}", float("nan"))
    pure = base <= 0.8 and max(filled_rate, blank_rate) >= 0.98
    # A side without positives counts only where many were due and the column follows the label.
    due = base * np.array([rows - blanks, blanks])
    seen = np.array([filled_rate * (rows - blanks), blank_rate * blanks])
    empty = bool(((due >= 20) & (seen <= 0.02 * due)).any()) and abs(agreement) >= 0.3
    if pure or empty:
        return Suspect(name, "absence_equals_label", f"its absence nearly decides the label: {told}", float("nan"))
    return None


def _deciding(name: str, column: pd.Series, kind: str, y: Bools, auc: float) -> Suspect | None:
    """Values that are nearly always positive, and at a common outcome others that are nearly never."""
    codes, distinct = pd.factorize(column.to_numpy(dtype=object if kind in ("category", "text") else np.float64))
    if len(distinct) > (200 if kind == "category" else 30) or len(distinct) < 2:
        return None
    inside = codes >= 0
    rows = np.bincount(codes[inside], minlength=len(distinct))
    hits = np.bincount(codes[inside], weights=y[inside], minlength=len(distinct))
    low, high = _wilson(hits, rows)
    base, positives = float(y.mean()), float(y.sum())
    many = rows >= _LEAST_ROWS
    always = many & (low >= 0.85)
    never = many & (high <= 0.08)
    covered = float(rows[always | never].sum()) / y.size
    polar = base >= 0.2 and base <= 0.6 and always.any() and never.any() and covered >= 0.1
    sure = many & (low >= (0.95 if base >= 0.2 else 0.85))
    certain = base <= 0.6 and float(hits[sure].sum()) >= 0.05 * positives and bool(sure.any())
    if not (polar or certain):
        return None
    told = f"{int(always.sum())} of its values are nearly always positive"
    told += f" and {int(never.sum())} nearly never, {covered:.0%} of the rows" if polar else ""
    return Suspect(name, "values_decide_label", told, auc)


def _wilson(hits: NDArray[Any], rows: NDArray[Any]) -> tuple[Floats, Floats]:
    """Wilson interval of each rate (Wilson, 1927)."""
    n = np.maximum(rows.astype(np.float64), 1.0)
    p, z2 = hits / n, _Z**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    spread = _Z * np.sqrt(p * (1 - p) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return np.asarray(centre - spread), np.asarray(centre + spread)


def _named(name: str, auc: float, low: float) -> Suspect | None:
    plain = " ".join(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)).lower()
    for pattern, least in _WRITTEN_LATER:
        if re.search(pattern, plain) and low >= least:
            told = f"by its name it is written during or after the outcome, and alone it ranks {auc:.1%} of pairs right"
            return Suspect(name, "written_later", told, auc)
    return None


def _dated_later(name: str, raw: pd.Series, age: pd.Series, y: Bools, auc: float) -> Suspect | None:
    """Dates after the row's own time; `age` is then negative."""
    if raw.dtype.kind != "M":
        return None
    later = (age.to_numpy(dtype=np.float64) < -1.0) & (age.to_numpy(dtype=np.float64) > -36_500)
    if int(later.sum()) < max(_LEAST_ROWS, 0.01 * y.size) or later.all():
        return None
    inside, outside = float(y[later].mean()), float(y[~later].mean())
    error = float(np.sqrt(y.mean() * (1 - y.mean()) * (1 / later.sum() + 1 / (~later).sum())))
    if abs(inside - outside) < max(4 * error, 0.5 * float(y.mean())):
        return None
    told = f"{later.mean():.0%} of its dates lie after the row's own time; {inside:.1%} of those rows are positive"
    return Suspect(name, "written_later", told, auc)
