"""The daily report: one page for people, one summary for machines."""

import re
from datetime import date
from pathlib import Path
from typing import Final

import dagster as dg

from contracts.files import write_atomic
from contracts.summary import RunSummary
from pipelines.failures import readable
from pipelines.feedback.report.facts import DayFacts
from pipelines.feedback.report.page import render_page
from pipelines.feedback.report.reading import Places, read_day
from pipelines.feedback.report.summary import build_summary, write_summary
from pipelines.feedback.report.timing import stage_seconds
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import PROJECT_ROOT, Engine

REPORT_KEY: Final = dg.AssetKey(["feedback", "daily_report"])
_OUTSIDE: Final = re.compile(
    r"<script|<iframe|<object|<link|\ssrc\s*=|href\s*=\s*[\"'](?!#)|@import|url\(", re.IGNORECASE
)


def report_path(engine: Engine, as_of: date) -> Path:
    """HTML file of a day."""
    return engine.settings.report_dir / as_of.isoformat() / "index.html"


def places_of(engine: Engine) -> Places:
    """Where this installation's days are read from."""
    settings = engine.settings
    return Places(
        warehouse=engine.warehouse,
        published=settings.published_dir,
        outbox=settings.outbox_dir,
        var=settings.var_dir,
        root=Path(engine.root) if engine.root else PROJECT_ROOT,
    )


def write_report(engine: Engine, as_of: date, *, seconds: dict[str, float]) -> tuple[DayFacts, RunSummary]:
    """Read the day, write its page and `summary.json`, both atomically; returns what they were made from."""
    places = places_of(engine)
    path = report_path(engine, as_of)
    day = read_day(places, as_of, report_path=places.told(path))
    summary = build_summary(day, seconds=seconds)
    write_atomic(path, render_page(day).encode())
    write_summary(engine.settings.var_dir / "summary.json", summary)
    return day, summary


@dg.asset(
    key=REPORT_KEY,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name="feedback",
    owners=["team:data"],
    kinds={"html", "json"},
    tags={"audience": "sales"},
    pool="warehouse_write",
    deps=[
        dg.AssetKey(["campaigns", "campaign_batch"]),
        dg.AssetKey(["feedback", "campaign_results"]),
        dg.AssetKey(["scores", "feature_drift"]),
    ],
)
@readable
def daily_report(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """One page per as-of date for people, and `summary.json` of the newest run for machines.

    Written to `report/<date>/index.html` and `summary.json` below the state folder. A rerun with the same inputs
    gives the same page, byte for byte. Missing inputs (no model, no batch, nobody dormant) are told in words;
    people of another as-of date in the warehouse are refused, because the page would mix two days.
    """
    as_of = as_of_date(context)
    seconds = stage_seconds(context.instance, context.run.run_id)
    day, summary = write_report(engine, as_of, seconds=seconds)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": 1,
            "as_of_date": as_of.isoformat(),
            "messages_ready": summary.batch.planned,
            "leads_that_may_be_contacted": summary.contactable,
            "report": dg.MetadataValue.path(str(report_path(engine, as_of))),
            "rejected_rows": day.intake.rows_rejected,
        }
    )


@dg.asset_check(
    asset=REPORT_KEY,
    blocking=True,
    description="Planned, held-out and skipped people add up to everyone dormant.",
)
def report_accounts_for_every_dormant_person(
    context: dg.AssetCheckExecutionContext, engine: Engine
) -> dg.AssetCheckResult:
    """Conservation, read back from the file that people and machines use."""
    summary = RunSummary.model_validate_json((engine.settings.var_dir / "summary.json").read_bytes())
    passed, told = accounts_for_everyone(summary, as_of_date(context))
    return dg.AssetCheckResult(passed=passed, description=told, metadata={"dormant": summary.dormant})


@dg.asset_check(asset=REPORT_KEY, description="The page loads nothing from elsewhere and runs no script.")
def report_is_self_contained(context: dg.AssetCheckExecutionContext, engine: Engine) -> dg.AssetCheckResult:
    """The page as written holds no reference to anything outside it."""
    found = outside_references(report_path(engine, as_of_date(context)).read_text(encoding="utf-8"))
    told = "The page stands alone." if not found else f"The page refers to the outside {len(found)} times."
    return dg.AssetCheckResult(
        passed=not found, severity=dg.AssetCheckSeverity.ERROR, description=told, metadata={"references": len(found)}
    )


def accounts_for_everyone(summary: RunSummary, as_of: date) -> tuple[bool, str]:
    """Whether a plan's parts add up to everyone dormant; a day without a plan has nothing to add up."""
    if summary.as_of_date != as_of:
        return False, f"The summary is that of {summary.as_of_date}, not of {as_of}."
    batch = summary.batch
    parts = batch.planned + batch.held_out + sum(batch.skipped.values())
    if parts == 0 and batch.id is None:
        return True, "No plan was made, so there is nothing to add up."
    return parts == summary.dormant, f"{parts} people in the plan, {summary.dormant} dormant."


def outside_references(html: str) -> list[str]:
    """Places of a page's tags and style sheets that load or run something; texts of leads are escaped, so no tags."""
    markup = [*re.findall(r"<[^>]*>", html), *re.findall(r"<style>(.*?)</style>", html, re.DOTALL)]
    return [match.group() for part in markup for match in _OUTSIDE.finditer(part)]


ASSETS: Final = [daily_report]
CHECKS: Final = [report_accounts_for_every_dormant_person, report_is_self_contained]
