"""Honest judging: learners are judged on accounts that they have not seen, and the simplest good one is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.calibration.calibrator import Floats
from models.evaluation.metrics import row_log_loss
from models.training.selection import choose, grouped_error
from models.uplift.base import Basis
from models.uplift.learners import Chances, LearnerName, code, fit_chances, fit_effects, inner_folds
from models.uplift.measures import effect_scores
from models.uplift.trial import Rows, Trial

_FOLDS: Final = 4
_MOST_PER_ARM: Final = 120_000  # more rows of one arm cost time and sharpen little: the smaller arm sets the error
LEARNERS: Final = tuple(LearnerName)
_LEARNED: Final = (LearnerName.T_LEARNER, LearnerName.X_LEARNER, LearnerName.DR_LEARNER)


@dataclass(frozen=True)
class CrossFitted:
    """What learners that have not seen a row say about it.

    Attributes:
        trial: the rows, after thinning.
        basis: of the outcome models, and why.
        basis_reason: in words.
        uplift: learner -> difference of chances, shape (rows,).
        price: worth of an outcome as it is believed without the row, shape (rows,).
        scores: doubly robust score of each row's effect in units of worth, shape (rows,).
        plain_scores: the same in outcomes.
        usual: P(outcome) under the trial's own mix, shape (rows,).
    """

    trial: Trial
    basis: Basis
    basis_reason: str
    uplift: Mapping[LearnerName, Floats]
    price: Floats
    scores: Floats
    plain_scores: Floats
    usual: Floats


def thinned(trial: Trial, *, seed: int) -> Trial:
    """At most so many rows of each arm, drawn at random; the propensities follow."""
    counts = {True: int(trial.treated.sum()), False: trial.controls}
    kept = {arm: min(1.0, _MOST_PER_ARM / count) for arm, count in counts.items()}
    if min(kept.values()) == 1.0:
        return trial
    draw = np.random.default_rng(seed).random(len(trial))
    part = trial.take(np.flatnonzero(draw < np.where(trial.treated, kept[True], kept[False])))
    e = kept[True] * part.e / (kept[True] * part.e + kept[False] * (1 - part.e))
    return replace(part, e=e)


def cross_fit(trial: Trial, *, seed: int, learners: tuple[LearnerName, ...] = LEARNERS) -> CrossFitted:
    """Judge learners on folds of whole groups.

    Args:
        trial: as drawn; it should be `is_sufficient` when more than `treat_all` is asked for.
        seed: of folds and fits.
        learners: which compete.
    """
    with threadpool_limits(1):
        return _cross_fit(thinned(trial, seed=seed), seed=seed, learners=learners)


def _cross_fit(trial: Trial, *, seed: int, learners: tuple[LearnerName, ...]) -> CrossFitted:
    folds = inner_folds(trial.groups, seed=seed + 1, count=_FOLDS)
    basis, reason = _choose_basis(trial, folds, seed=seed)
    rows = len(trial)
    uplift: dict[LearnerName, Floats] = {name: np.zeros(rows) for name in learners}
    with_contact, without, usual, price = (np.zeros(rows) for _ in range(4))
    for test in folds:
        train = _others(test, rows)
        coder, coded = code(trial.take(train), basis=basis, seed=seed)
        effects = fit_effects(coded, learners, basis=basis, seed=seed)
        matrix = coder.transform(trial.cleaned.iloc[test])
        chances = next(iter(effects.values())).chances
        with_contact[test], without[test] = chances.both(matrix)
        usual[test] = chances.usual(matrix)
        price[test] = believed_price(trial, train, test)
        for name, effect in effects.items():
            uplift[name][test] = effect.uplift(matrix)
    if LearnerName.TREAT_ALL in uplift:
        # One number for everybody: what the folds learned about each other must not rank people.
        uplift[LearnerName.TREAT_ALL][:] = uplift[LearnerName.TREAT_ALL].mean()
    y = trial.y.astype(np.float64)
    worth = y * trial.worth
    scores = effect_scores(worth, trial.treated, trial.e, with_contact * price, without * price)
    plain = effect_scores(y, trial.treated, trial.e, with_contact, without)
    return CrossFitted(trial, basis, reason, uplift, price, scores, plain, usual)


def believed_price(trial: Trial, train: Rows, test: Rows) -> Floats:
    """Worth of an outcome of the rows `test`: their own where everybody's is known beforehand, else the usual one."""
    quiet = ~trial.y
    if quiet.any() and float((trial.worth[quiet] > 0).mean()) >= 0.9:
        return trial.worth[test]
    hit = train[trial.y[train]]
    usual = float(np.average(trial.worth[hit], weights=trial.weights[hit])) if hit.size else 0.0
    return np.full(test.size, usual)


