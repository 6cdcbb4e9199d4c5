"""Whom contact helps, on any flat table with a randomised treatment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration.calibrator import Floats
from models.evaluation.resampling import Interval
from models.features import FeatureSpec
from models.uplift.base import Basis
from models.uplift.crossfit import LEARNERS, CrossFitted, LearnerChoice, choose_learner, cross_fit
from models.uplift.harm import Group, harmed_groups
from models.uplift.learners import LearnerName
from models.uplift.measures import clustered_mean, policy_value, qini, qini_interval, uplift_at
from models.uplift.trial import LEAST_CONTROL_EVENTS, LEAST_CONTROLS, Arms, Propensity, Trial, make_arms

__all__ = ["UpliftReport", "assess_arms", "assess_uplift", "make_arms"]

_TOP: Final = 0.3


@dataclass(frozen=True)
class UpliftReport:
    """One arm against the control. All figures are cross-fitted; worth is net of cost, per person of the trial.

    Attributes:
        arm: its name.
        rows, treated, controls, control_events: size of the comparison.
        is_sufficient: whether there are controls and control events enough to tell people apart.
        learner, reason: what decides, and why in words.
        average: effect on the chance of an outcome, contact less control.
        qini: normalised Qini coefficient (see `measures.qini`); 0 ranks nobody.
        uplift_at_30: effect among the 30 % with the highest predicted uplift.
        policy_value: of contacting whoever gains more than the cost, against contacting nobody.
        treat_all: of contacting everybody, against contacting nobody.
        gain_over_all: policy less contacting everybody.
        contacted: share that the policy contacts.
        qini_by_learner: Qini of every learner that was tried.
        harmed: groups whom contact surely harms.
        notes: what a reader must know.
    """

    arm: str
    rows: int
    treated: int
    controls: int
    control_events: int
    is_sufficient: bool
    learner: LearnerName
    reason: str
    average: Interval
    qini: Interval
    uplift_at_30: Interval
    policy_value: Interval
    treat_all: Interval
    gain_over_all: Interval
    contacted: float
    qini_by_learner: dict[str, float]
    harmed: tuple[Group, ...]
    notes: tuple[str, ...]


def assess_uplift(
    frame: pd.DataFrame,
    y: NDArray[Any],
    treatment: Any,
    features: Sequence[FeatureSpec],
    *,
    control: str,
    propensity: Propensity | None = None,
    groups: Any = None,
    value: Floats | None = None,
    cost: float = 0.0,
    weights: Floats | None = None,
    seed: int,
) -> dict[str, UpliftReport]:
    """Uplift of every arm of a randomised flat table; arms that are too small are left out.

    Args:
        frame, y, treatment, features, control, propensity, groups, value, weights: see `make_arms`.
        cost: of one contact, in the unit of `value` (outcomes where none is given).
        seed: of folds, fits and resampling.

    Raises:
        BadInputError: see `make_arms`.
    """
    arms = make_arms(
        frame, y, treatment, features, control=control, propensity=propensity, groups=groups, value=value,
        weights=weights,
    )  # fmt: skip
    return assess_arms(arms, cost=cost, seed=seed)


def assess_arms(arms: Arms, *, cost: float, seed: int) -> dict[str, UpliftReport]:
    """Uplift of every arm that `make_arms` let through."""
    return {
        name: assess_trial(name, trial, cost=cost, seed=seed, notes=arms.notes)[0]
        for name, trial in arms.trials.items()
    }


def assess_trial(
    name: str, trial: Trial, *, cost: float, seed: int, notes: tuple[str, ...] = ()
) -> tuple[UpliftReport, Basis]:
    """Uplift of one arm, and the basis of the outcome models that was used."""
    learners = LEARNERS if trial.is_sufficient else (LearnerName.TREAT_ALL, LearnerName.PROPORTIONAL)
    fitted = cross_fit(trial, seed=seed, learners=learners)
    choice = choose_learner(fitted, cost) if trial.is_sufficient else _cannot_tell(trial, fitted, cost)
    kept = fitted.trial
    change = fitted.uplift[choice.name]
    if trial.is_sufficient:
        contact = change * fitted.price > cost
    else:
        contact = np.full(len(kept), _everybody(fitted, cost).high >= 0.0)
    everybody = np.ones(len(kept), dtype=bool)
    y = kept.y.astype(np.float64)
    if len(kept) < len(trial):
        notes = (*notes, f"{len(kept):,} of {len(trial):,} rows of {name} and control are used, drawn at random")
    report = UpliftReport(
        arm=name,
        rows=len(trial),
        treated=len(trial) - trial.controls,
        controls=trial.controls,
        control_events=trial.control_events,
        is_sufficient=trial.is_sufficient,
        learner=choice.name,
        reason=choice.reason,
        average=clustered_mean(fitted.plain_scores, kept.groups, kept.weights),
        qini=qini_interval(kept.y, kept.treated, kept.e, change, kept.groups, seed=seed, weights=kept.weights),
        uplift_at_30=uplift_at(_TOP, y, kept.treated, kept.e, change, kept.groups, kept.weights),
        policy_value=policy_value(fitted.scores, contact, cost, kept.groups, kept.weights),
        treat_all=policy_value(fitted.scores, everybody, cost, kept.groups, kept.weights),
        gain_over_all=clustered_mean(np.where(contact, 0.0, cost - fitted.scores), kept.groups, kept.weights),
        contacted=float(np.average(contact, weights=kept.weights)),
        qini_by_learner=_qini_of_all(fitted),
        harmed=harmed_groups(fitted, choice.name) if trial.is_sufficient else (),
        notes=notes,
    )
    return report, fitted.basis


def _qini_of_all(fitted: CrossFitted) -> dict[str, float]:
    kept = fitted.trial
    return {
        name.value: qini(kept.y, kept.treated, kept.e, change, kept.weights) for name, change in fitted.uplift.items()
    }


def _everybody(fitted: CrossFitted, cost: float) -> Interval:
    return clustered_mean(fitted.scores - cost, fitted.trial.groups, fitted.trial.weights)


def _cannot_tell(trial: Trial, fitted: CrossFitted, cost: float) -> LearnerChoice:
    """Too few controls: everybody is treated alike, unless contact surely does not pay."""
    lacking = (
        f"{trial.controls:,} controls with {trial.control_events:,} outcomes cannot tell people apart "
        f"({LEAST_CONTROLS:,} with {LEAST_CONTROL_EVENTS:,} are needed)"
    )
    everybody = _everybody(fitted, cost)
    decided = (
        "everybody is contacted"
        if everybody.high >= 0.0
        else "nobody is contacted: on average contact surely costs more than it brings"
    )
    return LearnerChoice(LearnerName.TREAT_ALL, f"{lacking}; {decided}")
