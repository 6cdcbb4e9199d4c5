"""The re-check of batches that leave as files: whoever may not be contacted is taken out before they are written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from contracts.words import Channel, SkipReason
from recovery.delivery.words import Reason, TouchState
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import reading, writing
from recovery.permission import ContactFacts, PermissionPolicy, Status, decide
from recovery.permission.book import Known, read_known
from recovery.permission.context import Context
from recovery.permission.recheck import facts_now, keys_of, read_contexts
from recovery.permission.refusals import refusal_of
from recovery.permission.rules import RuleBook

_NOTHING: Final = Context(ContactFacts())


def skip_barred(
    engine: sa.Engine, batch_id: str, *, sink: str, rules: RuleBook, policy: PermissionPolicy, now: datetime
) -> int:
    """Skip approved touches of a sink that may not leave (refusal, no ground, expired, erased); returns how many.

    Hours and frequency within the window are the business of whoever sends the files.

    Args:
        engine: of the ledger.
        batch_id: the batch.
        sink: whose touches.
        rules: of today.
        policy: the operator's own limits.
        now: naive UTC.
    """
    touch, content = tables.touches, tables.contents
    waiting = (touch.c.batch_id == batch_id, touch.c.sink == sink, touch.c.state == TouchState.APPROVED.value)
    names = ("touch_id", "person_id", "channel", "address_hash", "not_before", "expires_at")
    query = (
        sa.select(*(touch.c[name] for name in names), content.c.ref_id.label("words"))
        .outerjoin(content, sa.and_(content.c.kind == "touch", content.c.ref_id == touch.c.touch_id))
        .where(*waiting)
        .order_by(touch.c.touch_id)
    )
    made = sa.select(tables.batches.c.created_at).where(tables.batches.c.batch_id == batch_id)
    with reading(engine) as connection:
        made_at: datetime = connection.execute(made).scalar_one()
        rows = connection.execute(query).all()
        contexts = read_contexts(connection, [row.touch_id for row in rows])
        known = read_known(
            connection,
            keys={key for row in rows for key in keys_of(row.address_hash, contexts.get(row.touch_id))},
            people={row.person_id for row in rows},
        )
    # The batch of a past day that is made today, as in a demo, is judged in its own windows: it did not wait.
    clocks = {row.touch_id: now if made_at < row.expires_at else row.not_before for row in rows}
    reasons = {
        row.touch_id: _bar(row, contexts.get(row.touch_id), known, policy, rules, now, clocks[row.touch_id])
        for row in rows
    }
    barred = [{"key": touch_id, "why": why} for touch_id, why in reasons.items() if why is not None]
    if barred:
        with writing(engine, "last_look") as connection:
            change = sa.update(touch).where(touch.c.touch_id == sa.bindparam("key"), *waiting)
            change = change.values(state=TouchState.SKIPPED.value, reason=sa.bindparam("why"), settled_at=now)
            connection.execute(change, barred)
            entry = AuditEntry("touches_barred", batch_id, {"touches": [[one["key"], one["why"]] for one in barred]})
            append_audit(connection, [entry], at=now)
    return len(barred)


def _bar(
    row: Any,
    context: Context | None,
    known: Known,
    policy: PermissionPolicy,
    rules: RuleBook,
    now: datetime,
    clock: datetime,
) -> str | None:
    """Why a touch may not leave, or None. A refusal of its address or person counts without a context too."""
    if row.expires_at <= clock:
        return Reason.EXPIRED.value
    if row.words is None:
        return Reason.CONTENT_ERASED.value
    channel, basis = Channel(row.channel), context or _NOTHING
    facts = facts_now(row.person_id, channel, row.address_hash, basis, known, now)
    refusal = refusal_of(facts, channel, now.date(), rules)
    if refusal is not None or context is None:
        return (refusal or SkipReason.PERMISSION_UNKNOWN).value
    moment = max(clock, row.not_before).replace(tzinfo=UTC)
    decision = decide(facts, channel, moment, replace(policy, is_job_related=context.is_job_related), rules)
    return None if decision.status is not Status.REFUSED else (decision.reason or SkipReason.CONSENT_REQUIRED).value
