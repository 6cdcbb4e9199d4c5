"""The days side by side, in a marketer's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from contracts.summary import RunSummary
from pipelines.feedback.report.words import SKIPS, count, percent, plain

Cell = Callable[[RunSummary], str]


def _share(part: int, whole: int) -> str:
    return f"{count(part)} ({part / whole:.0%})" if whole else count(part)


def _model(summary: RunSummary) -> str:
    champion = summary.champion
    if champion.name == "none":
        return "none yet"
    kind = "learned" if champion.score_kind == "model" else "rules"
    version = f" v{champion.version}" if champion.version else ""
    return f"{plain(champion.name)}{version} ({kind})"


def _ranking(summary: RunSummary) -> str:
    auc = summary.champion.roc_auc
    return "not measured yet" if auc is None else f"{auc:.0%} of pairs in the right order"


def _obstacle(summary: RunSummary) -> str:
    found = sorted(summary.batch.skipped.items(), key=lambda item: (-item[1], item[0]))
    if not found or found[0][1] == 0:
        return "–"
    reason, number = found[0]
    return f"{SKIPS[reason].words if reason in SKIPS else plain(reason)}: {count(number)}"


def _visible(summary: RunSummary) -> str:
    effect = summary.batch.power.smallest_visible_effect
    return "–" if effect is None else f"{100 * effect:.1f} points"


def _drift(summary: RunSummary) -> str:
    share = summary.drift.share_drifted
    return "not measured yet" if share is None else f"{share:.0%} of the facts"


_ROWS: Final[tuple[tuple[str, Cell], ...]] = (
    ("Rows read from the CRM exports", lambda s: count(s.rows_in)),
    ("  of these rejected, with reason", lambda s: _share(s.rows_rejected, s.rows_in)),
    ("People behind them", lambda s: count(s.people)),
    ("Dormant leads", lambda s: _share(s.dormant, s.people)),
    ("  with a score", lambda s: count(s.scores.rows)),
    ("  that may be contacted", lambda s: _share(s.contactable, s.dormant)),
    ("Model that ranks them", _model),
    ("  how well it ranks", _ranking),
    ("  come back by themselves", lambda s: percent(s.champion.base_rate).replace("\u00a0", " ")),
    ("  data that changed since training", _drift),
    ("Messages in the batch", lambda s: count(s.batch.planned)),
    ("  held out to compare", lambda s: count(s.batch.held_out)),
    ("  smallest effect that would show", _visible),
    ("What keeps most people out", _obstacle),
    ("Seconds of work", lambda s: count(sum(s.seconds.values())) if s.seconds else "–"),
)


def marketer_table(summaries: Sequence[RunSummary]) -> list[tuple[str, ...]]:
    """One row per figure: its name, then one cell per day in the order given."""
    return [(label, *(cell(summary) for summary in summaries)) for label, cell in _ROWS]
