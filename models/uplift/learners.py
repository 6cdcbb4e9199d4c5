"""Learners of the difference that a contact makes: a constant share of p, T-, X- and DR-learner."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pandas as pd

from models.calibration.calibrator import Floats, expit, logit
from models.training.table import TableCoder
from models.uplift.base import Basis, Fitted, fit_chance, fit_number
from models.uplift.measures import effect_scores
from models.uplift.trial import Rows, Trial

_INNER_FOLDS: Final = 2
_FLOOR: Final = 1e-3  # an outcome rarer than this is not divided by


class LearnerName(StrEnum):
    """Ways to tell whom contact helps, the simpler first."""

    TREAT_ALL = "treat_all"
    PROPORTIONAL = "proportional"
    T_LEARNER = "t_learner"
    X_LEARNER = "x_learner"
    DR_LEARNER = "dr_learner"


@dataclass(frozen=True)
class Chances:
    """Outcome models on one matrix: usual mix of arms, and each arm alone.

    Attributes:
        usual: P(outcome) under the trial's own mix of arms.
        shift: log odds that the contact adds to everybody alike, on top of `usual` without it.
        base: log odds that the control has below `usual`.
        treated, control: P(outcome) by arm, each from its own rows.
    """

    usual: Fitted
    shift: float
    base: float
    treated: Fitted
    control: Fitted

    def both(self, matrix: Floats) -> tuple[Floats, Floats]:
        """P(outcome) with and without contact by the common shift, shape (rows,) each."""
        raw = logit(np.clip(self.usual(matrix), 1e-6, 1 - 1e-6))
        return expit(raw + self.base + self.shift), expit(raw + self.base)


def fit_chances(matrix: Floats, trial: Trial, *, basis: Basis, seed: int) -> Chances:
    """Learn the outcome models from all rows of a trial."""
    t = trial.treated
    usual = fit_chance(matrix, trial.y, trial.weights, basis=basis, seed=seed)
    raw = logit(np.clip(usual(matrix), 1e-6, 1 - 1e-6))
    base, shift = _common_shift(raw, trial)
    arms = [fit_chance(matrix[rows], trial.y[rows], trial.weights[rows], basis=basis, seed=seed) for rows in (t, ~t)]
    return Chances(usual, shift, base, arms[0], arms[1])


def _common_shift(raw: Floats, trial: Trial) -> tuple[float, float]:
    """Log odds of the control and of the contact beside `raw`, by Newton steps with half an event of caution."""
    t = trial.treated.astype(np.float64)
    a = b = 0.0
    target = trial.y.astype(np.float64)
    for _ in range(30):
        p = expit(raw + a + b * t)
        w = trial.weights * p * (1 - p)
        residual = trial.weights * (target - p)
        gradient = np.array([residual.sum(), (residual * t).sum() - b])
        cross = float((w * t).sum())
        step = np.linalg.solve(np.array([[w.sum() + 1e-9, cross], [cross, cross + 1.0]]), gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        a, b = a + float(step[0]), b + float(step[1])
        if float(np.abs(step).max()) < 1e-9:
            break
    return a, b


@dataclass(frozen=True)
class Effect:
    """A fitted learner on a coded matrix.

    Attributes:
        name: which learner.
        chances: outcome models.
        parts: second stage: one model of the effect (DR), two (X: from contacted and from control rows), or none.
        share: share of contacted rows, the weight between the two.
        average: average effect, what treat-all knows.
    """

    name: LearnerName
    chances: Chances
    parts: tuple[Fitted, ...]
    share: float
    average: float

    def uplift(self, matrix: Floats) -> Floats:
        """P(outcome with contact) - P(outcome without), shape (rows,)."""
        if self.name is LearnerName.TREAT_ALL:
            return np.full(len(matrix), self.average)
        if self.name is LearnerName.T_LEARNER:
            return self.chances.treated(matrix) - self.chances.control(matrix)
        if self.name is LearnerName.PROPORTIONAL:
            contacted, spared = self.chances.both(matrix)
            return contacted - spared
        scale = self._scale(matrix)
        if self.name is LearnerName.DR_LEARNER:
            return scale * self.parts[0](matrix)
        return scale * ((1 - self.share) * self.parts[0](matrix) + self.share * self.parts[1](matrix))

    def _scale(self, matrix: Floats) -> Floats:
        return np.maximum(self.chances.usual(matrix), _FLOOR)

    def both(self, matrix: Floats) -> tuple[Floats, Floats]:
        """P(outcome) with and without contact, shape (rows,) each; their difference is `uplift` but for clipping."""
        usual, change = self.chances.usual(matrix), self.uplift(matrix)
        spared = np.clip(usual - self.share * change, 0.0, 1.0)
        return np.clip(spared + change, 0.0, 1.0), spared


@dataclass(frozen=True)
class Coded:
    """A trial with its matrix, and the positions of the inner folds."""

    trial: Trial
    matrix: Floats
    inner: tuple[Rows, ...]


def inner_folds(groups: Any, *, seed: int, count: int = _INNER_FOLDS) -> tuple[Rows, ...]:
    """Positions of `count` parts; rows of a group stay together."""
    codes, distinct = pd.factorize(np.asarray(groups), sort=True)
    part = np.random.default_rng(seed).permutation(len(distinct))[codes] % count
    return tuple(np.flatnonzero(part == index) for index in range(count))


def code(trial: Trial, *, basis: Basis, seed: int) -> tuple[TableCoder, Coded]:
    """Learn the columns of a trial, and its matrix."""
    coder = TableCoder(basis, knots=3, buckets=32, seed=seed)
    matrix = coder.fit_transform(trial.cleaned, trial.features, trial.y, trial.groups, trial.weights)
    return coder, Coded(trial, matrix, inner_folds(trial.groups, seed=seed))


def fit_effects(coded: Coded, names: tuple[LearnerName, ...], *, basis: Basis, seed: int) -> dict[LearnerName, Effect]:
    """Fit learners on all rows; second stages learn from scores whose outcome models have not seen the row.

    X and DR learn the effect relative to P(outcome), rows weighted by P(outcome): the noise of a row's score grows
    with it, and an effect that is the same share for everybody is then a constant (inverse-variance weighting).
    T-, X-learner: Kuenzel et al. (2019); DR-learner: Kennedy (2023).
    """
    trial, matrix = coded.trial, coded.matrix
    chances = fit_chances(matrix, trial, basis=basis, seed=seed)
    share = float(np.average(trial.e, weights=trial.weights))
    average = _average(trial)
    made = {}
    second = _second_stage(coded, names, basis=basis, seed=seed)
    for name in names:
        made[name] = Effect(name, chances, second.get(name, ()), share, average)
    return made


def _average(trial: Trial) -> float:
    """Average effect by inverse propensity, each arm's weights summing to one (Hajek, 1971)."""
    t, y = trial.treated, trial.y.astype(np.float64)
    w = trial.weights / np.where(t, trial.e, 1 - trial.e)
    return float(np.average(y[t], weights=w[t]) - np.average(y[~t], weights=w[~t]))


