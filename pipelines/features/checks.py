"""Checks of the feature stage that dbt tests do not say: they warn, and show numbers."""

# Without postponed annotations: Dagster reads the type of `context` through the decorator below it.

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import dagster as dg
import duckdb

from pipelines.partitions import as_of_date
from pipelines.resources import Engine

_MAX_UNSURE_SHARE: Final = 0.2


@dataclass(frozen=True)
class Verdict:
    """Outcome of a check.

    Attributes:
        passed: whether the sentence in the check's name is true.
        words: what was found, and what it means.
        numbers: what was counted.
    """

    passed: bool
    words: str
    numbers: dict[str, int]


def judge_replies(*, replies: int, unsure: int) -> Verdict:
    """Unsure replies count as responses, so they must stay few: at most a fifth of all replies."""
    passed = unsure <= _MAX_UNSURE_SHARE * max(replies, 1)
    words = f"{unsure} of {replies} replies could not be classified; they count as responses."
    return Verdict(passed, words, {"replies": replies, "unsure": unsure})


def judge_history(*, first: date | None, as_of: date, needed_days: int) -> Verdict:
    """History must reach back at least one label window before the as-of date, or there is no label."""
    if first is None:
        return Verdict(False, "No activity is known; there is nothing to learn from.", {"days": 0})
    days = (as_of - first).days
    passed = days > needed_days
    words = f"History spans {days} days; a label needs more than {needed_days}."
    return Verdict(passed, words, {"days": days, "needed_days": needed_days})


def count_replies(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Inbound messages with a class, and those that are unsure."""
    row = connection.execute(
        "select count(*), count(*) filter (where reply_class = 'unsure') from marts.fct_activities "
        "where reply_class is not null and kind <> 'bounce'"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def first_activity(connection: duckdb.DuckDBPyConnection) -> date | None:
    """Day of the oldest activity, or None."""
    row = connection.execute("select min(occurred_at)::date from marts.fct_activities").fetchone()
    return row[0] if row else None


def _result(verdict: Verdict) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"words": verdict.words, **verdict.numbers},
    )


@dg.asset_check(
    asset=["marts", "fct_activities"],
    name="replies_are_mostly_classified",
    description="At most a fifth of the replies could not be classified by rules; unsure ones count as responses.",
)
def replies_are_mostly_classified(engine: Engine) -> dg.AssetCheckResult:
    """Warns when the rules understand too few replies."""
    with engine.warehouse.open() as connection:
        replies, unsure = count_replies(connection)
    return _result(judge_replies(replies=replies, unsure=unsure))


@dg.asset_check(
    asset=["marts", "lead_labels"],
    name="history_spans_the_label_window",
    description="Activities reach back further than horizon, label lag and dormancy together.",
    additional_deps=[["marts", "fct_activities"]],
)
def history_spans_the_label_window(context: dg.AssetCheckExecutionContext, engine: Engine) -> dg.AssetCheckResult:
    """Warns when no snapshot can be mature yet."""
    settings = engine.settings
    needed = timedelta(days=settings.horizon_days + settings.label_lag_days + settings.dormant_after_days).days
    with engine.warehouse.open() as connection:
        first = first_activity(connection)
    return _result(judge_history(first=first, as_of=as_of_date(context), needed_days=needed))


CHECKS: Final = [replies_are_mostly_classified, history_spans_the_label_window]
