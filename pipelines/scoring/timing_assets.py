"""Beside the score: what contact changes, when people return, and when to write."""

from typing import Any, Final

import dagster as dg

from pipelines.failures import readable
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import Engine
from pipelines.scoring.assets import SCORES, SNAPSHOTS
from pipelines.scoring.timing import timing_day
from pipelines.scoring.uplift import uplift_day
from pipelines.training.uplift_assets import UPLIFT

_GROUP: Final = "scoring"
_OWNERS: Final = ["team:data"]
LEAD_UPLIFT = dg.AssetKey(["scores", "lead_uplift"])
LEAD_TIMING = dg.AssetKey(["scores", "lead_timing"])


@dg.asset(
    key=LEAD_UPLIFT,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"lightgbm", "parquet"},
    tags={"stage": _GROUP},
    pool="warehouse_write",
    deps=[SCORES, SNAPSHOTS, UPLIFT],
)
@readable
def lead_uplift(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[Any]:
    """What a contact would change for everyone scored.

    One row is one person and channel with evidence: P(reactivated) without and with the contact, whether the person
    belongs to a group that contact surely harms, and whether the account was drawn to test that again. Published as
    `lead_uplift` and copied to `scores.lead_uplift`. A rerun gives the same rows. Where drawn contacts are too few
    there is no row, and the facts say why.
    """
    as_of = as_of_date(context)
    manifest = uplift_day(engine, as_of=as_of)
    facts = manifest.facts
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": manifest.rows,
            "as_of_date": as_of.isoformat(),
            "channels_with_evidence": ", ".join(facts["channels"]) or "none",
            "people_in_harmed_groups": facts["harmed"],
            "reason": "; ".join([*facts["reasons"].values(), facts["reason"]]).strip("; "),
        }
    )


@dg.asset(
    key=LEAD_TIMING,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"duckdb", "parquet"},
    tags={"stage": _GROUP},
    pool="warehouse_write",
    deps=[
        SCORES,
        SNAPSHOTS,
        dg.AssetKey(["marts", "lead_labels"]),
        dg.AssetKey(["marts", "fct_activities"]),
        dg.AssetKey(["marts", "dim_people"]),
    ],
)
@readable
def lead_timing(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[Any]:
    """When each scored person is likely to return, when to write, through which channel they answer, what it is worth.

    One row is one scored person: P(return) by 30, 60 and 90 days, median days (null: not reached), best weekday and
    hour on their own clock as a rate per touch with its basis and reason, answers per touch by channel, expected value
    with its interval where deals allow it. Published as `lead_timing` and copied to `scores.lead_timing`. A rerun
    gives the same rows. Without scores or activities there is no row.
    """
    as_of = as_of_date(context)
    manifest = timing_day(engine, as_of=as_of)
    facts = manifest.facts
    bases = facts.get("hour_basis", {})
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": manifest.rows,
            "as_of_date": as_of.isoformat(),
            "people_with_a_best_hour": sum(count for basis, count in bases.items() if basis != "none"),
            "people_with_value": facts.get("people_with_value", 0),
            "hazard": facts["hazard"],
        }
    )


ASSETS: Final = [lead_uplift, lead_timing]
