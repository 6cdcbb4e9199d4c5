"""From a published plan to a recorded, approved and emitted batch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import duckdb
import pyarrow as pa

from contracts.errors import PermanentError
from contracts.published import arrow, read_manifest, read_published
from pipelines.campaigns.contexts import contexts_of
from pipelines.campaigns.inputs import PEOPLE_SQL
from pipelines.campaigns.planning import books, chosen_rows, write_touches
from pipelines.campaigns.preflight import bulk_objection
from pipelines.campaigns.rechecking import policy_of as permission_policy_of
from pipelines.campaigns.standing import OUTBOX, Released, require_newest, sender_of, sinks_of, standing_batch
from pipelines.resources import Engine
from recovery.addresses import load_address_key
from recovery.batch import Batch, assignments_of, contents_of, make_batch
from recovery.batch import touches_of as delivery_rows
from recovery.control import paused_because
from recovery.delivery.approval import Thresholds, approve, passes_by_itself
from recovery.delivery.last_look import skip_barred
from recovery.delivery.stored import load_batch
from recovery.ledger import BatchRecord, BatchState, Ledger
from recovery.sinks import emit_batch, emit_scores
from recovery.tokens import load_key

# What somebody can mend in the CRM without contacting anybody.
_MENDABLE: Final = ("no_address", "country_unknown", "country_conflict", "time_zone_unknown", "hard_bounced")
# What an approver sees of the plan, kept with the batch.
_KEPT_FACTS: Final = (
    "planned", "held_out", "by_channel", "cost", "agent_minutes", "exposure", "expected", "expected_unit",
    "power", "skipped", "mail",
)  # fmt: skip
_UPDATES_SQL: Final = f"""
    select
        r.crm,
        r.record_id,
        r.record_object,
        s.points::integer as score,
        s.tier,
        round(100 * s.p, 2) as percent,
        s.reasons[1].words as reason_1,
        s.reasons[2].words as reason_2,
        s.reasons[3].words as reason_3,
        case
            when p.decision = 'contacted'
                then case p.channel
                    when 'email' then 'E-mail goes out'
                    when 'sms' then 'Text message goes out'
                    when 'call' then 'Call'
                    else 'Follow up by task'
                end
                || ' on ' || strftime(p.not_before, '%Y-%m-%d') || ', ' || strftime(p.not_before, '%H:%M') || ' to '
                || strftime(p.expires_at, '%H:%M') || ' UTC'
            when p.decision = 'skipped' and p.reason in {_MENDABLE} then p.unlock
        end as next_step,
        r.owner_id as owner
    from marts.person_records as r
    inner join day_scores as s on r.person_id = s.person_id
    left join day_plan as p on r.person_id = p.person_id
    order by r.crm, r.record_object, r.record_id, r.source
