"""Expected value of a return: chance x P(won | returned) x amount, with an interval; only where deals are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.calibration.calibrator import Floats

LEAST_DEALS: Final = 30
_NORMAL: Final = 1.96


@dataclass(frozen=True)
class Values:
    """Expected value per person with its 95 % interval, reporting currency; NaN where deals do not allow it."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Amounts:
    """Amounts of past deals: log mean and its variance by segment, drawn to all deals by moments.

    Attributes:
        centre: log amount of each segment, shape (segments,).
        variance: of `centre`.
    """

    centre: Floats
    variance: Floats


def segment_amounts(amount: Floats, segment: NDArray[np.int64], *, segments: int) -> Amounts | None:
    """Shrunk log amounts of deals (> 0); None below 30 deals. A segment without deals has the overall amount."""
    known = np.isfinite(amount) & (amount > 0)
    logs, codes = np.log(amount[known]), segment[known]
    if logs.size < LEAST_DEALS:
        return None
    overall = float(logs.mean())
    count = np.bincount(codes, minlength=segments).astype(np.float64)
    total = np.bincount(codes, weights=logs, minlength=segments)
    mean = np.divide(total, count, out=np.full(segments, overall), where=count > 0)
    freedom = max(logs.size - int((count > 0).sum()), 1)
    within = float(((logs - mean[codes]) ** 2).sum()) / freedom
    used = count > 0
    excess = float((count[used] * (mean[used] - overall) ** 2 - within).sum())
    between = max(excess / float(count.sum()), 0.0)
    noise = np.divide(within, count, out=np.full(segments, np.inf), where=used)
    share = between / (between + noise) if between > 0 else np.zeros(segments)
    # Half the variance between people turns a log mean into a mean amount (log-normal).
    centre = overall + share * (mean - overall) + 0.5 * within
    return Amounts(centre, (1 - share) * between + within / logs.size)


def expected_values(
    p: Floats,
    own_amount: Floats,
    segment: NDArray[np.int64],
    amounts: Amounts | None,
    *,
    won: int,
    returned: int,
) -> Values:
    """Chance x P(won | returned) x amount.

    The interval holds what is not known of the win rate (Jeffreys) and of the segment's amount; p itself is taken as
    it is. Errors are added on the log scale.

    Args:
        p: chance of return, shape (people,).
        own_amount: the person's open amount, NaN where unknown; then the segment's is taken.
        segment: shape (people,).
        amounts: from `segment_amounts`.
        won, returned: mature returns, and those of them who bought.
    """
    if amounts is None or returned < LEAST_DEALS or won < 1:
        nothing = np.full(p.size, np.nan)
        return Values(nothing, nothing, nothing)
    rate = (won + 0.5) / (returned + 1.0)
    has_own = np.isfinite(own_amount) & (own_amount > 0)
    amount = np.where(has_own, own_amount, np.exp(amounts.centre[segment]))
    spread = np.sqrt((1 - rate) / (won + 0.5) + np.where(has_own, 0.0, amounts.variance[segment]))
    value = p * rate * amount
    return Values(value, value * np.exp(-_NORMAL * spread), value * np.exp(_NORMAL * spread))
