"""Held out against contacted, by intention to treat: everybody counts in the arm that was drawn for them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from contracts.words import Arm

_Z: Final = 1.959963984540054
# Below these a difference of shares says nothing, whatever its interval.
LEAST_PEOPLE: Final = 30
LEAST_RETURNED: Final = 5
CONTACTED: Final = "contacted"
HELD_OUT: Final = "held_out"

RESULTS_SCHEMA: Final = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("scope", pa.string()),
        ("playbook", pa.string()),
        ("channel", pa.string()),
        ("arm", pa.string()),
        ("assigned", pa.int64()),
        ("people", pa.int64()),
        ("immature", pa.int64()),
        ("censored", pa.int64()),
        ("unlabelled", pa.int64()),
        ("later_steps", pa.int64()),
        ("reactivated", pa.int64()),
        ("rate", pa.float64()),
        ("rate_low", pa.float64()),
        ("rate_high", pa.float64()),
        ("rate_if_censored_stayed_away", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Results:
    """Table of arms (`RESULTS_SCHEMA`) and facts with the verdict in words."""

    table: pa.Table
    facts: dict[str, Any]


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval, widened for people of one account."""

    people: int
    returned: int
    rate: float
    low: float
    high: float


def measure(
    assignments: pd.DataFrame, labels: pd.DataFrame, *, as_of: date, horizon_days: int, label_lag_days: int
) -> Results:
    """Compare arms over all playbooks, and within each playbook and channel.

    A person counts once per dormancy spell, with the first step of a playbook, in the arm drawn there. Later steps
    are counted apart: only those who have not come back get them, so their groups are no longer alike.

    Contact itself makes people opt out and addresses bounce, and such people are censored. Beside each comparison
    stands the one in which every censored person counts as not returned.

    Args:
        assignments: ledger rows known at `as_of` (as_of_date, person_id, account_id, playbook, channel, arm).
        labels: mature labels (as_of_date, person_id, is_reactivated, censored_at).
        as_of: day of the report.
        horizon_days, label_lag_days: a label is mature after both.
    """
    joined = _join(assignments, labels, as_of=as_of, days=horizon_days + label_lag_days)
    rows: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    for scope, playbook, channel, part in _scopes(joined):
        shares, bounds = {}, {}
        for arm in (CONTACTED, HELD_OUT):
            mine = part[part["arm_group"] == arm]
            shares[arm] = share = share_of(mine[mine["status"] == "measured"])
            bounds[arm] = bound = share_of(_as_not_returned(mine))
            rows.append(_row(as_of, scope, playbook, channel, arm, mine, share, bound))
        compared = _compare(shares[CONTACTED], shares[HELD_OUT])
        compared["censored"] = {arm: bounds[arm].people - shares[arm].people for arm in shares}
        compared["censored_as_not_returned"] = _compare(bounds[CONTACTED], bounds[HELD_OUT])
        comparisons.append({"scope": scope, "playbook": playbook, "channel": channel, **compared})
    due = _ready_on(joined, days=horizon_days + label_lag_days)
    facts = {
        "verdict": verdict(comparisons[0] if comparisons else None, joined, ready_on=due),
        "is_too_early": not comparisons or not comparisons[0]["is_enough"],
        "ready_on": due.isoformat() if due else None,
        "comparisons": comparisons,
        "assigned": len(joined),
        "measured": int((joined["status"] == "measured").sum()),
    }
    return Results(pa.Table.from_pylist(rows, schema=RESULTS_SCHEMA), facts)


def _join(assignments: pd.DataFrame, labels: pd.DataFrame, *, as_of: date, days: int) -> pd.DataFrame:
    keys = ["as_of_date", "person_id"]
    left = assignments.drop_duplicates([*keys, "playbook", "step", "cycle"]).copy()
    left = left.assign(as_of_date=pd.to_datetime(left["as_of_date"]), person_id=left["person_id"].astype("str"))
    right = labels.assign(as_of_date=pd.to_datetime(labels["as_of_date"])).drop_duplicates(keys)
    joined = left.merge(right, on=keys, how="left", indicator=True)
    is_mature = joined["as_of_date"] + timedelta(days=days) <= pd.Timestamp(as_of)
    is_labelled = (joined["_merge"] == "both").to_numpy(dtype=bool)
    is_lost = is_labelled & joined["is_reactivated"].isna().to_numpy(dtype=bool)
    is_later = (joined["step"] > joined.groupby(["person_id", "playbook", "cycle"])["step"].transform("min")).to_numpy()
    joined["status"] = np.select(
        [is_later, ~is_mature.to_numpy(dtype=bool), ~is_labelled, is_lost],
        ["later_steps", "immature", "unlabelled", "censored"],
        "measured",
    )
    joined["arm_group"] = np.where(joined["arm"] == Arm.HELD_OUT.value, HELD_OUT, CONTACTED)
    return joined


def _scopes(joined: pd.DataFrame) -> list[tuple[str, str | None, str | None, pd.DataFrame]]:
    found: list[tuple[str, str | None, str | None, pd.DataFrame]] = []
    if len(joined):
        found.append(("all", None, None, joined))
    for (playbook, channel), part in joined.groupby(["playbook", "channel"], sort=True):
        found.append(("playbook and channel", str(playbook), str(channel), part))
    return found


def _as_not_returned(rows: pd.DataFrame) -> pd.DataFrame:
    """Measured and censored people, the latter as not returned."""
    seen = rows[rows["status"].isin(["measured", "censored"])]
    return seen.assign(is_reactivated=(seen["is_reactivated"].astype("boolean").fillna(False)))