"""


def release(engine: Engine, as_of: date, ledger: Ledger) -> Released:
    """Record the batch of a published plan, approve it where the thresholds allow, and write what the outbox takes.

    The ledger knows a batch before the outbox shows it, and knows that it left after it did: a run that dies in
    between is continued by the next one with the same bytes.

    Raises:
        PermanentError: people changed between plan and batch, or an approved batch is not that of the newest day.
    """
    settings = engine.settings
    standing = standing_batch(ledger, settings, as_of)
    if standing is not None:
        return Released(standing, "kept", "The batch of this day has left; it is never changed.")
    plan = read_published(settings.published_dir, dataset="campaign_plan", as_of=as_of)
    updates = crm_updates(engine, as_of, plan)
    reason = paused_because(settings.var_dir)
    known = ledger.batch_of(as_of=as_of, sender_id=settings.sender_id)
    is_approved = known is not None and known.state is BatchState.APPROVED
    if reason is not None or (not is_approved and chosen_rows(plan).num_rows == 0):
        if engine.is_newest(as_of):
            emit_scores(settings.outbox_dir, as_of=as_of, sender_id=settings.sender_id, crm_updates=updates)
        return Released(None, "none", f"Emission is paused: {reason}." if reason else "Nobody is contacted today.")
    if known is not None and is_approved:
        require_newest(engine, known)
        return _emit(engine, known, ledger, updates)
    if not engine.is_newest(as_of):
        return Released(known, "waits" if known else "none", "A later day was scored; only the newest releases.")
    recorded = _record(engine, as_of, plan, ledger)
    if recorded.state is BatchState.RECORDED:
        why = approve_by_itself(engine, recorded, ledger)
        if why is not None:
            return Released(recorded, "waits", f"The batch waits for approval: {why}.")
    return _emit(engine, recorded, ledger, updates)


def _record(engine: Engine, as_of: date, plan: pa.Table, ledger: Ledger) -> BatchRecord:
    settings = engine.settings
    manifest = read_manifest(settings.published_dir, dataset="campaign_plan", as_of=as_of)
    facts = manifest.facts if manifest else {}
    people = _chosen_people(engine, as_of, plan)
    batch = _rebuilt(engine, as_of, plan, people, facts)
    address_key = load_address_key(settings.secrets_dir)
    now = engine.now().replace(tzinfo=None)
    record = BatchRecord(
        batch_id=batch.batch_id,
        sha256=batch.sha256,
        as_of_date=as_of,
        sender_id=batch.sender_id,
        state=BatchState.RECORDED,
        planned=len(batch.planned),
        held_out=batch.held_out,
        path=batch.batch_id,
        created_at=now,
        policy_version=batch.policy_version,
        model=batch.model,
        rules=batch.rules,
        facts=json.dumps({name: facts.get(name) for name in _KEPT_FACTS}, sort_keys=True),
    )
    key = load_key(settings.secrets_dir)
    sender = sender_of(settings)
    # A batch that is only written down has not left: `standing_batch` looked into the outbox.
    _, kept = ledger.record_batch(
        record,
        assignments_of(batch),
        touches=delivery_rows(
            batch,
            sinks=sinks_of(settings),
            address_hash=address_key.hash,
            recorded_at=now,
            retry_budget=settings.delivery_tries,
        ),
        contents=contents_of(
            batch,
            unsubscribe_link=lambda name: sender.unsubscribe_link(key.token(name, list_id=batch.sender_id)),
            created_at=now,
            contexts=contexts_of(chosen_rows(plan), people, address_key),
        ),
        replace_recorded=True,
    )
    return kept


def approve_by_itself(engine: Engine, record: BatchRecord, ledger: Ledger) -> str | None:
    """Approve a batch that stays below every threshold; why it needs a human, else."""
    settings = engine.settings
    facts = json.loads(record.facts)
    thresholds = Thresholds(
        touches=settings.approve_up_to_touches,
        cost=settings.approve_up_to_cost,
        exposure=settings.approve_up_to_exposure,
    )
    exposed: Counter[str] = Counter()
    for row in facts.get("exposure", []):
        exposed[row["currency"]] += row["amount"]
    why = bulk_objection(settings, ledger, record.as_of_date) or passes_by_itself(
        thresholds,
        touches=record.planned,
        cost=float(facts.get("cost") or 0.0),
        exposure=exposed,
    )
    if why is None:
        approve(
            ledger.engine,
            record.batch_id,
            sha256=record.sha256,
            by="thresholds",
            method="automatic",
            now=engine.now().replace(tzinfo=None),
        )
    return why


def _emit(engine: Engine, record: BatchRecord, ledger: Ledger, updates: pa.Table) -> Released:
    """Write the files of an approved batch; other sinks deliver their part in `campaign_send_job`."""
    settings = engine.settings
    now = engine.now().replace(tzinfo=None)
    skip_barred(
        ledger.engine, record.batch_id, sink=OUTBOX, rules=books()[1], policy=permission_policy_of(settings), now=now
    )
    batch = load_batch(ledger.engine, record, sink=OUTBOX)
    key = load_key(settings.secrets_dir)
    emit_batch(settings.outbox_dir, batch, sender=sender_of(settings), key=key, crm_updates=updates)
    ledger.mark_emitted(record.batch_id, sink=OUTBOX)
    return Released(ledger.batch_of(as_of=record.as_of_date, sender_id=record.sender_id), "emitted")


def _rebuilt(
    engine: Engine, as_of: date, plan: pa.Table, people: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]
) -> Batch:
    touches, failed = write_touches(plan, people, engine.settings)
    batch = make_batch(
        touches,
        as_of=as_of,
        sender_id=engine.settings.sender_id,
        policy_version=str(facts.get("policy_version")),
        model=str(facts.get("model")),
        rules=books()[1].sha256,
    )
    if failed or batch.batch_id != facts.get("batch_id"):
        raise PermanentError(
            "The people or the words changed between plan and batch.",
            where=f"campaign_plan {as_of}",
            remedy=f"Run the day again: `recovery run --as-of {as_of}`.",
        )
    return batch


def _chosen_people(engine: Engine, as_of: date, plan: pa.Table) -> dict[str, dict[str, Any]]:
    with engine.warehouse.open() as connection:
        connection.register("chosen_people", chosen_rows(plan).select(["person_id"]))
        sql = f"select * from ({PEOPLE_SQL}) where person_id in (select person_id from chosen_people)"
        rows = connection.execute(sql, {"as_of": as_of}).to_arrow_table().to_pylist()
        connection.unregister("chosen_people")
    return {row["person_id"]: row for row in rows}


def crm_updates(engine: Engine, as_of: date, plan: pa.Table) -> pa.Table:
    """Rows of `crm_update_<crm>.csv` for every record of every scored person."""
    root = engine.settings.published_dir
    with engine.warehouse.open() as connection:
        if read_manifest(root, dataset="lead_scores", as_of=as_of) is None or not engine.warehouse.exists(
            connection, "marts.person_records"
        ):
            return pa.table({"crm": pa.array([], pa.string())})
        return _updates(connection, read_published(root, dataset="lead_scores", as_of=as_of), plan)


def _updates(connection: duckdb.DuckDBPyConnection, scores: pa.Table, plan: pa.Table) -> pa.Table:
    connection.register("day_scores", scores)
    connection.register("day_plan", plan)
    try:
        return arrow(connection, _UPDATES_SQL)
    finally:
        connection.unregister("day_scores")
        connection.unregister("day_plan")
