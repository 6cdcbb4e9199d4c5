"""The search for leaks in the daily run: an asset with the figures, and a check that is true when none is found."""

from typing import Any, Final

import dagster as dg

from contracts.published import read_manifest
from pipelines.failures import readable
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import Engine
from pipelines.training.assets import TRAINING_SET, panel_digest
from pipelines.training.fading import DATASET, fading_day

FADING: Final = dg.AssetKey(["training", "feature_fading"])


@dg.asset(
    key=FADING,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name="training",
    owners=["team:data"],
    kinds={"python", "parquet"},
    tags={"stage": "training"},
    pool="warehouse_write",
    deps=[TRAINING_SET],
)
@readable
def feature_fading(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """How well each feature ranks alone when it is read earlier: one that collapses knows what came later.

    One row is one feature and lag in days: its AUC alone against the same outcomes, on all weekly rows of 2,000
    people, always the same. Published as `feature_fading`. It is computed when the panel has changed, once or twice a
    week; between, the rows are kept. A rerun gives the same bytes; without a panel there is no row.
    """
    as_of = as_of_date(context)
    manifest, computed = fading_day(engine, as_of=as_of, panel=panel_digest(engine, as_of=as_of))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": manifest.rows,
            "as_of_date": as_of.isoformat(),
            "people": manifest.facts["people"],
            "suspected_features": len(manifest.facts["suspects"]),
            "suspected": ", ".join(manifest.facts["suspects"]) or "none",
            "computed_now": computed,
        }
    )


def evaluate_fading(facts: dict[str, Any]) -> tuple[bool, str]:
    """Whether no feature's power collapses when it is read earlier."""
    suspects: dict[str, str] = facts["suspects"]
    if not facts["lags"]:
        return True, "Nobody is seen on two dates that are a lag apart yet; nothing was judged."
    lags = ", ".join(str(lag) for lag in facts["lags"])
    if not suspects:
        return True, f"No feature collapses when read {lags} days earlier, on {facts['people']:,} people."
    told = "; ".join(suspects.values())
    return False, (
        f"{len(suspects)} of the features may know the outcome: {told}. See where each comes from, and declare its "
        "column latest_only where the CRM overwrites it."
    )


@dg.asset_check(asset=FADING, description="No feature loses its power when it is read a little earlier.")
def features_keep_their_power_when_read_earlier(
    context: dg.AssetCheckExecutionContext, engine: Engine
) -> dg.AssetCheckResult:
    """Names every feature whose AUC alone collapses at a lag of a day or a week."""
    manifest = read_manifest(engine.settings.published_dir, dataset=DATASET, as_of=as_of_date(context))
    if manifest is None:
        raise dg.Failure(description="feature_fading was not published for this date.", allow_retries=False)
    passed, told = evaluate_fading(manifest.facts)
    return dg.AssetCheckResult(passed=passed, description=told, severity=dg.AssetCheckSeverity.WARN)


ASSETS: Final = [feature_fading]
CHECKS: Final = [features_keep_their_power_when_read_earlier]
