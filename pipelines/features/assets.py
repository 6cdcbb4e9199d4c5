"""Feature stage: people, activities, snapshots and labels, by dbt around one step that resolves identity."""

# Without postponed annotations: Dagster reads the type of `context` through the decorator below it.

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import dagster as dg
from dagster_dbt import dbt_assets

from contracts.settings import Settings
from pipelines.failures import readable
from pipelines.features.build import PEOPLE_SELECT, FeatureStage
from pipelines.features.events import results_of
from pipelines.features.project import read_manifest
from pipelines.features.state import StepOutcome
from pipelines.features.translator import GROUP, TRANSLATOR
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import PROJECT_ROOT, Engine

# Depends on code alone, so it is read from the project's own folder, whichever installation runs.
MANIFEST_DIR: Final = PROJECT_ROOT / Settings.model_fields["var_dir"].default
MANIFEST: Final[Mapping[str, Any]] = read_manifest(PROJECT_ROOT, MANIFEST_DIR)
POOL: Final = "warehouse_write"


def stage_of(engine: Engine) -> FeatureStage:
    """Feature stage of an installation."""
    return FeatureStage(
        settings=engine.settings, project_root=PROJECT_ROOT, manifest_dir=MANIFEST_DIR, warehouse=engine.warehouse
    )


def _from_ledger(name: str) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset that copies a part of the ledger to `raw.<name>`."""
    return dg.asset(
        key=["raw", name],
        group_name=GROUP,
        partitions_def=daily,
        backfill_policy=ONE_RUN_PER_DAY,
        owners=["team:data"],
        kinds={"duckdb", "python"},
        tags={"stage": GROUP, "layer": "raw"},
        pool=POOL,
    )


@_from_ledger("ledger__assignments")
@readable
def ledger_assignments(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One row is one assignment of a person to a touch or to a holdout, copied from the ledger.

    Those of earlier as-of dates, written to raw.ledger__assignments; a rerun replaces it. Without batches the table
    is empty.
    """
    as_of = as_of_date(context)
    rows = stage_of(engine).copy_assignments(as_of)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": rows, "as_of_date": as_of.isoformat(), "assignments": rows}
    )


@_from_ledger("ledger__told_activities")
@readable
def ledger_told_activities(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One row is one activity that an application told the scoring API before the as-of date.

    Written to raw.ledger__told_activities; a rerun replaces it. Where nothing was told the table is empty.
    """
    as_of = as_of_date(context)
    rows = stage_of(engine).copy_told_activities(as_of)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": rows, "as_of_date": as_of.isoformat(), "told_activities": rows}
    )


@_from_ledger("ledger__touches")
@readable
def ledger_touches(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One row is one touch that left through a sink of our own, recorded in the ledger before the as-of date began.

    Written to raw.ledger__touches; a rerun gives the same rows. Touches that were written to files for people are not
    among them: the CRM tells whether and when they were made. Where nothing was sent the table is empty.
    """
    as_of = as_of_date(context)
    rows = stage_of(engine).copy_touches(as_of)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": rows, "as_of_date": as_of.isoformat(), "touches_sent": rows}
    )


@_from_ledger("ledger__events")
@readable
def ledger_events(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One row is one thing that a provider, a mail server or a person told, received before the as-of date began.

    Written to raw.ledger__events, without words and addresses; a rerun gives the same rows. Without feedback the table
    is empty.
    """
    as_of = as_of_date(context)
    rows = stage_of(engine).copy_events(as_of)
    return dg.MaterializeResult(metadata={"dagster/row_count": rows, "as_of_date": as_of.isoformat(), "events": rows})


@dbt_assets(
    manifest=MANIFEST,
    select=PEOPLE_SELECT,
    name="feature_people",
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    dagster_dbt_translator=TRANSLATOR,
    pool=POOL,
)
@readable
def people_assets(context: dg.AssetExecutionContext, engine: Engine) -> Iterator[Any]:
    """Staging, record versions, records and identity edges."""
    outcome = stage_of(engine).build_people(as_of_date(context))
    yield from _events(context, outcome)


@dg.asset(
    key=["intermediate", "person_links"],
    deps=[["intermediate", "int_records"], ["intermediate", "int_identity_edges"]],
    group_name=GROUP,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    owners=["team:data"],
    kinds={"duckdb", "python"},
    tags={"stage": GROUP, "layer": "intermediate"},
    pool=POOL,
)
@readable
def person_links(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One row is one CRM record, the person it belongs to and the moment from which it does.

    Written to the ledger (new links only) and from there to intermediate.person_links. A rerun adds nothing. Without
    people the table is empty.
    """
    report = stage_of(engine).link_people(as_of_date(context))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.records,
            "as_of_date": as_of_date(context).isoformat(),
            "people": report.people,
            "records": report.records,
            "new_links": report.new_links,
            "merges": report.merges,
            "unmerges": report.unmerges,
        }
    )


@dbt_assets(
    manifest=MANIFEST,
    select="fqn:*",
    exclude=PEOPLE_SELECT,
    name="feature_marts",
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    dagster_dbt_translator=TRANSLATOR,
    pool=POOL,
)
@readable
def mart_assets(context: dg.AssetExecutionContext, engine: Engine) -> Iterator[Any]:
    """Activities, snapshots, labels and the other marts."""
    outcome = stage_of(engine).build_marts(as_of_date(context))
    yield from _events(context, outcome)


def _events(context: dg.AssetExecutionContext, outcome: StepOutcome) -> Iterator[Any]:
    yield from results_of(
        outcome,
        manifest=MANIFEST,
        as_of=as_of_date(context),
        selected=context.selected_asset_keys,
        checks=context.selected_asset_check_keys,
    )


ASSETS: Final = [
    ledger_assignments,
    ledger_told_activities,
    ledger_touches,
    ledger_events,
    people_assets,
    person_links,
    mart_assets,
]