def _second_stage(
    coded: Coded, names: tuple[LearnerName, ...], *, basis: Basis, seed: int
) -> dict[LearnerName, tuple[Fitted, ...]]:
    trial, matrix = coded.trial, coded.matrix
    wanted = {LearnerName.X_LEARNER, LearnerName.DR_LEARNER} & set(names)
    if not wanted:
        return {}
    y = trial.y.astype(np.float64)
    usual, with_contact, without, arm_t, arm_c = (np.zeros(y.size) for _ in range(5))
    for test in coded.inner:
        train = np.setdiff1d(np.arange(y.size), test)
        chances = fit_chances(matrix[train], trial.take(train), basis=basis, seed=seed)
        usual[test] = np.maximum(chances.usual(matrix[test]), _FLOOR)
        with_contact[test], without[test] = chances.both(matrix[test])
        arm_t[test], arm_c[test] = chances.treated(matrix[test]), chances.control(matrix[test])
    made: dict[LearnerName, tuple[Fitted, ...]] = {}
    mass = trial.weights * usual
    if LearnerName.DR_LEARNER in wanted:
        scores = effect_scores(y, trial.treated, trial.e, with_contact, without)
        # The noise of a row's score goes with 1/e in its arm; the expected one is the same for both arms.
        made[LearnerName.DR_LEARNER] = (fit_number(matrix, scores / usual, mass, basis=basis, seed=seed),)
    if LearnerName.X_LEARNER in wanted:
        t = trial.treated
        made[LearnerName.X_LEARNER] = (
            fit_number(matrix[t], ((y - arm_c) / usual)[t], mass[t], basis=basis, seed=seed),
            fit_number(matrix[~t], ((arm_t - y) / usual)[~t], mass[~t], basis=basis, seed=seed),
        )
    return made