def _others(test: Rows, count: int) -> Rows:
    keep = np.ones(count, dtype=bool)
    keep[test] = False
    return np.flatnonzero(keep)


def _choose_basis(trial: Trial, folds: tuple[Rows, ...], *, seed: int) -> tuple[Basis, str]:
    """Ridge lines unless trees are surely better at the outcome itself (one standard error)."""
    test = folds[0]
    train = _others(test, len(trial))
    losses: dict[str, Floats] = {}
    bases: tuple[Basis, ...] = ("linear", "trees")
    for basis in bases:
        coder, coded = code(trial.take(train), basis=basis, seed=seed)
        chances: Chances = fit_chances(coded.matrix, coded.trial, basis=basis, seed=seed)
        p = np.clip(chances.usual(coder.transform(trial.cleaned.iloc[test])), 1e-6, 1 - 1e-6)
        losses[basis] = row_log_loss(p, trial.y[test])
    choice = choose(losses, trial.groups[test])
    return ("linear" if choice.name == "linear" else "trees"), choice.reason


@dataclass(frozen=True)
class LearnerChoice:
    """The learner in use, and why in words."""

    name: LearnerName
    reason: str


def choose_learner(fitted: CrossFitted, cost: float) -> LearnerChoice:
    """A learner of differences only where it beats the one-number effects by one standard error, on R-loss or value.

    `treat_all` (the same points for everybody) and `proportional` (the same share of p) both know one number. A
    chance near 0 cannot rise by as many points as a large one, so the share is kept unless the points surely fit
    better. R-loss: Nie and Wager (2021).
    """
    losses = {name: r_loss(fitted, change) for name, change in fitted.uplift.items()}
    values = {name: _net(fitted, change, cost) for name, change in fitted.uplift.items()}
    groups = fitted.trial.groups
    simple = LearnerName.PROPORTIONAL
    worse = losses[simple] - losses[LearnerName.TREAT_ALL]
    if _ahead(worse, groups) > 1.0:
        simple = LearnerName.TREAT_ALL
    best, lead, on = simple, 1.0, ""
    for name in _LEARNED:
        if name not in losses:
            continue
        by_loss = _ahead(losses[simple] - losses[name], groups)
        by_value = _ahead(values[name] - values[simple], groups)
        # Better by more than an error on one measure and not worse by one on the other.
        for ahead, other, words in ((by_loss, by_value, "R-loss"), (by_value, by_loss, "policy value")):
            if ahead > lead and other > -1.0:
                best, lead, on = name, ahead, words
    if on:
        return LearnerChoice(best, f"better than one number for everybody by {lead:.1f} standard errors of {on}")
    words = {
        LearnerName.PROPORTIONAL: "the contact adds the same share of p for everybody",
        LearnerName.TREAT_ALL: "the contact adds the same points for everybody",
    }[simple]
    return LearnerChoice(simple, f"{words}; no learner of differences is better by one standard error")


def r_loss(fitted: CrossFitted, change: Floats) -> Floats:
    """Squared error of each row after P(outcome) and propensity are taken out, shape (rows,)."""
    trial = fitted.trial
    surprise = trial.y - fitted.usual - _tilt(fitted)
    return trial.weights * (surprise - (trial.treated - trial.e) * change) ** 2


def _tilt(fitted: CrossFitted) -> Floats:
    """What a row's own propensity moves P(outcome) by, beside the trial's mean one; 0 where all have the same."""
    share = float(np.average(fitted.trial.e, weights=fitted.trial.weights))
    return (fitted.trial.e - share) * fitted.uplift.get(LearnerName.PROPORTIONAL, np.zeros(len(fitted.trial)))


def _net(fitted: CrossFitted, change: Floats, cost: float) -> Floats:
    contact = change * fitted.price > cost
    return fitted.trial.weights * np.where(contact, fitted.scores - cost, 0.0)


def _ahead(gain: Floats, groups: object) -> float:
    """Mean gain in its clustered standard errors."""
    error = grouped_error(gain, groups)
    return float(gain.mean()) / error if error > 0 else 0.0
