"""The recipes that compete with the rule scorecard."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class RecipeName(StrEnum):
    """Learned candidates."""

    LOGISTIC = "logistic_regression"
    BOOSTING = "hist_gradient_boosting"
    LIGHTGBM = "lightgbm"
    AVERAGE = "average"


# The simpler first: of recipes that cannot be told apart the first is taken.
ORDER: Final = (RecipeName.LOGISTIC, RecipeName.BOOSTING, RecipeName.LIGHTGBM, RecipeName.AVERAGE)


@dataclass(frozen=True)
class Recipe:
    """A candidate with its parameters; an average has members instead."""

    name: RecipeName
    params: dict[str, float | int]
    members: tuple[Recipe, ...] = ()
