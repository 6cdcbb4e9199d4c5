"""Checks of the feedback stage: sentences that are true when green."""

from datetime import timedelta
from typing import Any, Final

import dagster as dg

from contracts.published import read_manifest, read_published
from pipelines.campaigns.inputs import open_day_ledger
from pipelines.feedback.assets import RESULTS
from pipelines.partitions import as_of_date
from pipelines.resources import Engine


def evaluate_assignments(rows: list[dict[str, Any]], *, assigned: int) -> tuple[bool, str]:
    """Whether each assignment is measured, immature, censored or without a label, and none is counted twice."""
    parts = ("people", "immature", "censored", "unlabelled", "later_steps")
    overall = [row for row in rows if row["scope"] == "all"]
    counted = sum(row[name] for row in overall for name in parts)
    return counted == assigned, f"{assigned:,} assignments, {counted:,} accounted for"


@dg.asset_check(asset=RESULTS, name="every_assignment_is_measured_or_counted_as_left_out")
def every_assignment_is_measured_or_counted_as_left_out(
    context: dg.AssetCheckExecutionContext, engine: Engine
) -> dg.AssetCheckResult:
    """Every assignment is in the results, either measured or counted by why it is not."""
    as_of = as_of_date(context)
    root = engine.settings.published_dir
    if read_manifest(root, dataset="campaign_results", as_of=as_of) is None:
        return dg.AssetCheckResult(passed=False, description=f"No results are published for {as_of}.")
    with open_day_ledger(engine.settings) as ledger:
        assigned = ledger.read_assignments(before=as_of + timedelta(days=1)).num_rows
    rows = read_published(root, dataset="campaign_results", as_of=as_of).to_pylist()
    passed, words = evaluate_assignments(rows, assigned=assigned)
    return dg.AssetCheckResult(passed=passed, description=words, metadata={"assigned": assigned})


CHECKS: Final = [every_assignment_is_measured_or_counted_as_left_out]
