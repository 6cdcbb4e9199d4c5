"""Collects a day's facts from the warehouse, the published datasets and the outbox. Missing parts stay empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from contracts.errors import BadInputError
from contracts.published import published_path, read_manifest
from pipelines.feedback.report.facts import Batch, DayFacts, Facts, Plan, Population, Results, Scores
from pipelines.feedback.report.messages import read_messages
from pipelines.feedback.report.reading_intake import read_intake
from pipelines.feedback.report.reading_scores import read_scores
from pipelines.feedback.report.waterfall import read_blocks
from pipelines.warehouse import Warehouse

MESSAGES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Places:
    """Where a day is read from.

    Args:
        warehouse: the DuckDB warehouse; may not exist yet.
        published: root of the published datasets.
        outbox: root of the emitted batches.
        var: folder of all state; paths in manifests are relative to it.
        root: folder that paths in the summary are told relative to.
    """

    warehouse: Warehouse
    published: Path
    outbox: Path
    var: Path
    root: Path

    def told(self, path: Path) -> str:
        """A path relative to the root where it lies below it, else absolute."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def partition(self, dataset: str, as_of: date) -> Path | None:
        """Parquet file of one published partition, or None."""
        if read_manifest(self.published, dataset=dataset, as_of=as_of) is None:
            return None
        return published_path(self.published, dataset=dataset, as_of=as_of)

    def facts(self, dataset: str, as_of: date) -> Facts:
        """Facts of one published partition; empty when it was never published."""
        manifest = read_manifest(self.published, dataset=dataset, as_of=as_of)
        return manifest.facts if manifest else {}


def read_day(places: Places, as_of: date, *, report_path: str | None = None) -> DayFacts:
    """Everything known about one as-of date.

    Args:
        places: where to read.
        as_of: the day.
        report_path: path of the page, as the summary tells it.

    Raises:
        BadInputError: the people in the warehouse belong to another as-of date.
    """
    day = DayFacts(
        as_of=as_of,
        report_path=report_path,
        model=places.facts("model_state", as_of),
        drift=places.facts("feature_drift", as_of),
        plan=_plan(places, as_of),
        batch=_batch(places, as_of),
        results=_results(places, as_of),
    )
    drift_report = day.drift.get("report")
    if drift_report and (places.var / str(drift_report)).exists():
        day = replace(day, drift_report=places.told(places.var / str(drift_report)))
    if not places.warehouse.path.exists():
        return day
    with places.warehouse.open(read_only=True) as connection:
        tables = existing_tables(connection)
        _refuse_other_date(connection, tables, as_of)
        scores_file, plan_file = places.partition("lead_scores", as_of), places.partition("campaign_plan", as_of)
        return replace(
            day,
            population=_population(connection, tables),
            intake=read_intake(connection, tables, as_of=as_of, scores=scores_file, plan=plan_file),
            scores=_scores(places, connection, tables, as_of, scores_file, plan_file),
        )


def existing_tables(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """`schema.table` of every table and view of the warehouse."""
    found = connection.execute("select table_schema || '.' || table_name from information_schema.tables").fetchall()
    return frozenset(row[0] for row in found)


def _refuse_other_date(connection: duckdb.DuckDBPyConnection, tables: frozenset[str], as_of: date) -> None:
    if "marts.dim_people" not in tables:
        return
    row = connection.execute("select max(as_of_date) from marts.dim_people").fetchone()
    found = row[0] if row else None
    if found is not None and found != as_of:
        raise BadInputError(
            f"The people in the warehouse are those of {found}, the report is for {as_of}.",
            where="marts.dim_people",
            remedy=f"Run the whole day: `recovery run --as-of {as_of}`.",
        )


def _population(connection: duckdb.DuckDBPyConnection, tables: frozenset[str]) -> Population:
    if "marts.dim_people" not in tables:
        return Population()
    row = connection.execute(
        "select count(*), count(*) filter (where is_dormant) from marts.dim_people"
    ).fetchone() or (0, 0)
    kinds = connection.execute(
        "select coalesce(lead_kind, 'unknown'), count(*) from marts.dim_people group by 1 order by 2 desc, 1"
    ).fetchall()
    awake = connection.execute(
        "select coalesce(not_dormant_reason, 'unknown'), count(*) from marts.dim_people "
        "where not is_dormant group by 1 order by 2 desc, 1"
    ).fetchall()
    return Population(people=row[0], dormant=row[1], lead_kinds=dict(kinds), not_dormant=dict(awake))


def _scores(
    places: Places,
    connection: duckdb.DuckDBPyConnection,
    tables: frozenset[str],
    as_of: date,
    scores_file: Path | None,
    plan_file: Path | None,
) -> Scores:
    facts = places.facts("lead_scores", as_of)
    unscored = {str(k): int(v) for k, v in dict(facts.get("unscored", {})).items()}
    if scores_file is None:
        return Scores(unscored=unscored)
    people = "marts.dim_people" in tables
    read = read_scores(connection, scores_file=scores_file, plan_file=plan_file, has_people=people)
    return replace(read, unscored=unscored, path=places.told(scores_file))


def _plan(places: Places, as_of: date) -> Plan:
    path = places.partition("campaign_plan", as_of)
    if path is None:
        return Plan()
    facts = places.facts("campaign_plan", as_of)
    power = dict(facts.get("power") or {})
    skipped = {str(k): int(v) for k, v in dict(facts.get("skipped", {})).items()}
    return Plan(
        is_published=True,
        contactable=int(facts.get("contactable", 0)),
        planned=int(facts.get("planned", 0)),
        held_out=int(facts.get("held_out", 0)),
        skipped=dict(sorted(skipped.items())),
        by_channel={str(k): int(v) for k, v in sorted(dict(facts.get("by_channel") or {}).items())},
        blocks=read_blocks(skipped, facts.get("waterfall") or ()),
        controls=int(power.get("controls") or 0),
        smallest_visible_effect=power.get("smallest_visible_effect"),
        facts=facts,
    )


def _batch(places: Places, as_of: date) -> Batch:
    facts = places.facts("campaign_batch", as_of)
    batch_id = facts.get("batch_id")
    if not batch_id:
        return Batch()
    folder = places.outbox / str(batch_id)
    order = _touch_order(places.partition("campaign_batch", as_of))
    return Batch(
        batch_id=str(batch_id),
        sha256=facts.get("sha256"),
        path=places.told(folder) if folder.exists() else None,
        messages=read_messages(folder, order, limit=MESSAGES_SHOWN),
    )


def _touch_order(path: Path | None) -> Sequence[tuple[str, str]]:
    """Touch ids with their channels, the best ranked first; held-out people have no message."""
    if path is None:
        return ()
    with duckdb.connect() as connection:
        return connection.execute(
            "select touch_id, channel from read_parquet(?, hive_partitioning = false) "
            "where arm in ('contacted', 'explored') order by rank nulls last, touch_id limit 200",
            [str(path)],
        ).fetchall()


def _results(places: Places, as_of: date) -> Results:
    path = places.partition("campaign_results", as_of)
    if path is None:
        return Results()
    with duckdb.connect() as connection:
        found = connection.execute("select * from read_parquet(?, hive_partitioning = false)", [str(path)])
        names = [column[0] for column in found.description or []]
        rows: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return Results(is_published=True, facts=places.facts("campaign_results", as_of), arms=tuple(rows))
