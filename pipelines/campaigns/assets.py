"""Campaigns: who is contacted through which channel and when, and the batch that leaves."""

from datetime import date
from typing import Any, Final

import dagster as dg

from contracts.published import PublishedManifest, publish, read_manifest
from pipelines.campaigns.cost import exposed_words
from pipelines.campaigns.inputs import has_people, input_fingerprint, open_day_ledger, read_inputs
from pipelines.campaigns.ledger_inputs import reading_of
from pipelines.campaigns.standing import (
    Released,
    holds_of,
    model_in_force,
    silent_sources,
    standing_batch,
    touches_of,
)
from pipelines.failures import readable
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import Engine
from recovery.ledger import BatchRecord, Ledger

_GROUP: Final = "campaigns"
_OWNERS: Final = ["team:data"]
PLAN = dg.AssetKey(["campaigns", "campaign_plan"])
BATCH = dg.AssetKey(["campaigns", "campaign_batch"])


@dg.asset(
    key=PLAN,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"python", "parquet"},
    tags={"stage": "campaigns"},
    deps=[
        dg.AssetKey(["marts", "dim_people"]),
        dg.AssetKey(["campaigns", "imported_permissions"]),
        dg.AssetKey(["marts", "fct_permissions"]),
        dg.AssetKey(["intermediate", "int_permissions__late"]),
        dg.AssetKey(["marts", "source_health"]),
        dg.AssetKey(["marts", "lead_labels"]),
        dg.AssetKey(["scores", "feature_drift"]),
        dg.AssetKey(["scores", "lead_scores"]),
        dg.AssetKey(["scores", "lead_uplift"]),
        dg.AssetKey(["scores", "lead_timing"]),
    ],
)
@readable
def campaign_plan(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[Any]:
    """Who is contacted today, who is held out, and why everybody else is not.

    One row is one dormant person with a decision (contacted, held_out, skipped), a reason and what would unlock it.
    Refusals, restrictions and contacts that the ledger knows by now count, so that the skips are those of the re-check.
    Published as `campaign_plan`. A rerun gives the same bytes although the ledger knows the day's own batch by then;
    when the inputs changed after the batch left, the plan follows what left and says so. A day that is no longer the
    newest keeps its plan. Without people the plan is empty; without scores, sender or fresh sources nobody is planned.
    """
    as_of = as_of_date(context)
    manifest = publish_plan(engine, as_of)
    facts = manifest.facts
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": manifest.rows,
            "as_of_date": as_of.isoformat(),
            "contactable": facts["contactable"],
            "planned": facts["planned"],
            "held_out": facts["held_out"],
            "skipped": dg.MetadataValue.md(waterfall_table(facts)),
            "smallest_visible_effect": str(facts["power"]["smallest_visible_effect"]),
            "expected": f"{facts['expected']} {facts['expected_unit']}; {facts['value_basis_words']}",
            "cost": facts["cost"],
            "agent_minutes": facts.get("agent_minutes", 0.0),
            "worst_case_exposure": dg.MetadataValue.md(exposure_table(facts)),
            "holds": ", ".join(hold["reason"] for hold in facts["holds"]) or "none",
            "policy_version": facts["policy_version"],
        }
    )


def exposure_table(facts: dict[str, Any]) -> str:
    """Worst-case legal exposure as Markdown."""
    lines = ["| messages | at most | law |", "|---:|---:|---|"]
    lines += [f"| {row['messages']:,} | {exposed_words(row)} | {row['law']} |" for row in facts.get("exposure", [])]
    return "\n".join(lines)


def publish_plan(engine: Engine, as_of: date) -> PublishedManifest:
    """Publish the plan of a day, or keep the one that stands."""
    with open_day_ledger(engine.settings) as ledger:
        return _plan(engine, as_of, ledger)


def waterfall_table(facts: dict[str, Any]) -> str:
    """Reasons, people and remedies as Markdown."""
    lines = ["| people | reason | what would unlock it |", "|---:|---|---|"]
    lines += [f"| {row['people']:,} | {row['words']} | {row['unlock']} |" for row in facts["waterfall"]]
    return "\n".join(lines)


def _plan(engine: Engine, as_of: date, ledger: Ledger) -> PublishedManifest:
    root = engine.settings.published_dir
    known = read_manifest(root, dataset="campaign_plan", as_of=as_of)
    if known is not None and not engine.is_newest(as_of):
        return known  # decisions of past days are durable where they were published
    standing = standing_batch(ledger, engine.settings, as_of)
    silent = silent_sources(engine)
    holds = () if standing else holds_of(engine, as_of, silent)
    state = {"holds": list(holds), "silent": list(silent)}
    read = reading_of(engine, as_of, standing)
    fingerprint = input_fingerprint(engine, as_of, ledger, read=read, state=state)
    is_same = known is not None and known.facts.get("fingerprint") == fingerprint
    if known is not None and is_same and (standing is None or known.facts.get("batch_id") == standing.batch_id):
        return known
    return _make(engine, as_of, ledger, standing=standing, holds=holds, fingerprint=fingerprint, silent=silent)


