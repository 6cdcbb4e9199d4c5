"""What contact changes, learned from randomised contacts alone."""

from typing import Any, Final

import dagster as dg

from contracts.published import publish
from pipelines.failures import readable
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import Engine
from pipelines.training.uplift import DATASET, make_uplift

UPLIFT = dg.AssetKey(["training", "uplift_model"])


@dg.asset(
    key=UPLIFT,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name="training",
    owners=["team:data"],
    kinds={"lightgbm", "parquet"},
    tags={"stage": "training"},
    pool="warehouse_write",
    deps=[
        dg.AssetKey(["marts", "lead_snapshots"]),
        dg.AssetKey(["marts", "lead_labels"]),
        dg.AssetKey(["raw", "ledger__assignments"]),
    ],
)
@readable
def uplift_model(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[Any]:
    """What a contact changes, by channel, learned from contacts that were drawn at random.

    One row is one channel: controls, learner, Qini, uplift at 30 % and policy value with intervals, and why. Published
    as `uplift_model`; the model itself is JSON under `var/models/uplift`. It is named by the fingerprint of rows, code
    and seed and kept for a week; a rerun gives the same rows. Where controls are too few, everybody is treated alike
    and the row says so; without drawn contacts there is no row.
    """
    from pipelines.training.uplift_table import uplift_table

    as_of = as_of_date(context)
    day = make_uplift(engine, as_of=as_of)
    table = uplift_table(day, as_of)
    publish(
        engine.settings.published_dir,
        dataset=DATASET,
        as_of=as_of,
        table=table,
        facts={"fingerprint": day.name, "reason": day.reason},
    )
    usable = [name for name, channel in day.channels.items() if channel.model is not None]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": table.num_rows,
            "as_of_date": as_of.isoformat(),
            "channels_with_evidence": ", ".join(usable) or "none",
            "controls": sum(channel.report.controls for channel in day.channels.values()),
            "reason": "; ".join([*(f"{n}: {c.report.reason}" for n, c in day.channels.items()), day.reason]).strip(
                "; "
            ),
        }
    )


ASSETS: Final = [uplift_model]
