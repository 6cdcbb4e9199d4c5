"""Expected value of a contact: money where deals allow it, else expected reactivations."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
LEAST_DEALS: Final = 30


class ValueBasis(StrEnum):
    """Where the amount behind a value comes from."""

    OWN_AMOUNT = "own_amount"
    SEGMENT_MEDIAN = "segment_median"
    REACTIVATIONS = "reactivations"


@dataclass(frozen=True)
class DealStatistics:
    """What past deals are worth.

    Attributes:
        medians: median amount by segment of at least 30 deals, shrunk towards the overall one.
        overall: median amount of all deals; None below 30 deals.
        win_rate: P(won | reactivated); None below 30 mature reactivations.
    """

    medians: dict[str, float]
    overall: float | None
    win_rate: float | None

    @property
    def speaks_of_money(self) -> bool:
        """Whether values can be given in money for everybody."""
        return self.overall is not None and self.win_rate is not None


def deal_statistics(amounts: pd.DataFrame, *, reactivated: int, won: int) -> DealStatistics:
    """Medians and win rate from what is known.

    Args:
        amounts: columns `segment` and `amount` (> 0, reporting currency), one row per person with a deal.
        reactivated: people who came back, in mature snapshots.
        won: those of them who bought.
    """
    win_rate = (won + 0.5) / (reactivated + 1) if reactivated >= LEAST_DEALS else None
    known = amounts[amounts["amount"] > 0]  # an amount of 0 in a CRM is missing
    if len(known) < LEAST_DEALS:
        return DealStatistics({}, None, win_rate)
    overall = float(known["amount"].median())
    grouped = known.groupby("segment")["amount"].agg(["median", "size"]).sort_index()
    medians = {
        str(name): float((row["size"] * row["median"] + LEAST_DEALS * overall) / (row["size"] + LEAST_DEALS))
        for name, row in grouped.iterrows()
        if row["size"] >= LEAST_DEALS
    }
    return DealStatistics(medians, overall, win_rate)


def amounts_of(people: pd.DataFrame, deals: DealStatistics, currency: str) -> tuple[Floats, list[str]]:
    """Amount and its basis per person; 1 and `reactivations` where the plan cannot speak of money.

    Money and reactivations are never mixed in one ranking: without medians for everybody, all amounts are 1.
    """
    if not deals.speaks_of_money:
        return np.ones(len(people)), [ValueBasis.REACTIVATIONS.value] * len(people)
    own = people["open_amount"].astype("float64").to_numpy(copy=True)
    is_own = np.isfinite(own) & (own > 0) & (people["currency"] == currency).fillna(False).to_numpy(dtype=bool)
    medians = segment_of(people).map(deals.medians).astype("float64").fillna(deals.overall).to_numpy()
    basis = np.where(is_own, ValueBasis.OWN_AMOUNT.value, ValueBasis.SEGMENT_MEDIAN.value)
    return np.where(is_own, own, medians), basis.tolist()


def segment_of(people: pd.DataFrame) -> pd.Series[str]:
    """Segment of a person: market and kind of lead."""
    return people["market"].fillna("-").astype("str") + "/" + people["lead_kind"].fillna("-").astype("str")


def value_words(deals: DealStatistics, currency: str, effect: str) -> str:
    """One sentence on how to read the values.

    Args:
        deals: whether money can be spoken of.
        currency: of the values.
        effect: clause on what the effect of a contact rests on.
    """
    if deals.speaks_of_money:
        return f"Expected margin in {currency} less cost; {effect}."
    return f"Expected reactivations, not money: too few deals or won leads are known; {effect}."
