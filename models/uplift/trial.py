"""A randomised trial as arrays, checked before anything is learned from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.errors import BadInputError
from models.calibration.calibrator import Floats
from models.features import FeatureSpec
from models.training.matrix import clean_frame

Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]

LEAST_CONTROLS: Final = 2_000
LEAST_CONTROL_EVENTS: Final = 200
# An arm below this size says nothing about anybody; it is left out and named.
LEAST_ARM: Final = 100
# Inverse weights above 1 / TRIM would let single rows decide; such propensities are trimmed and counted.
TRIM: Final = 0.01
Propensity = float | Floats | Mapping[str, float] | Mapping[str, Floats] | pd.DataFrame


@dataclass(frozen=True)
class Trial:
    """Rows whose contact was drawn at random, one arm against the control.

    Attributes:
        cleaned: feature columns (see `clean_frame`), shape (rows,).
        features: columns of `cleaned`.
        y: outcome, shape (rows,).
        treated: whether the row was drawn into the arm, shape (rows,).
        e: probability of the arm given arm or control, strictly between 0 and 1, shape (rows,).
        groups: account or person of each row, shape (rows,); folds and errors go by it.
        worth: what an outcome of the row is worth, shape (rows,); 1 without values.
        weights: rows of the population that each row stands for, shape (rows,).
    """

    cleaned: pd.DataFrame
    features: tuple[FeatureSpec, ...]
    y: Bools
    treated: Bools
    e: Floats
    groups: NDArray[Any]
    worth: Floats
    weights: Floats

    def __len__(self) -> int:
        return int(self.y.size)

    @property
    def controls(self) -> int:
        """Rows of the control arm."""
        return int((~self.treated).sum())

    @property
    def control_events(self) -> int:
        """Outcomes in the control arm."""
        return int((~self.treated & self.y).sum())

    @property
    def is_sufficient(self) -> bool:
        """Whether the trial can tell people apart."""
        return self.controls >= LEAST_CONTROLS and self.control_events >= LEAST_CONTROL_EVENTS

    def take(self, rows: Rows) -> Trial:
        """Some rows."""
        return Trial(
            self.cleaned.iloc[rows],
            self.features,
            self.y[rows],
            self.treated[rows],
            self.e[rows],
            self.groups[rows],
            self.worth[rows],
            self.weights[rows],
        )


@dataclass(frozen=True)
class Arms:
    """All arms of a trial: one `Trial` against the control for each, and what was left out or trimmed, in words."""

    trials: dict[str, Trial]
    refused: dict[str, str]
    notes: tuple[str, ...]


def make_arms(
    frame: pd.DataFrame,
    y: NDArray[Any],
    treatment: Any,
    features: Sequence[FeatureSpec],
    *,
    control: str,
    propensity: Propensity | None = None,
    groups: Any = None,
    value: Floats | None = None,
    weights: Floats | None = None,
) -> Arms:
    """Check a randomised table and split it by arm.

    Args:
        frame: feature columns, shape (rows, >= features).
        y: outcome, shape (rows,); no missing value.
        treatment: arm of each row as it was drawn, shape (rows,).
        features: columns to use.
        control: name of the arm that was not contacted.
        propensity: probability of each row's own arm, shape (rows,) or one number; or the probability of every arm
            by name. None takes the shares of the arms, as under plain randomisation.
        groups: account or person of each row; None makes every row its own.
        value: worth of an outcome of the row; missing counts as 0. None counts outcomes.
        weights: rows of the population that each row stands for.

    Raises:
        BadInputError: no control, no second arm, an outcome with one class, or a propensity of 0 or 1.
    """
    arms = pd.Series(np.asarray(treatment, dtype=object)).astype("string").fillna("").to_numpy(dtype=object)
    outcome = np.asarray(y).astype(bool)
    names = sorted({str(name) for name in arms if name} - {control})
    if not (arms == control).any() or not names:
        raise BadInputError(
            f"The treatment does not vary: it needs the control {control!r} and at least one other arm.",
            where=f"arms found: {', '.join(sorted(map(str, set(arms.tolist()))))[:120]}",
            remedy="Name the arm that was not contacted as the control.",
        )
    if not outcome.any() or outcome.all():
        raise BadInputError("The outcome has one class, so no contact can be seen to change it.")
    shares = _shares(arms, names, control, propensity)
    _refuse_certain(np.concatenate([shares[name][arms == name] for name in (control, *names)]))
    units = np.arange(outcome.size) if groups is None else np.asarray(groups)
    worth = np.ones(outcome.size) if value is None else np.nan_to_num(np.asarray(value, dtype=np.float64))
    mass = np.ones(outcome.size) if weights is None else np.asarray(weights, dtype=np.float64)
    chance = np.zeros(outcome.size)
    whole = Trial(clean_frame(frame, features), tuple(features), outcome, arms != control, chance, units, worth, mass)
    without = int((arms == "").sum())
    notes = [f"{without:,} rows without an arm are left out"] if without else []
    found = [_against_control(whole, arms, name, control, shares) for name in names]
    notes += [note for _, note in found if note]
    refused = {name: why for name, (trial, _) in zip(names, found, strict=True) if (why := _fault(trial))}
    trials = {name: trial for name, (trial, _) in zip(names, found, strict=True) if name not in refused}
    return Arms(trials, refused, tuple(notes))


def _against_control(
    whole: Trial, arms: NDArray[Any], name: str, control: str, shares: Mapping[str, Floats]
) -> tuple[Trial, str]:
    """Rows of one arm and the control, and what was trimmed, in words."""
    rows = np.flatnonzero((arms == name) | (arms == control))
    e = shares[name][rows] / (shares[name][rows] + shares[control][rows])
    trimmed = int(((e < TRIM) | (e > 1 - TRIM)).sum())
    note = f"{trimmed:,} propensities of {name} outside {TRIM:g} to {1 - TRIM:g} are trimmed to it" if trimmed else ""
    return replace(whole.take(rows), e=np.clip(e, TRIM, 1 - TRIM)), note


def _fault(trial: Trial) -> str:
    small = min(trial.controls, len(trial) - trial.controls)
    if small < LEAST_ARM:
        return f"only {small:,} rows in the smaller of arm and control; at least {LEAST_ARM} are needed"
    return "" if trial.y.any() else "no outcome in arm and control"


def _shares(arms: NDArray[Any], names: list[str], control: str, propensity: Propensity | None) -> dict[str, Floats]:
    """Probability of every arm for every row."""
    everyone = (control, *names)
    count = arms.size
    if isinstance(propensity, pd.DataFrame):
        propensity = {str(name): propensity[name].to_numpy(dtype=np.float64) for name in propensity.columns}
    if isinstance(propensity, Mapping):
        absent = [name for name in everyone if name not in propensity]
        if absent:
            raise BadInputError(f"The propensities do not name the arms {', '.join(absent)}.")
        return {name: np.broadcast_to(np.asarray(propensity[name], dtype=np.float64), count) for name in everyone}
    if propensity is None:
        told = arms[arms != ""]
        return {name: np.full(count, float((told == name).mean())) for name in everyone}
    own = np.broadcast_to(np.asarray(propensity, dtype=np.float64), count)
    _refuse_certain(own[arms != ""])
    if len(names) == 1:
        in_arm = np.where(arms == control, 1.0 - own, own)
        return {control: 1.0 - in_arm, names[0]: in_arm}
    # With several arms a row tells the chance of its own arm only; those of the others are their usual ones.
    usual = {name: float(np.median(own[arms == name])) for name in everyone}
    return {name: np.where(arms == name, own, usual[name]) for name in everyone}


def _refuse_certain(own: Floats) -> None:
    bad = ~np.isfinite(own) | (own <= 0.0) | (own >= 1.0)
    if bad.any():
        raise BadInputError(
            f"{int(bad.sum()):,} rows have a propensity of 0, 1 or none: their contact was not left to chance, "
            "so nothing can be compared with it.",
            remedy="Leave out rows that were not drawn at random, or log the probability of the draw.",
        )
