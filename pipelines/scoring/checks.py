"""What must be true of drift and scores before they are used."""

from typing import Any, Final

import dagster as dg

from contracts.published import PublishedManifest, published_path, read_manifest
from pipelines.partitions import as_of_date
from pipelines.resources import Engine
from pipelines.scoring.assets import DRIFT, SCORES
from pipelines.scoring.drift import DATASET as DRIFT_DATASET
from pipelines.scoring.frames import dormant_count, unscored_people
from pipelines.scoring.scoring import DATASET

_MOST_OUT_OF_RANGE: Final = 0.05


def evaluate_drift(facts: dict[str, Any]) -> tuple[bool, str]:
    """Whether fewer features drifted than the warning share."""
    share = facts["share_drifted"]
    if share is None:
        return True, "Nothing was compared: no model is live, or nobody is dormant."
    names = f" ({', '.join(facts['drifted'][:8])})" if facts["drifted"] else ""
    held = " The batch is held." if facts["severe"] else ""
    ageing = facts.get("ageing") or []
    nature = f" Of these {' and '.join(ageing)} grow by a day each day, for everyone: expected." if ageing else ""
    told = f"{len(facts['drifted'])} features drifted, {100 * share:.0f} %{names}.{nature}{held}"
    return not facts["warns"], told


def evaluate_range(facts: dict[str, Any]) -> tuple[bool, str]:
    """Whether nearly all people lie within what the champion learned from."""
    people, outside = int(facts["people"]), int(facts["out_of_range_rows"])
    most = ", ".join(f"{name} {count:,}" for name, count in facts.get("out_of_range", {}).items())
    told = f"{outside:,} of {people:,} people have a value outside the training range{f' ({most})' if most else ''}."
    return outside <= _MOST_OUT_OF_RANGE * max(people, 1), told


def evaluate_conservation(*, rows: int, unscored: dict[str, int], dormant: int) -> tuple[bool, str]:
    """Whether scored and unscored people add up to everyone dormant."""
    left = sum(unscored.values())
    return rows + left == dormant, f"{rows:,} scored and {left:,} unscored people; {dormant:,} are dormant."


def _manifest(context: dg.AssetCheckExecutionContext, engine: Engine, dataset: str) -> PublishedManifest:
    manifest = read_manifest(engine.settings.published_dir, dataset=dataset, as_of=as_of_date(context))
    if manifest is None:
        raise dg.Failure(description=f"{dataset} was not published for this date.", allow_retries=False)
    return manifest


@dg.asset_check(asset=DRIFT, description="Today's people look like those the model learned from.")
def lead_features_have_not_drifted(context: dg.AssetCheckExecutionContext, engine: Engine) -> dg.AssetCheckResult:
    """Share of drifted features against the warning share; severe drift holds the batch, not the scores."""
    facts = _manifest(context, engine, DRIFT_DATASET).facts
    passed, told = evaluate_drift(facts)
    return dg.AssetCheckResult(passed=passed, description=told, severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=DRIFT, description="Today's people lie within the range that the model learned from.")
def lead_features_lie_in_the_training_range(
    context: dg.AssetCheckExecutionContext, engine: Engine
) -> dg.AssetCheckResult:
    """Rows with at least one value outside the training range or set."""
    passed, told = evaluate_range(_manifest(context, engine, DRIFT_DATASET).facts)
    return dg.AssetCheckResult(passed=passed, description=told, severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(
    asset=SCORES,
    blocking=True,
    pool="warehouse_write",
    description="Every dormant person is scored, or counted with the reason why not.",
)
def every_dormant_person_is_scored_or_counted(
    context: dg.AssetCheckExecutionContext, engine: Engine
) -> dg.AssetCheckResult:
    """Conservation against the people of the marts."""
    manifest = _manifest(context, engine, DATASET)
    with engine.warehouse.open() as connection:
        dormant = dormant_count(engine.warehouse, connection, as_of=as_of_date(context))
    unscored = manifest.facts["unscored"]
    passed, told = evaluate_conservation(rows=manifest.rows, unscored=unscored, dormant=dormant)
    return dg.AssetCheckResult(passed=passed, description=told, metadata={"scored": manifest.rows, "dormant": dormant})


@dg.asset_check(
    asset=SCORES,
    blocking=True,
    pool="warehouse_write",
    description="Every score is a probability, once per person, best first.",
)
def scores_are_probabilities_in_ranking_order(
    context: dg.AssetCheckExecutionContext, engine: Engine
) -> dg.AssetCheckResult:
    """p inside (0, 1), points and percentile inside 0-100, no person twice, p never rising."""
    path = published_path(engine.settings.published_dir, dataset=DATASET, as_of=as_of_date(context))
    with engine.warehouse.open() as connection:
        row = connection.execute(
            """
            with scores as (
                select *, lag(p) over (order by file_row_number) as above
                from read_parquet(?, file_row_number = true)
            )
            select
                count(*) filter (where p is null or p <= 0 or p >= 1 or points not between 0 and 100
                    or percentile not between 0 and 100) as wrong,
                count(*) - count(distinct person_id) as repeated,
                count(*) filter (where p > above) as unordered
            from scores
            """,
            [str(path)],
        ).fetchone()
    wrong, repeated, unordered = (int(value) for value in row or (0, 0, 0))
    return dg.AssetCheckResult(
        passed=wrong + repeated + unordered == 0,
        description=f"{wrong} values out of range, {repeated} people twice, {unordered} out of order.",
    )


@dg.asset_check(
    asset=SCORES,
    blocking=True,
    pool="warehouse_write",
    description="Nobody who objected, complained or restricted the use of their data carries a score.",
)
def people_who_objected_are_not_scored(context: dg.AssetCheckExecutionContext, engine: Engine) -> dg.AssetCheckResult:
    """Joins the published scores with the objections and restrictions that count on the date."""
    as_of = as_of_date(context)
    path = published_path(engine.settings.published_dir, dataset=DATASET, as_of=as_of)
    with engine.warehouse.open() as connection:
        barred = unscored_people(engine, connection, as_of=as_of)
        row = connection.execute(
            "select count(*) from read_parquet(?) where person_id in (select unnest(cast(? as varchar[])))",
            [str(path), list(barred)],
        ).fetchone()
    found = int(row[0]) if row else 0
    return dg.AssetCheckResult(
        passed=found == 0, description=f"{found} of {len(barred)} people who may not be scored carry a score."
    )


CHECKS: Final = [
    lead_features_have_not_drifted,
    lead_features_lie_in_the_training_range,
    every_dormant_person_is_scored_or_counted,
    scores_are_probabilities_in_ranking_order,
    people_who_objected_are_not_scored,
]
