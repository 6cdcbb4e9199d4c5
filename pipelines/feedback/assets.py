"""Feedback: what contact changed, measured against the people who were held out."""

import hashlib
import json
from datetime import date, timedelta
from typing import Any, Final

import dagster as dg

from contracts.published import PublishedManifest, arrow, publish, read_manifest
from pipelines.campaigns.inputs import code_digest, content_digest, open_day_ledger
from pipelines.failures import readable
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import Engine

RESULTS = dg.AssetKey(["feedback", "campaign_results"])

_LABELS_SQL: Final = """
    select l.as_of_date, l.person_id, l.is_reactivated
    from marts.lead_labels as l
    inner join (select distinct as_of_date, person_id from batch_people) as b
        on l.as_of_date = b.as_of_date and l.person_id = b.person_id
    order by l.as_of_date, l.person_id
"""


@dg.asset(
    key=RESULTS,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name="feedback",
    owners=["team:data"],
    kinds={"python", "parquet"},
    tags={"stage": "feedback"},
    deps=[dg.AssetKey(["campaigns", "campaign_batch"]), dg.AssetKey(["marts", "lead_labels"])],
)
@readable
def campaign_results(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[Any]:
    """Held out against contacted by intention to treat, over all batches so far.

    One row is one arm of one scope (all, or a playbook and channel): people assigned, measured, immature, censored, and
    the share that came back with its interval. Published as `campaign_results`; the facts carry the difference and
    a verdict in words, which says "too early" when it is. A rerun gives the same bytes. Without batches or labels the
    table is empty and the verdict says so.
    """
    as_of = as_of_date(context)
    manifest = publish_results(engine, as_of)
    facts = manifest.facts
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": manifest.rows,
            "as_of_date": as_of.isoformat(),
            "verdict": facts["verdict"],
            "assigned": facts["assigned"],
            "measured": facts["measured"],
        }
    )


def publish_results(engine: Engine, as_of: date) -> PublishedManifest:
    """Publish the results known on a day, or keep them when nothing changed."""
    settings = engine.settings
    root = settings.published_dir
    with open_day_ledger(settings) as ledger:
        assignments = ledger.read_assignments(before=as_of + timedelta(days=1))
    with engine.warehouse.open() as connection:
        has_labels = engine.warehouse.exists(connection, "marts.lead_labels")
        connection.register("batch_people", assignments.select(["as_of_date", "person_id"]))
        digest = content_digest(connection, f"({_LABELS_SQL})") if has_labels else []
        content = [
            code_digest(),
            settings.horizon_days,
            settings.label_lag_days,
            digest,
            assignments["assignment_id"].to_pylist(),
        ]
        fingerprint = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        known = read_manifest(root, dataset="campaign_results", as_of=as_of)
        if known is not None and known.facts.get("fingerprint") == fingerprint:
            connection.unregister("batch_people")
            return known
        labels = arrow(connection, _LABELS_SQL) if has_labels else None
        connection.unregister("batch_people")
    from recovery.results import empty_labels, measure

    results = measure(
        assignments.to_pandas(),
        labels.to_pandas() if labels is not None else empty_labels(),
        as_of=as_of,
        horizon_days=settings.horizon_days,
        label_lag_days=settings.label_lag_days,
    )
    facts = results.facts | {"fingerprint": fingerprint}
    return publish(root, dataset="campaign_results", as_of=as_of, table=results.table, facts=facts)


ASSETS: Final = [campaign_results]
