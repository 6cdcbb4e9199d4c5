"""The written rule: from what has drifted to what is done about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from models.drift.scores import THRESHOLD as SCORE_THRESHOLD
from models.evaluation.resampling import Interval

_MOST_OUT_OF_RANGE: Final = 0.05


class Action(StrEnum):
    """What is done, the gravest first."""

    ROLL_BACK = "roll back"
    HOLD = "hold"
    PROMOTE = "promote"
    RECALIBRATE = "recalibrate"
    RETRAIN = "retrain"
    KEEP = "keep"


@dataclass(frozen=True)
class Evidence:
    """What is known on a day about the model in use.

    Attributes:
        drifted_share: share of features that drifted, None when nothing was compared.
        drift_warns, drift_severe: against the settings' shares.
        out_of_range_share: share of people with a value outside the training range.
        score_index: stability index of the scores since the model went live, None when there are none.
        matured_auc: rank measure of the newest matured day that this model scored, None before any.
        failing_backtest: why the newest matured day clearly fails, None when it does not.
        recalibration: why matured outcomes call for another calibrator, None when they do not.
        has_previous: a model to go back to, not itself taken out of use.
        gate_promotes: the day's challenger passed the gate.
        campaign_changed: playbooks or policy changed since the model was trained, where the setting asks for it.
    """

    drifted_share: float | None = None
    drift_warns: bool = False
    drift_severe: bool = False
    out_of_range_share: float = 0.0
    score_index: float | None = None
    matured_auc: Interval | None = None
    failing_backtest: str | None = None
    recalibration: str | None = None
    has_previous: bool = False
    gate_promotes: bool = False
    campaign_changed: bool = False


@dataclass(frozen=True)
class Verdict:
    """The action, and every reason that was found, the deciding one first."""

    action: Action
    reasons: tuple[str, ...]


def decide_action(found: Evidence) -> Verdict:
    """Apply the rule of docs/science.md, "From drift to a decision"; the first line that holds decides.

    A wrong order cannot be mended by a calibrator, so it goes back; a wrong level can, so it is recalibrated.
    """
    lines = [
        (Action.ROLL_BACK, _worse_than_chance(found)),
        (Action.HOLD, _held(found)),
        (Action.PROMOTE, "the challenger passed the gate" if found.gate_promotes else None),
        (Action.RECALIBRATE, found.recalibration),
        *((Action.RETRAIN, told) for told in moved(found)),
    ]
    held = [(action, told) for action, told in lines if told is not None]
    if not held:
        return Verdict(Action.KEEP, ("nothing has drifted",))
    return Verdict(held[0][0], tuple(told for _, told in held))


def _worse_than_chance(found: Evidence) -> str | None:
    if found.matured_auc is None or found.matured_auc.high >= 0.5 or not found.has_previous:
        return None
    return f"its order of matured people was worse than chance (AUC at most {found.matured_auc.high:.2f})"


def _held(found: Evidence) -> str | None:
    if found.drift_severe:
        return f"{100 * (found.drifted_share or 0):.0f} % of the features drifted: the batch waits for a person"
    if found.failing_backtest is not None and found.recalibration is None:
        return f"promotion waits for a person: {found.failing_backtest}"
    return None


def moved(found: Evidence) -> list[str]:
    """Why a fresh candidate is to be fitted, in words; empty when nothing has moved."""
    told = []
    if found.drift_warns:
        told.append(f"{100 * (found.drifted_share or 0):.0f} % of the features drifted")
    if found.out_of_range_share > _MOST_OUT_OF_RANGE:
        told.append(f"{100 * found.out_of_range_share:.0f} % of the people lie outside the training range")
    if found.score_index is not None and found.score_index >= SCORE_THRESHOLD:
        told.append(f"the scores have moved (stability index {found.score_index:.2f})")
    if found.campaign_changed:
        told.append("the campaign changed since the model was trained")
    return told
