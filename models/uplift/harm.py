"""Groups whom contact harms: found by predictions that have not seen them, and never from one person's bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import norm

from models.evaluation.resampling import Interval
from models.uplift.crossfit import CrossFitted
from models.uplift.learners import LearnerName
from models.uplift.measures import clustered_mean

LEAST_GROUP: Final = 500
_BINS: Final = 10
_FAMILY_ERROR: Final = 0.025  # chance that any group is declared harmed when contact harms nobody


@dataclass(frozen=True)
class Group:
    """A group of people by predicted uplift (sorted group average effects; Chernozhukov et al., 2018).

    Attributes:
        below: upper end of the predicted uplift of its members; everybody below it belongs to a harmed group.
        people: distinct accounts or persons.
        effect: average effect among them, 95 % interval.
    """

    below: float
    people: int
    effect: Interval


def harmed_groups(fitted: CrossFitted, name: LearnerName) -> tuple[Group, ...]:
    """Tenths of predicted uplift whose effect is surely below 0, from the lowest up and without a gap.

    The bound is one-sided and shared among the groups tried (Holm's first step), and a group has at least 500
    people. A one-number learner ranks nobody, so it names no group.
    """
    change = fitted.uplift[name]
    if name in (LearnerName.TREAT_ALL, LearnerName.PROPORTIONAL):
        return ()
    order = np.argsort(change, kind="stable")
    found = []
    reach = float(norm.ppf(1 - _FAMILY_ERROR / _BINS))
    usual = float(norm.ppf(0.975))
    for rows in np.array_split(order, _BINS):
        people = len(pd.unique(fitted.trial.groups[rows]))
        effect = clustered_mean(fitted.plain_scores[rows], fitted.trial.groups[rows], fitted.trial.weights[rows])
        bound = effect.value + (effect.high - effect.value) * reach / usual
        if people < LEAST_GROUP or not bound < 0.0:
            break
        found.append(Group(float(change[rows].max()), people, effect))
    return tuple(found)
