"""The re-check of batches that leave as files: whoever refused since the plan is taken out before they are written."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from contracts.words import Channel
from recovery.delivery.words import TouchState
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import reading, writing
from recovery.permission.book import read_known
from recovery.permission.recheck import facts_now, keys_of, read_contexts
from recovery.permission.refusals import refusal_of
from recovery.permission.rules import RuleBook


def skip_refused(engine: sa.Engine, batch_id: str, *, sink: str, rules: RuleBook, now: datetime) -> int:
    """Skip approved touches of a sink whose person refused; returns how many.

    Hours and frequency are the business of whoever sends the files.

    Args:
        engine: of the ledger.
        batch_id: the batch.
        sink: whose touches.
        rules: of today.
        now: naive UTC.
    """
    touch = tables.touches
    waiting = (touch.c.batch_id == batch_id, touch.c.sink == sink, touch.c.state == TouchState.APPROVED.value)
    with reading(engine) as connection:
        query = sa.select(touch.c.touch_id, touch.c.person_id, touch.c.channel, touch.c.address_hash).where(*waiting)
        rows = connection.execute(query.order_by(touch.c.touch_id)).all()
        contexts = read_contexts(connection, [row.touch_id for row in rows])
        known = read_known(
            connection,
            keys={key for row in rows for key in keys_of(row.address_hash, contexts.get(row.touch_id))},
            people={row.person_id for row in rows},
        )
    refused = []
    for row in rows:
        context, channel = contexts.get(row.touch_id), Channel(row.channel)
        if context is not None:
            facts = facts_now(row.person_id, channel, row.address_hash, context, known, now)
            reason = refusal_of(facts, channel, now.date(), rules)
            if reason is not None:
                refused.append({"key": row.touch_id, "why": reason.value})
    if refused:
        with writing(engine, "last_look") as connection:
            change = sa.update(touch).where(touch.c.touch_id == sa.bindparam("key"), *waiting)
            change = change.values(state=TouchState.SKIPPED.value, reason=sa.bindparam("why"), settled_at=now)
            connection.execute(change, refused)
            content = {"touches": [[one["key"], one["why"]] for one in refused]}
            append_audit(connection, [AuditEntry("touches_refused", batch_id, content)], at=now)
    return len(refused)
