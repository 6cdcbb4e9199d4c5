"""Whom contact helps, on a flat table with a treatment: finds the control, doubts the draw, and reports every arm."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from contracts.errors import BadInputError
from models.assess.columns import TypedColumns
from models.assess.screening import screen
from models.assess.splits import fold_of
from models.assess.table import FlatTable, Floats
from models.evaluation.resampling import Interval
from models.features import FeatureSpec
from models.training.matrix import clean_frame, usable_features
from models.training.table import TableCoder
from models.uplift.learners import LearnerName
from models.uplift.report import UpliftReport, assess_arms
from models.uplift.trial import Arms, make_arms

_CONTROL: Final = re.compile(
    r"^(0|no|none|false|n|control|ctrl|c|holdout|held[ _-]?out|untreated|not[ _-]treated|placebo|baseline|nothing)$"
    r"|\b(control|holdout)\b"
    r"|^no[ _-]?(e-?mails?|mails?|mailing|contact|treatment|sms|call|letter|message|offer|campaign)$",
    re.IGNORECASE,
)
_MOST_ARMS: Final = 20
_MOST_FEATURES: Final = 60
_MOST_ROWS: Final = 30_000
_DRAWN: Final = 0.6  # AUC above which the arm can be told from the columns: then it was not drawn at random


@dataclass(frozen=True)
class ArmResult:
    """An arm against the control; cross-fitted, worth is net of cost per person of the trial."""

    report: UpliftReport

    @property
    def policy(self) -> str:
        """Who decides, and why."""
        return f"{self.report.learner.value.replace('_', ' ')}: {self.report.reason}"

    @property
    def qini(self) -> Interval | None:
        """None where everybody is treated alike: nobody is ranked then."""
        return self.report.qini if self._ranks else None

    @property
    def uplift_at_30(self) -> Interval | None:
        """None where everybody is treated alike: there is no best part then."""
        return self.report.uplift_at_30 if self._ranks else None

    @property
    def _ranks(self) -> bool:
        return self.report.learner is not LearnerName.TREAT_ALL

    def to_json(self) -> dict[str, Any]:
        """The keys of `assess.json`, then what helps to read them; null where everybody is treated alike."""
        report = self.report
        ranked = {"qini": self.qini, "uplift_at_30": self.uplift_at_30}
        always = {n: getattr(report, n) for n in ("policy_value", "treat_all", "gain_over_all", "average")}
        return {
            **{name: None if found is None else found.value for name, found in ranked.items()},
            "policy_value": report.policy_value.value,
            "intervals": {
                name: None if found is None else _interval(found) for name, found in (ranked | always).items()
            },
            "treat_all_value": report.treat_all.value,
            "average_effect": report.average.value,
            "contacted_share": report.contacted,
            "learner": report.learner.value,
            "reason": report.reason,
            "treated": report.treated,
            "controls": report.controls,
            "control_events": report.control_events,
        }


def assess_uplift(
    table: FlatTable, typed: TypedColumns, *, control: str | None, cost: float | None, seed: int
) -> tuple[dict[str, ArmResult] | None, dict[str, str], tuple[str, ...]]:
    """Measures by arm, or why there are none, and notes.

    The arm must have been drawn at random. Where columns tell the arm, the rows were chosen and not drawn, and nothing
    is reported: people who were picked differ from those who were not.
    """
    if table.treatment is None:
        return None, {}, ()
    arms = np.array(["" if arm is None else str(arm).strip() for arm in table.treatment], dtype=object)
    try:
        name = find_control(arms, control)
        kept, _ = usable_features(typed.frame, typed.specs)
        kept = screen(typed.frame, kept, table.y, table.weights, most=_MOST_FEATURES)
        if table.propensity is None and (doubt := _chosen(typed.frame, kept, arms, name, table.units, seed)):
            return None, {"uplift": doubt}, ()
        made: Arms = make_arms(
            typed.frame, table.y, arms, kept, control=name, propensity=table.propensity, groups=table.units,
            value=table.value, weights=table.weights,
        )  # fmt: skip
    except BadInputError as error:
        return None, {"uplift": f"{error.what} {error.remedy}".strip().rstrip(".")}, ()
    notes = (*made.notes, *(f"arm {arm} is left out: {why}" for arm, why in made.refused.items()))
    if not made.trials:
        return None, {"uplift": "; ".join(made.refused.values())}, notes
    reports = assess_arms(made, cost=cost or 0.0, seed=seed)
    return {arm: ArmResult(report) for arm, report in reports.items()}, {}, notes


def find_control(arms: NDArray[Any], named: str | None) -> str:
    """The arm that was left alone: the one named, or the only one whose name says so.

    Raises:
        BadInputError: the arms do not vary, are too many, or none of them is surely the control.
    """
    counts = pd.Series(arms[arms != ""]).value_counts()
    names = [str(name) for name in counts.index]
    if len(names) < 2:
        raise BadInputError(f"the treatment does not vary: every row says {names[0]!r}" if names else "it is empty")
    if len(names) > _MOST_ARMS:
        raise BadInputError(f"the treatment has {len(names):,} values, so it names no arms")
    if named is not None:
        found = [name for name in names if name.casefold() == named.strip().casefold()]
        if not found:
            raise BadInputError(f"no row has the control {named!r}; the arms are {', '.join(names)}")
        return found[0]
    found = [name for name in names if _CONTROL.search(name)]
    if len(found) != 1:
        raise BadInputError(
            f"which of {', '.join(names)} is the control is not plain", remedy="Name it with --control."
        )
    return found[0]


def _chosen(
    frame: pd.DataFrame, specs: tuple[FeatureSpec, ...], arms: NDArray[Any], control: str, units: Any, seed: int
) -> str | None:
    """Why the arm does not look drawn at random, or None: the columns tell it on rows not learned from."""
    rows = np.flatnonzero(arms != "")
    if rows.size > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_ROWS, replace=False))
    treated, groups = arms[rows] != control, np.asarray(units)[rows]
    if min(int(treated.sum()), int((~treated).sum())) < 50:
        return None
    cleaned = clean_frame(frame.iloc[rows], specs)
    part = fold_of(treated, groups, folds=2, seed=seed)
    score = np.zeros(rows.size)
    for side in (0, 1):
        learn, judge = part != side, part == side
        coder = TableCoder("linear", knots=0, seed=seed)
        matrix = coder.fit_transform(cleaned[learn], specs, treated[learn], groups[learn], np.ones(int(learn.sum())))
        model = LogisticRegression(C=0.05, max_iter=50, solver="newton-cholesky").fit(matrix, treated[learn])
        score[judge] = model.decision_function(coder.transform(cleaned[judge]))
    auc = _auc(score, treated)
    if auc < _DRAWN:
        return None
    return (
        f"the arm can be told from the columns (AUC {auc:.2f}), so it was chosen and not drawn at random: "
        "give the chance of the draw with --propensity, or drop columns that were written after it"
    )


def _auc(score: Floats, y: NDArray[np.bool_]) -> float:
    ranks = pd.Series(score).rank().to_numpy()
    hits = int(y.sum())
    return float((ranks[y].sum() - hits * (hits + 1) / 2) / (hits * (y.size - hits)))


def _interval(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "lo": interval.low, "hi": interval.high}
