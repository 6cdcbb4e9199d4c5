"""Constants of the scorecard that are told where nothing is computed."""

from __future__ import annotations

from typing import Final

# Assumed where no outcome is known yet: 5 % come back in a month.
PRIOR_RATE: Final = 0.05
