"""Whether a challenger becomes champion: only on evidence, at most every so many days, only if it can be loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from models.evaluation.comparison import Comparison
from models.evaluation.resampling import Interval

_NOT_WORSE: Final = 0.005  # share of the champion's log loss
Verdict = Literal["promoted", "kept", "unchanged", "held", "refused", "recalibrated", "rolled_back"]


@dataclass(frozen=True)
class Challenger:
    """What the gate knows of a trained candidate: its twin's skill over the base rate and gain over the scorecard."""

    fingerprint: str
    name: str
    skill: Interval
    gain_over_card: Interval


@dataclass(frozen=True)
class Champion:
    """The model in use; `days_in_use` since the last change of champion."""

    fingerprint: str
    version: str
    days_in_use: int


@dataclass(frozen=True)
class Decision:
    """Outcome of the gate with its reason in words.

    Verdicts: `promoted` the challenger is champion; `unchanged` it already was; `kept` the champion stays;
    `refused` there is no champion and none is made; `held` something is wrong that a person should look at. The rule
    of drift adds `recalibrated` the champion has a new calibrator, and `rolled_back` an earlier model is back.
    """

    verdict: Verdict
    reason: str
    gain: Interval | None = None
    comparison: Comparison | None = None


def decide(
    *,
    challenger: Challenger | None,
    refused: str | None,
    champion: Champion | None,
    rolled_back: bool,
    failing_backtest: str | None,
    promote_every_days: int,
    refresh_after_days: int,
    compare: Callable[[], Comparison | None],
    loads: Callable[[], str | None],
) -> Decision:
    """Decide about promotion; `compare` and `loads` run only when the answer depends on them.

    Args:
        challenger: the candidate; None when training was refused.
        refused: why training was refused.
        champion: the model in use; None for the scorecard.
        rolled_back: a person took this challenger out of use.
        failing_backtest: why the matured backtest fails, else None.
        promote_every_days: least days between promotions.
        refresh_after_days: a champion older than this makes way for a challenger that is not worse.
        compare: challenger and champion on rows later than either's data; None when there are none.
        loads: None when the model loads in a fresh interpreter and answers alike, else what went wrong.
    """
    if challenger is None:
        return Decision("kept" if champion else "refused", f"no new model: {refused}")
    if champion is not None and champion.fingerprint == challenger.fingerprint:
        return Decision("unchanged", "data, code and parameters are those of the model in use")
    if rolled_back:
        return Decision("kept" if champion else "refused", "this model was taken out of use by hand")
    if failing_backtest is not None:
        return Decision("held", f"promotion waits for a person: {failing_backtest}")
    if champion is not None and champion.days_in_use < promote_every_days:
        return Decision(
            "kept",
            f"the model in use is {_days(champion.days_in_use)} old; "
            f"models change at most every {promote_every_days} days",
        )
    verdict = _first(challenger) if champion is None else _against(champion, compare, refresh_after_days)
    if verdict.verdict != "promoted":
        return verdict
    fault = loads()
    if fault is not None:
        return Decision("held", f"the new model cannot be used: {fault}", verdict.gain, verdict.comparison)
    return verdict


def _first(challenger: Challenger) -> Decision:
    skill, gain = challenger.skill, challenger.gain_over_card
    told = (
        f"log-loss skill over the base rate {_percent(skill)}, "
        f"gain over the scorecard {gain.value:.5f} ({gain.low:.5f} to {gain.high:.5f})"
    )
    if skill.low > 0 and gain.low > 0:
        return Decision("promoted", f"first model that beats the base rate and the scorecard: {told}", gain)
    return Decision("refused", f"it does not surely beat both the base rate and the scorecard: {told}", gain)


def _against(champion: Champion, compare: Callable[[], Comparison | None], refresh_after_days: int) -> Decision:
    found = compare()
    if found is None:
        return Decision("kept", "no outcome is yet later than the data of the model in use, so nothing can be compared")
    gain = found.gain
    told = (
        f"log-loss gain {gain.value:.5f} ({gain.low:.5f} to {gain.high:.5f}, surely {found.surely:.5f}), "
        f"{100 * found.relative:+.2f} %, on {found.rows:,} rows later than either's data"
    )
    if found.collapsed:
        return Decision("kept", f"it fails on a part of the people: {'; '.join(found.collapsed[:3])}", gain, found)
    if found.profit is not None and found.profit.high < 0:
        return Decision("kept", f"it would earn less at the plan's capacity ({found.profit.value:,.0f})", gain, found)
    if found.surely > 0:
        return Decision("promoted", f"better than version {champion.version}: {told}", gain, found)
    if champion.days_in_use > refresh_after_days and found.relative >= -_NOT_WORSE:
        age = _days(champion.days_in_use)
        return Decision("promoted", f"version {champion.version} is {age} old, and not worse: {told}", gain, found)
    return Decision("kept", f"not surely better than version {champion.version}: {told}", gain, found)


def _percent(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f} %)"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
