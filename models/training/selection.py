"""Chooses the recipe on dates before the test slice, and says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.calibration.calibrator import Floats


@dataclass(frozen=True)
class Choice:
    """The chosen recipe and the reason in words."""

    name: str
    reason: str


def grouped_error(values: Floats, groups: Any) -> float:
    """Standard error of a mean whose rows move together within a group (Liang and Zeger, 1986)."""
    codes, _ = pd.factorize(np.asarray(groups))
    sums = np.bincount(codes, weights=values - values.mean())
    return float(np.sqrt((sums**2).sum()) / values.size)


def choose(losses: Mapping[str, Floats], groups: Any) -> Choice:
    """The recipe with the least log loss; a simpler one when it is within one standard error of it.

    Args:
        losses: recipe -> log loss of each calibration row, shape (rows,), the simpler recipe first.
        groups: account or person of each row; errors are clustered by it.
    """
    best = min(losses, key=lambda name: float(losses[name].mean()))
    for name, loss in losses.items():
        if name == best:
            break
        behind = loss - losses[best]
        error = grouped_error(behind, groups)
        if float(behind.mean()) <= error:
            return Choice(
                name,
                f"simpler, and its log loss on the calibration dates is within one standard error of the best "
                f"({behind.mean():+.5f}, error {error:.5f})",
            )
    if len(losses) == 1:
        return Choice(best, "the only recipe")
    rival = min((name for name in losses if name != best), key=lambda name: float(losses[name].mean()))
    ahead = losses[rival] - losses[best]
    return Choice(
        best,
        f"least log loss on the calibration dates: {losses[best].mean():.5f}, the next {losses[rival].mean():.5f} "
        f"(difference {ahead.mean():.5f}, error {grouped_error(ahead, groups):.5f})",
    )
