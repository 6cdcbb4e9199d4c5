"""What is known about the model in use, as an asset of its own: read before anything is fitted or decided."""

from typing import Any, Final

import dagster as dg

from contracts.published import published_dates
from models.drift.decision import Evidence, moved
from pipelines.failures import readable
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import Engine
from pipelines.training.evidence import Known
from pipelines.training.gathering import gather

EVIDENCE: Final = dg.AssetKey(["training", "model_evidence"])


@dg.asset(
    key=EVIDENCE,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name="training",
    owners=["team:data"],
    kinds={"evidently", "parquet"},
    tags={"stage": "training"},
    pool="warehouse_write",
    deps=[dg.AssetKey(["training", "matured_backtest"]), dg.AssetKey(["marts", "lead_snapshots"])],
)
@readable
def model_evidence(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """What has drifted since the model in use was made, and whether its matured promises came true.

    One row is one figure: share of drifted features, people outside the training range, stability of the scores,
    promised and happened returns, order of matured people, base rates. Published as `model_evidence`; its facts hold
    what the written rule reads and the calibrator that matured outcomes call for. People are a sample of 5,000, always
    the same; a rerun gives the same bytes. Without a model, and on a past date, there is no row.
    """
    as_of = as_of_date(context)
    later = any(day > as_of for day in published_dates(engine.settings.published_dir, "model_state"))
    manifest, gathered = gather(engine, as_of=as_of, newest=engine.is_newest(as_of) and not later)
    known = Known.from_facts(manifest.facts)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": manifest.rows,
            "as_of_date": as_of.isoformat(),
            "model_version": known.version or "none",
            "gathered_now": gathered,
            **_shown(known.evidence),
            **known.figures,
            "matured": known.told or "nothing",
        }
    )


def _shown(found: Evidence) -> dict[str, Any]:
    return {
        "drift_is_severe": found.drift_severe,
        "campaign_changed": found.campaign_changed,
        "failing_backtest": found.failing_backtest or "no",
        "recalibration": found.recalibration or "no",
        "asks_for_a_fit": "; ".join(moved(found)) or "no",
    }


ASSETS: Final = [model_evidence]
