"""What drives a model: how far each column moves the forecast, and in which direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from models.scoring.model import ResurrectionModel

_MOST_ROWS: Final = 2_000
_PER_DOUBLING: Final = 10.0 / np.log(2.0)  # points of the resurrection score per unit of log odds


@dataclass(frozen=True)
class Driver:
    """A column and its mean absolute contribution, in points of the score (10 points double the odds)."""

    column: str
    points: float


def drivers_of(model: ResurrectionModel, frame: pd.DataFrame, *, most: int = 15) -> tuple[Driver, ...]:
    """The columns that move the forecast most, the strongest first.

    Args:
        model: a finished model.
        frame: held-out rows; at most 2,000 of them, evenly taken, are looked at.
        most: drivers returned.
    """
    rows = frame.iloc[:: max(1, len(frame) // _MOST_ROWS)]
    values, _, _ = model.contributions(rows)
    centred = values - values.mean(axis=0)
    strength = np.abs(centred).mean(axis=0) * _PER_DOUBLING
    order = np.argsort(-strength, kind="stable")[:most]
    return tuple(Driver(model.feature_names[place], float(strength[place])) for place in order if strength[place] > 0)
