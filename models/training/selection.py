"""Chooses between candidates on rows that none of them learned from, and says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration.calibrator import Floats
from models.evaluation.resampling import grouped_error

__all__ = ["Choice", "choose", "grouped_error", "least"]


@dataclass(frozen=True)
class Choice:
    """The chosen candidate and the reason in words."""

    name: str
    reason: str


def choose(losses: Mapping[str, Floats], groups: Any, *, latest: NDArray[np.bool_] | None = None) -> Choice:
    """The candidate with the least log loss; a simpler one when it is within one standard error of it.

    Where rows have an order in time, a candidate whose loss on the latest rows is more than one standard error above
    the least there is set aside first: under drift the past alone does not recommend it.

    Args:
        losses: candidate -> log loss of each judged row, shape (rows,), the simpler first.
        groups: account or person of each row; errors are clustered by it.
        latest: marks the rows of the latest folds; None without an order in time.
    """
    names = np.asarray(groups)
    fallen = _fallen(losses, names, latest)
    held = {name: loss for name, loss in losses.items() if name not in fallen}
    found = _simplest(held, names)
    if not fallen:
        return found
    told = ", ".join(name.replace("_", " ") for name in fallen)
    return Choice(found.name, f"{found.reason}; set aside because the latest folds went against it: {told}")


def least(losses: Mapping[str, Floats], groups: Any, latest: NDArray[np.bool_] | None = None) -> str:
    """The candidate with the least log loss of those that held up on the latest rows; arguments as for `choose`."""
    fallen = _fallen(losses, np.asarray(groups), latest)
    return min((name for name in losses if name not in fallen), key=lambda name: float(losses[name].mean()))


def _fallen(losses: Mapping[str, Floats], groups: NDArray[Any], latest: NDArray[np.bool_] | None) -> list[str]:
    if latest is None or latest.all():
        return []
    there = {name: loss[latest] for name, loss in losses.items()}
    best = min(there, key=lambda name: float(there[name].mean()))
    behind = {name: loss - there[best] for name, loss in there.items()}
    return [name for name, gap in behind.items() if float(gap.mean()) > grouped_error(gap, groups[latest])]


def _simplest(losses: Mapping[str, Floats], groups: NDArray[Any]) -> Choice:
    best = min(losses, key=lambda name: float(losses[name].mean()))
    for name, loss in losses.items():
        if name == best:
            break
        behind = loss - losses[best]
        error = grouped_error(behind, groups)
        if float(behind.mean()) <= error:
            return Choice(
                name,
                f"simpler, and its log loss on rows it has not seen is within one standard error of the best "
                f"({behind.mean():+.5f}, error {error:.5f})",
            )
    if len(losses) == 1:
        return Choice(best, "the only one left to choose")
    rival = min((name for name in losses if name != best), key=lambda name: float(losses[name].mean()))
    ahead = losses[rival] - losses[best]
    return Choice(
        best,
        f"least log loss on rows it has not seen: {losses[best].mean():.5f}, the next {losses[rival].mean():.5f} "
        f"(difference {ahead.mean():.5f}, error {grouped_error(ahead, groups):.5f})",
    )
