"""From a published plan to a recorded and emitted batch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import duckdb
import pyarrow as pa

from contracts.errors import PermanentError
from contracts.published import arrow, read_manifest, read_published
from pipelines.campaigns.inputs import PEOPLE_SQL
from pipelines.campaigns.planning import chosen_rows, write_touches
from pipelines.campaigns.standing import Released, sender_of, standing_batch
from pipelines.resources import Engine
from recovery.batch import Batch, assignments_of, make_batch
from recovery.control import paused_because
from recovery.ledger import BatchRecord, BatchState, Ledger, RecordOutcome
from recovery.sinks import emit_batch, emit_scores
from recovery.tokens import load_key

# What somebody can mend in the CRM without contacting anybody.
_MENDABLE: Final = ("no_address", "country_unknown", "country_conflict", "time_zone_unknown", "hard_bounced")
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
    """Record and emit the batch of a published plan; whatever has left already stays as it is.

    The ledger knows a batch before the outbox shows it, and knows that it left after it did: a run that dies in
    between is continued by the next one with the same bytes.

    Raises:
        PermanentError: people changed between plan and batch.
    """
    settings = engine.settings
    standing = standing_batch(ledger, settings, as_of)
    if standing is not None:
        return Released(standing, "kept", "The batch of this day has left; it is never changed.")
    plan = read_published(settings.published_dir, dataset="campaign_plan", as_of=as_of)
    manifest = read_manifest(settings.published_dir, dataset="campaign_plan", as_of=as_of)
    facts = manifest.facts if manifest else {}
    updates = crm_updates(engine, as_of, plan)
    reason = paused_because(settings.var_dir)
    if reason is not None or chosen_rows(plan).num_rows == 0:
        if engine.is_newest(as_of):
            emit_scores(settings.outbox_dir, as_of=as_of, sender_id=settings.sender_id, crm_updates=updates)
        return Released(None, "none", f"Emission is paused: {reason}." if reason else "Nobody is contacted today.")
    batch = _rebuilt(engine, as_of, plan, facts)
    record = BatchRecord(
        batch_id=batch.batch_id,
        sha256=batch.sha256,
        as_of_date=as_of,
        sender_id=batch.sender_id,
        state=BatchState.RECORDED,
        planned=len(batch.planned),
        held_out=batch.held_out,
        path=batch.batch_id,
        created_at=engine.now().replace(tzinfo=None),
    )
    # A batch that is only written down has not left: `standing_batch` looked into the outbox.
    outcome, kept = ledger.record_batch(record, assignments_of(batch), replace_recorded=True)
    if outcome is RecordOutcome.KEPT_FIRST:
        return Released(kept, "kept", "The batch of this day has left; it is never changed.")
    key = load_key(settings.secrets_dir)
    emit_batch(settings.outbox_dir, batch, sender=sender_of(settings), key=key, crm_updates=updates)
    ledger.mark_emitted(batch.batch_id)
    return Released(ledger.batch_of(as_of=as_of, sender_id=settings.sender_id), "emitted")


def _rebuilt(engine: Engine, as_of: date, plan: pa.Table, facts: Mapping[str, Any]) -> Batch:
    people = _chosen_people(engine, as_of, plan)
    touches, failed = write_touches(plan, people, engine.settings)
    batch = make_batch(
        touches,
        as_of=as_of,
        sender_id=engine.settings.sender_id,
        policy_version=str(facts.get("policy_version")),
        model=str(facts.get("model")),
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
