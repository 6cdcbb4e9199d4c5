"""Whom to contact for a profit: chance x amount against the cost, the threshold chosen on training rows alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.assess.table import Bools, Floats
from models.evaluation.resampling import Interval, Resampler, interval
from models.training.selection import grouped_error

_STEPS: Final = 60
_SURELY: Final = 2.0
ALL: Final = float("-inf")
NONE: Final = float("inf")


@dataclass(frozen=True)
class Policy:
    """Contact whoever is expected to bring more than `threshold`.

    Attributes:
        threshold: least expected value of a contact; -inf contacts everyone, inf no one.
        scale: what expected values are multiplied by, so that they add up to the value seen in training.
        words: the policy and how it was chosen.
    """

    threshold: float
    scale: float
    words: str

    def contacts(self, expected: Floats) -> Bools:
        """Whether each row is contacted; `expected` is chance x amount, unscaled."""
        return np.asarray(expected * self.scale > self.threshold)


@dataclass(frozen=True)
class Profit:
    """Net profit on held-out rows, in the unit of the value column.

    Attributes:
        policy, all, none: net profit of the chosen policy, of contacting everyone and no one.
        contacted, population: rows (of the population, where weights are given) that the policy contacts, and all.
        gain: policy less the better of the two simple ones, with its interval.
        gain_over_all: policy less contacting everyone, with its interval.
    """

    policy: float
    all: float
    none: float
    contacted: float
    population: float
    gain: Interval
    gain_over_all: Interval


def choose_policy(*, expected: Floats, value: Floats, cost: float, weights: Floats, groups: Any) -> Policy:
    """Choose the threshold on training rows, whose expected values were made without them.

    The best of three policies is taken: contact whoever is expected to bring more than the cost, which is what theory
    names, everyone, or no one. Another threshold takes its place only where it is surely better on these rows (two
    standard errors: many thresholds are tried).

    Args:
        expected: chance x amount of each training row, held out, shape (rows,).
        value: what each row brought; 0 for negatives.
        cost: of one contact.
        weights: how many rows of the population each stands for.
        groups: units of resampling.
    """
    total = float((weights * expected).sum())
    scale = float((weights * value).sum()) / total if total > 0 else 1.0
    net = weights * (value - cost)
    scaled = expected * scale
    gains = {candidate: np.where(scaled > candidate, net, 0.0) for candidate in (cost, ALL, NONE)}
    threshold = max(gains, key=lambda candidate: float(gains[candidate].sum()))
    kept = gains[threshold]
    for candidate in np.unique(np.quantile(scaled, np.linspace(0.0, 1.0, _STEPS))):
        ahead = np.where(scaled > candidate, net, 0.0) - kept
        if float(ahead.mean()) > _SURELY * grouped_error(ahead, groups):
            threshold, kept = float(candidate), kept + ahead
    words = {
        ALL: "contact everyone: on the training rows nothing was surely better",
        NONE: "contact no one: on the training rows nothing paid for itself",
        cost: f"contact whoever is expected to bring more than a contact costs ({cost:g})",
    }.get(threshold, f"contact whoever is expected to bring more than {threshold:.4g}, chosen on the training rows")
    return Policy(threshold, scale, words)


def net_profit(
    *, contacted: Bools, value: Floats, cost: float, weights: Floats, groups: Any, repeats: int, seed: int
) -> Profit:
    """Net profit of contacting the rows marked, and of everyone and no one.

    Args:
        contacted: whether the policy contacts the row.
        value: what the row brought; 0 for negatives.
        cost: of one contact.
        weights: how many rows of the population each stands for.
        groups: units of resampling.
        repeats: how often every row is among these rows.
        seed: of the resampling.
    """
    net = weights * (value - cost) / repeats
    chosen = np.where(contacted, net, 0.0)
    sampler = Resampler.of(groups, seed=seed)
    policy, everyone = float(chosen.sum()), float(net.sum())
    draws, all_draws = sampler.totals(chosen), sampler.totals(net)
    better = net if everyone > 0 else np.zeros_like(net)
    return Profit(
        policy=policy,
        all=everyone,
        none=0.0,
        contacted=float((weights * contacted).sum() / repeats),
        population=float(weights.sum() / repeats),
        gain=interval(policy - max(everyone, 0.0), draws - sampler.totals(better)),
        gain_over_all=interval(policy - everyone, draws - all_draws),
    )


def profit_curve(
    *, expected: Floats, value: Floats, cost: float, weights: Floats, repeats: int
) -> list[tuple[float, float]]:
    """Share contacted from the top of the expected profit, and net profit so far; at most 100 points."""
    order = np.argsort(-expected, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    so_far = np.cumsum((weights * (value - cost))[order]) / repeats
    places = np.unique(np.clip(np.searchsorted(share, np.linspace(0.01, 1.0, 100)), 0, order.size - 1))
    return [(float(share[place]), float(so_far[place])) for place in places]