def share_of(rows: pd.DataFrame) -> Share:
    """Share of reactivated people with a Wilson interval on the effective number of people.

    People of one account answer alike: the number is divided by the design effect, the ratio of the clustered
    (linearised) to the binomial variance, never below 1 (Kish 1965).

    Args:
        rows: columns is_reactivated, account_id, person_id.
    """
    people = len(rows)
    if people == 0:
        return Share(0, 0, math.nan, math.nan, math.nan)
    back = rows["is_reactivated"].astype(bool).to_numpy()
    returned = int(back.sum())
    rate = returned / people
    low, high = wilson(rate, people / _design_effect(rows, back, rate))
    return Share(people, returned, rate, low, high)


def _design_effect(rows: pd.DataFrame, back: Any, rate: float) -> float:
    people = len(rows)
    unit = rows["account_id"].astype("object").where(rows["account_id"].notna(), rows["person_id"])
    residual = pd.Series(back - rate).groupby(unit.to_numpy()).sum()
    clusters = len(residual)
    binomial = rate * (1 - rate) / people
    if clusters < 2 or binomial == 0:
        return max(1.0, people / max(clusters, 1))
    clustered = float((residual**2).sum()) / people**2 * clusters / (clusters - 1)
    return max(1.0, clustered / binomial)


def wilson(rate: float, people: float) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    centre = (rate + _Z**2 / (2 * people)) / (1 + _Z**2 / people)
    half = _Z / (1 + _Z**2 / people) * math.sqrt(rate * (1 - rate) / people + _Z**2 / (4 * people**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _compare(contacted: Share, held_out: Share) -> dict[str, Any]:
    """Difference of the shares with a 95 % interval (Newcombe 1998, method 10)."""
    if contacted.people == 0 or held_out.people == 0:
        return {"difference": None, "low": None, "high": None, "is_enough": False}
    difference = contacted.rate - held_out.rate
    low = difference - math.hypot(contacted.rate - contacted.low, held_out.high - held_out.rate)
    high = difference + math.hypot(contacted.high - contacted.rate, held_out.rate - held_out.low)
    enough = (
        min(contacted.people, held_out.people) >= LEAST_PEOPLE
        and contacted.returned + held_out.returned >= LEAST_RETURNED
    )
    figures = {"difference": difference, "low": low, "high": high}
    return {name: round(value, 6) for name, value in figures.items()} | {"is_enough": enough}


def _row(
    as_of: date,
    scope: str,
    playbook: str | None,
    channel: str | None,
    arm: str,
    rows: pd.DataFrame,
    share: Share,
    bound: Share,
) -> dict[str, Any]:
    counts = rows["status"].value_counts()
    return {
        "as_of_date": as_of,
        "scope": scope,
        "playbook": playbook,
        "channel": channel,
        "arm": arm,
        "assigned": len(rows),
        "people": share.people,
        **{name: int(counts.get(name, 0)) for name in ("immature", "censored", "unlabelled", "later_steps")},
        "reactivated": share.returned,
        **{
            name: None if math.isnan(value) else round(value, 6)
            for name, value in (
                ("rate", share.rate),
                ("rate_low", share.low),
                ("rate_high", share.high),
                ("rate_if_censored_stayed_away", bound.rate),
            )
        },
    }


def _ready_on(joined: pd.DataFrame, *, days: int) -> date | None:
    """First day on which assignments that are still immature can be measured."""
    waiting = joined.loc[joined["status"] == "immature", "as_of_date"]
    return None if waiting.empty else (waiting.min() + timedelta(days=days)).date()


def verdict(overall: dict[str, Any] | None, joined: pd.DataFrame, *, ready_on: date | None) -> str:
    """One or two sentences for people."""
    when = f" More can be said on {ready_on.isoformat()}." if ready_on else ""
    if overall is None:
        return "Too early: no batch has been released yet."
    if overall["difference"] is None or not overall["is_enough"]:
        measured = joined[joined["status"] == "measured"]
        held = int((measured["arm_group"] == HELD_OUT).sum())
        return (
            f"Too early: {len(measured) - held:,} contacted and {held:,} held-out people can be measured so far; at "
            f"least {LEAST_PEOPLE} of each and {LEAST_RETURNED} who came back are needed."
            + (when or " Later batches add to them.")
        )
    span, when = _span(overall), _sensitivity(overall) + when
    if overall["low"] > 0:
        return f"Contact brought more people back than would have come anyway: {span}.{when}"
    if overall["high"] < 0:
        return f"Contact kept people away who would have come back: {span}. Stop and look at the words.{when}"
    return f"No effect can be told from chance yet: {span}.{when}"


def _span(compared: dict[str, Any]) -> str:
    points = {name: 100 * compared[name] for name in ("difference", "low", "high")}
    return f"{points['difference']:+.1f} points (95 % interval {points['low']:+.1f} to {points['high']:+.1f})"


def _sensitivity(overall: dict[str, Any]) -> str:
    """What becomes of the difference when people who dropped out of sight count as not returned."""
    lost, bound = overall["censored"], overall["censored_as_not_returned"]
    if not sum(lost.values()):
        return " Nobody dropped out of sight."
    changes = (overall["low"] > 0) != (bound["low"] > 0) or (overall["high"] < 0) != (bound["high"] < 0)
    return (
        f" Left out are {lost[CONTACTED]:,} contacted and {lost[HELD_OUT]:,} held-out people who dropped out of sight "
        f"(opt-out, bounce, deletion); counted as not returned, the difference is {_span(bound)}, which "
        f"{'changes' if changes else 'does not change'} the conclusion."
    )


def empty_labels() -> pd.DataFrame:
    """Labels of a day that has none."""
    return pd.DataFrame(
        {
            "as_of_date": pd.Series([], dtype="datetime64[s]"),
            "person_id": pd.Series([], dtype="str"),
            "is_reactivated": pd.Series([], dtype="boolean"),
        }
    )
