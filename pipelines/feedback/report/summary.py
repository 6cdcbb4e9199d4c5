"""The machine-readable result of a day, made from the same facts as the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.errors import BadInputError
from contracts.files import write_atomic
from contracts.summary import (
    BatchSummary,
    ChampionSummary,
    DriftSummary,
    PowerSummary,
    RunSummary,
    ScoresSummary,
)
from pipelines.feedback.report.facts import DayFacts, Facts


def build_summary(day: DayFacts, *, seconds: Mapping[str, float] | None = None) -> RunSummary:
    """Summary of one day; paths are relative to the project's root where they lie below it.

    Args:
        day: facts of the day.
        seconds: wall seconds by stage, so far.

    Raises:
        BadInputError: scored and unscored people do not add up to everyone dormant.
    """
    counted = day.scores.rows + sum(day.scores.unscored.values())
    if counted != day.population.dormant:
        raise BadInputError(
            f"{day.scores.rows} scored and {counted - day.scores.rows} unscored people do not add up to "
            f"{day.population.dormant} dormant ones.",
            where=f"scores/lead_scores {day.as_of}",
            remedy=f"Run the whole day again: `recovery run --as-of {day.as_of}`.",
        )
    return RunSummary(
        as_of_date=day.as_of,
        people=day.population.people,
        dormant=day.population.dormant,
        contactable=day.plan.contactable,
        rows_in=day.intake.rows_in,
        rows_rejected=day.intake.rows_rejected,
        champion=_champion(day.model),
        drift=DriftSummary(share_drifted=_number(day.drift, "share_drifted"), report=day.drift_report),
        scores=ScoresSummary(rows=day.scores.rows, unscored=dict(day.scores.unscored), path=day.scores.path),
        batch=BatchSummary(
            id=day.batch.batch_id,
            sha256=day.batch.sha256,
            planned=day.plan.planned,
            held_out=day.plan.held_out,
            skipped=dict(day.plan.skipped),
            power=PowerSummary(controls=day.plan.controls, smallest_visible_effect=day.plan.smallest_visible_effect),
            path=day.batch.path,
        ),
        report=day.report_path,
        seconds=dict(seconds or {}),
    )


def write_summary(path: Path, summary: RunSummary) -> None:
    """Replace `path` with the summary as JSON, atomically."""
    write_atomic(path, summary.model_dump_json(indent=2).encode() + b"\n")


def _champion(model: Facts) -> ChampionSummary:
    version = model.get("version")
    return ChampionSummary(
        name=str(model.get("name") or "none"),
        version=None if version is None else str(version),
        score_kind=str(model.get("score_kind") or "none"),
        roc_auc=_number(model, "roc_auc"),
        pr_auc=_number(model, "pr_auc"),
        brier=_number(model, "brier"),
        ece=_number(model, "ece"),
        base_rate=_number(model, "base_rate"),
    )


def _number(facts: Mapping[str, Any], name: str) -> float | None:
    value = facts.get(name)
    return None if value is None else float(value)
