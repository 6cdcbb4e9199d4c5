"""First results of the comparison between contacted and held-out people, as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipelines.feedback.report import charts
from pipelines.feedback.report.facts import Facts, Results
from pipelines.feedback.report.words import CHANNELS, clean, plain

_ARMS = {
    "contacted": "contacted",
    "held_out": "held out",
    "explored": "explored",
    "global_holdout": "long-term holdout",
}


@dataclass(frozen=True, slots=True)
class ArmRow:
    """One line of the results table."""

    group: str
    arm: str
    people: int
    returned: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ResultsView:
    """Verdict in words, and the arms behind it."""

    verdict: str
    rows: tuple[ArmRow, ...]
    chart: Markup


def results_view(results: Results) -> ResultsView:
    """View of the published `campaign_results`; without any, or too early, the words say so."""
    if not results.is_published:
        return ResultsView("Too early: no campaign has been measured yet.", (), Markup(""))
    verdict = clean(results.facts.get("verdict") or results.facts.get("words"), 1_200)
    rows = tuple(row for row in (_arm_row(found) for found in results.arms) if row is not None)
    shown = [charts.Interval(f"{row.group}, {row.arm}", row.rate, row.low, row.high) for row in rows[:8]]
    return ResultsView(verdict or "Too early: no label has matured yet.", rows, charts.forest(shown))


def _arm_row(found: Facts) -> ArmRow | None:
    people = _first(found, "people", "n", "matured")
    returned = _first(found, "reactivated", "returned", "events")
    if not people or returned is None:
        return None
    rate = _first(found, "rate", "share")
    rate = float(returned) / float(people) if rate is None else float(rate)
    low, high = _first(found, "rate_low", "low"), _first(found, "rate_high", "high")
    return ArmRow(
        group=_group(found),
        arm=_ARMS.get(str(found.get("arm")), plain(clean(found.get("arm"), 40))),
        people=int(people),
        returned=int(returned),
        rate=rate,
        low=rate if low is None else float(low),
        high=rate if high is None else float(high),
    )


def _group(found: Facts) -> str:
    channel = str(found.get("channel") or "")
    parts = [clean(found.get(name), 40) for name in ("level", "playbook") if found.get(name)]
    if channel:
        parts.append(CHANNELS.get(channel, channel))
    return " · ".join(plain(part) for part in dict.fromkeys(parts)) or "all"


def _first(found: Facts, *names: str) -> Any:
    return next((found[name] for name in names if found.get(name) is not None), None)
