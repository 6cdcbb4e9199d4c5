"""Checks of the campaigns stage: sentences that are true when green. Safety blocks what follows."""

import csv
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import dagster as dg
import duckdb
import pyarrow as pa

from contracts.published import read_manifest, read_published
from pipelines.campaigns.assets import BATCH, PLAN
from pipelines.campaigns.inputs import open_day_ledger
from pipelines.campaigns.standing import OUTBOX, sinks_of
from pipelines.partitions import as_of_date
from pipelines.resources import Engine
from pipelines.warehouse import Warehouse
from recovery.delivery.counts import count_batch, read_skipped
from recovery.ledger import BatchState

# Recomputed from the facts of exports and from the raw lists, without any of the planner's code. What the ledger itself
# holds, and what lifts it, is asked again before each touch leaves.
_REFUSED_SQL: Final = """
    select count(distinct p.person_id)
    from day_plan as p
    inner join marts.fct_permissions as f on p.person_id = f.person_id
    where p.decision <> 'skipped' and f.stance = 'refused' and f.source <> 'ledger' and (
        f.basis in ('objection', 'complaint')
        or p.channel <> 'crm_task' and (
            f.channel in ('all', p.channel)
            or f.channel in ('sms', 'call') and p.channel in ('sms', 'call')
        )
    )
"""
_LISTED_SQL: Final = """
    select count(distinct p.person_id)
    from day_plan as p
    inner join marts.dim_people as d on p.person_id = d.person_id
    inner join {table} as s on lower(trim(s.email)) = lower(trim(d.email))
    where p.decision <> 'skipped' and p.channel = 'email'
"""


def evaluate_conservation(rows: pa.Table, *, dormant: int) -> tuple[bool, str]:
    """Whether there is exactly one row per dormant person, and a reason exactly where somebody is skipped."""
    decisions = Counter(rows["decision"].to_pylist())
    pairs = zip(rows["decision"].to_pylist(), rows["reason"].to_pylist(), strict=True)
    wrong = sum((decision == "skipped") != (reason is not None) for decision, reason in pairs)
    people = len(set(rows["person_id"].to_pylist()))
    total = sum(decisions[name] for name in ("contacted", "held_out", "skipped"))
    words = (
        f"{dormant:,} dormant = {decisions['contacted']:,} planned + {decisions['held_out']:,} held out + "
        f"{decisions['skipped']:,} skipped; {wrong} rows with a missing or needless reason"
    )
    return dormant == total == people == rows.num_rows and wrong == 0, words


def evaluate_gap(rows: pa.Table, recent: set[str]) -> tuple[bool, str]:
    """Whether nobody who was in a recent batch is planned or held out."""
    chosen = [
        person
        for person, decision in zip(rows["person_id"].to_pylist(), rows["decision"].to_pylist(), strict=True)
        if decision != "skipped"
    ]
    again = sum(person in recent for person in chosen)
    return again == 0 and len(set(chosen)) == len(chosen), f"{len(chosen):,} chosen, {again} of them a short time ago"


def _plan(engine: Engine, as_of: date) -> pa.Table | None:
    root = engine.settings.published_dir
    if read_manifest(root, dataset="campaign_plan", as_of=as_of) is None:
        return None
    return read_published(root, dataset="campaign_plan", as_of=as_of)


def _missing(as_of: date) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description=f"No plan is published for {as_of}.")


@dg.asset_check(asset=PLAN, name="every_dormant_person_is_planned_held_out_or_skipped", blocking=True)
def every_dormant_person_is_planned_held_out_or_skipped(
    context: dg.AssetCheckExecutionContext, engine: Engine
) -> dg.AssetCheckResult:
    """Every dormant person is planned, held out, or skipped for one reason."""
    as_of = as_of_date(context)
    rows = _plan(engine, as_of)
    if rows is None:
        return _missing(as_of)
    warehouse = engine.warehouse
    with warehouse.open() as connection:
        dormant = rows.num_rows
        if engine.is_newest(as_of) and warehouse.exists(connection, "marts.dim_people"):
            sql = "select count(distinct person_id) from marts.dim_people where is_dormant and as_of_date = ?"
            dormant = int((connection.execute(sql, [as_of]).fetchone() or (0,))[0])
    passed, words = evaluate_conservation(rows, dormant=dormant)
    return dg.AssetCheckResult(passed=passed, description=words, metadata={"dormant": dormant})


