"""What a holdout can show."""

from __future__ import annotations

import math
from typing import Final

# Two-sided 5 % level and 80 % power (Fleiss, Statistical Methods for Rates and Proportions, ch. 4).
_Z_LEVEL: Final = 1.959963984540054
_Z_POWER: Final = 0.8416212335729143


def smallest_visible_effect(base_rate: float, *, contacted: int, controls: int) -> float | None:
    """Smallest difference of two shares (0..1) that would be seen in four of five trials; None without groups.

    Args:
        base_rate: expected share without contact.
        contacted: people in the contacted group.
        controls: people held out.
    """
    if contacted <= 0 or controls <= 0:
        return None
    spread = base_rate * (1 - base_rate) * (1 / contacted + 1 / controls)
    return (_Z_LEVEL + _Z_POWER) * math.sqrt(spread)