def _make(
    engine: Engine,
    as_of: date,
    ledger: Ledger,
    *,
    standing: BatchRecord | None,
    holds: tuple[Any, ...],
    fingerprint: str,
    silent: tuple[str, ...],
) -> PublishedManifest:
    from pipelines.campaigns.cost import cost_facts
    from pipelines.campaigns.planning import plan_day, policy_of
    from pipelines.campaigns.preflight import mail_facts
    from recovery.planning import PLAN_SCHEMA

    settings = engine.settings
    model = model_in_force(settings, as_of) or "none"
    policy = policy_of(settings, as_of, holds)
    with engine.warehouse.open() as connection:
        is_ready = has_people(engine.warehouse, connection)
    if not is_ready:
        facts = empty_facts() | {"fingerprint": fingerprint}
        return publish(
            settings.published_dir,
            dataset="campaign_plan",
            as_of=as_of,
            table=PLAN_SCHEMA.empty_table(),
            facts=facts,
        )
    read = reading_of(engine, as_of, standing)
    inputs = read_inputs(engine, as_of, ledger, read=read, is_followed=False)
    planned = plan_day(inputs, policy, settings, model=model)
    has_changed = standing is not None and (planned.batch is None or planned.batch.batch_id != standing.batch_id)
    if has_changed:
        inputs = read_inputs(engine, as_of, ledger, read=read, is_followed=True)
        planned = plan_day(inputs, policy, settings, model=model)
    batch_id = standing.batch_id if standing else (planned.batch.batch_id if planned.batch else None)
    facts = planned.plan.facts | cost_facts(planned.plan.table, inputs.people, settings)
    facts |= {
        "fingerprint": fingerprint,
        "model": model,
        "batch_id": batch_id,
        "has_inputs_changed_since_emission": has_changed,
        "silent_sources": list(silent),
        "mail": mail_facts(planned.plan.table, inputs.people, settings),
    }
    return publish(settings.published_dir, dataset="campaign_plan", as_of=as_of, table=planned.plan.table, facts=facts)


def empty_facts() -> dict[str, Any]:
    """Facts of a plan without anybody."""
    return {
        "dormant": 0,
        "planned": 0,
        "held_out": 0,
        "explored": 0,
        "skipped": {},
        "contactable": 0,
        "contactable_by_channel": {},
        "ranked": 0,
        "by_channel": {},
        "power": {"controls": 0, "smallest_visible_effect": None},
        "waterfall": [],
        "value_basis_words": "No dormant people are known.",
        "measured_channels": [],
        "left_alone": 0,
        "cost": 0.0,
        "cost_words": 0.0,
        "agent_minutes": 0.0,
        "exposure": [],
        "expected": 0.0,
        "expected_unit": "reactivations",
        "expected_reactivations_handled_as_usual": 0.0,
        "holds": [],
        "policy_version": "none",
        "model": "none",
        "batch_id": None,
        "has_inputs_changed_since_emission": False,
        "silent_sources": [],
        "mail": {"domain": "", "by_provider": {}, "unmet": []},
    }


@dg.asset(
    key=BATCH,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"python", "file"},
    tags={"stage": "campaigns"},
    deps=[PLAN, dg.AssetKey(["marts", "person_records"])],
)
@readable
def campaign_batch(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[Any]:
    """The touches that this day releases, recorded in the ledger and emitted to the outbox.

    One row is one touch, held-out ones included: ids and hashes, no address and no words. Published as
    `campaign_batch`; the messages are files below `var/outbox/<batch>/`. A rerun changes nothing: a batch that has
    left is never changed, and a run that died half-way is finished with the same bytes. Without chosen people there
    is no batch, and the scores alone are written for import into the CRM.
    """
    as_of = as_of_date(context)
    manifest, outcome = publish_batch(engine, as_of)
    facts = manifest.facts
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": manifest.rows,
            "as_of_date": as_of.isoformat(),
            "batch_id": facts["batch_id"] or "none",
            "planned": facts["planned"],
            "held_out": facts["held_out"],
            "outcome": outcome,
            "note": facts["note"] or "-",
            "path": dg.MetadataValue.path(facts["path"]) if facts["path"] else "-",
        }
    )


def publish_batch(engine: Engine, as_of: date) -> tuple[PublishedManifest, str]:
    """Release the batch of a day's plan and publish its touches; tells what was done (emitted, kept, none)."""
    settings = engine.settings
    with open_day_ledger(settings) as ledger:
        standing = standing_batch(ledger, settings, as_of)
        released = Released(standing, "kept") if standing else _release(engine, as_of, ledger)
        record = released.record
        rows = touches_of(ledger, record, as_of)
    facts = {
        "batch_id": record.batch_id if record else None,
        "sha256": record.sha256 if record else None,
        "path": f"outbox/{record.path}" if record else None,
        "planned": record.planned if record else 0,
        "held_out": record.held_out if record else 0,
        "note": released.note if released.outcome in ("none", "waits") else "",
    }
    manifest = publish(settings.published_dir, dataset="campaign_batch", as_of=as_of, table=rows, facts=facts)
    return manifest, released.outcome


def _release(engine: Engine, as_of: date, ledger: Ledger) -> Released:
    from pipelines.campaigns.batching import release

    return release(engine, as_of, ledger)


ASSETS: Final = [campaign_plan, campaign_batch]