@dg.asset_check(asset=PLAN, name="nobody_suppressed_is_planned", blocking=True)
def nobody_suppressed_is_planned(context: dg.AssetCheckExecutionContext, engine: Engine) -> dg.AssetCheckResult:
    """Nobody who refused, or whose address is on any suppression list, is planned or held out."""
    as_of = as_of_date(context)
    rows = _plan(engine, as_of)
    if rows is None:
        return _missing(as_of)
    if not engine.is_newest(as_of):
        return dg.AssetCheckResult(passed=True, description="A past day contacts nobody.")
    with engine.warehouse.open() as connection:
        found = count_suppressed(engine.warehouse, connection, rows)
    words = f"{found} planned people are suppressed"
    return dg.AssetCheckResult(passed=found == 0, description=words, metadata={"suppressed": found})


def count_suppressed(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> int:
    """Chosen people who refused or are on a list, counted in SQL from marts and raw tables."""
    connection.register("day_plan", rows)
    try:
        queries = [_REFUSED_SQL] if warehouse.exists(connection, "marts.fct_permissions") else []
        if warehouse.exists(connection, "marts.dim_people"):
            tables = connection.execute(
                "select table_schema || '.' || table_name from information_schema.columns "
                "where table_schema = 'raw' and table_name like '%suppressions' and column_name = 'email' order by 1"
            ).fetchall()
            queries += [_LISTED_SQL.format(table=table) for (table,) in tables]
        return sum(int((connection.execute(query).fetchone() or (0,))[0]) for query in queries)
    finally:
        connection.unregister("day_plan")


@dg.asset_check(asset=PLAN, name="nobody_is_in_two_recent_batches", blocking=True)
def nobody_is_in_two_recent_batches(context: dg.AssetCheckExecutionContext, engine: Engine) -> dg.AssetCheckResult:
    """Nobody is planned who was in the batch of an earlier day within the contact gap."""
    as_of = as_of_date(context)
    rows = _plan(engine, as_of)
    if rows is None:
        return _missing(as_of)
    since = as_of - timedelta(days=engine.settings.contact_gap_days)
    with open_day_ledger(engine.settings) as ledger:
        recent = set(ledger.read_assignments(before=as_of, since=since)["person_id"].to_pylist())
    passed, words = evaluate_gap(rows, recent)
    return dg.AssetCheckResult(passed=passed, description=words)


def read_outbox_touches(folder: Path) -> list[str]:
    """Touch ids of every message in a batch's folder: rows of the channel files and mails."""
    found: list[str] = []
    for name in ("email", "sms", "call", "crm_task"):
        path = folder / f"{name}.csv"
        if path.exists():
            with path.open(encoding="utf-8", newline="") as handle:
                found += [row["touch_id"] for row in csv.DictReader(handle)]
    return found


def evaluate_batch(touches: list[dict[str, Any]], written: list[str], mails: list[str]) -> tuple[bool, str]:
    """Whether the outbox holds each planned touch once and no held-out one."""
    planned = {row["touch_id"] for row in touches if row["arm"] != "held_out"}
    held = {row["touch_id"] for row in touches if row["arm"] == "held_out"}
    mailed = {row["touch_id"] for row in touches if row["arm"] != "held_out" and row["channel"] == "email"}
    leaked = len(held & (set(written) | set(mails)))
    is_whole = set(written) == planned and len(written) == len(planned) and set(mails) == mailed
    words = f"{len(planned):,} planned, {len(written):,} written, {len(held):,} held out of whom {leaked} got a message"
    return leaked == 0 and is_whole, words


@dg.asset_check(asset=PLAN, name="mail_of_the_day_meets_the_rules_of_gmail_and_microsoft")
def mail_of_the_day_meets_the_rules_of_gmail_and_microsoft(
    context: dg.AssetCheckExecutionContext, engine: Engine
) -> dg.AssetCheckResult:
    """SPF, DKIM, DMARC, TLS and PTR are declared once a day's mail makes the domain a bulk sender."""
    from pipelines.campaigns.preflight import plan_forecast

    as_of = as_of_date(context)
    manifest = read_manifest(engine.settings.published_dir, dataset="campaign_plan", as_of=as_of)
    if manifest is None:
        return _missing(as_of)
    with open_day_ledger(engine.settings) as ledger:
        found, unmet, why = plan_forecast(engine.settings, ledger, as_of, manifest.facts.get("mail"))
    counts = ", ".join(f"{count:,} to {name.value}" for name, count in found.counts.items()) or "none"
    missing = f"; not declared: {'; '.join(unmet)}" if unmet else ""
    words = f"Mail of {found.domain or 'nobody'} to personal mailboxes: {counts}{missing}."
    return dg.AssetCheckResult(
        passed=why is None,
        description=f"{why}." if why else words,
        metadata={name.value: count for name, count in found.counts.items()},
    )


@dg.asset_check(asset=BATCH, name="held_out_people_get_no_message_and_everybody_else_one")
def held_out_people_get_no_message_and_everybody_else_one(
    context: dg.AssetCheckExecutionContext, engine: Engine
) -> dg.AssetCheckResult:
    """The outbox holds one message for each planned touch and none for a held-out one."""
    as_of = as_of_date(context)
    root, settings = engine.settings.published_dir, engine.settings
    manifest = read_manifest(root, dataset="campaign_batch", as_of=as_of)
    if manifest is None or manifest.facts.get("batch_id") is None:
        return dg.AssetCheckResult(passed=manifest is not None, description="No batch, no message.")
    folder = settings.outbox_dir / manifest.facts["batch_id"]
    if not folder.exists():
        return dg.AssetCheckResult(passed=True, description="The batch was collected from the outbox.")
    sinks = sinks_of(settings)
    with open_day_ledger(settings) as ledger:
        refused = read_skipped(ledger.engine, manifest.facts["batch_id"])
    touches = [
        row
        for row in read_published(root, dataset="campaign_batch", as_of=as_of).to_pylist()
        if sinks[row["channel"]] == OUTBOX and row["touch_id"] not in refused
    ]
    mails = [path.stem for path in (folder / "eml").glob("*.eml")]
    passed, words = evaluate_batch(touches, read_outbox_touches(folder), mails)
    return dg.AssetCheckResult(passed=passed, description=words)


@dg.asset_check(asset=BATCH, name="every_touch_of_the_batch_is_accounted_for", blocking=True)
def every_touch_of_the_batch_is_accounted_for(
    context: dg.AssetCheckExecutionContext, engine: Engine
) -> dg.AssetCheckResult:
    """Target = sent + skipped by reason + failed + unknown + open, for the batch of the day."""
    as_of = as_of_date(context)
    with open_day_ledger(engine.settings) as ledger:
        record = ledger.batch_of(as_of=as_of, sender_id=engine.settings.sender_id)
        if record is None:
            return dg.AssetCheckResult(passed=True, description="No batch, no touch.")
        counts = count_batch(ledger.engine, record.batch_id)
    if not counts.by_state and record.state is BatchState.EMITTED:
        return dg.AssetCheckResult(passed=True, description="The batch left before touches were kept.")
    parts = [
        f"{count:,} {state.value}{f' ({reason})' if reason else ''}"
        for (state, reason), count in sorted(counts.by_state.items())
    ]
    words = f"{counts.target:,} = {' + '.join(parts) or '0'}"
    return dg.AssetCheckResult(passed=counts.is_conserved, description=words, metadata={"open": counts.open})


CHECKS: Final = [
    every_dormant_person_is_planned_held_out_or_skipped,
    nobody_suppressed_is_planned,
    nobody_is_in_two_recent_batches,
    mail_of_the_day_meets_the_rules_of_gmail_and_microsoft,
    held_out_people_get_no_message_and_everybody_else_one,
    every_touch_of_the_batch_is_accounted_for,
]
