"""The re-check of batches that leave as files: what may no longer leave is taken out before they are written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from contracts.words import Channel, SkipReason
from recovery.delivery.words import Reason, TouchState
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import reading, writing
from recovery.permission.book import Known, read_known
from recovery.permission.context import Context
from recovery.permission.recheck import facts_now, keys_of, read_contexts
from recovery.permission.refusals import refusal_of
from recovery.permission.rules import RuleBook


def skip_refused(engine: sa.Engine, batch_id: str, *, sink: str, rules: RuleBook, now: datetime) -> int:
    """Skip approved touches of a sink whose person refused, whose words or permission are gone, or whose time is over.

    Hours and frequency are the business of whoever sends the files.

    Args:
        engine: of the ledger.
        batch_id: the batch.
        sink: whose touches.
        rules: of today.
        now: naive UTC.

    Returns:
        How many were skipped.
    """
    touch, words = tables.touches, tables.contents
    waiting = (touch.c.batch_id == batch_id, touch.c.sink == sink, touch.c.state == TouchState.APPROVED.value)
    written = sa.and_(words.c.kind == "touch", words.c.ref_id == touch.c.touch_id)
    with reading(engine) as connection:
        query = sa.select(
            touch.c.touch_id, touch.c.person_id, touch.c.channel, touch.c.address_hash, touch.c.expires_at,
            words.c.ref_id.is_not(None).label("has_words"),
        ).outerjoin(words, written)  # fmt: skip
        rows = connection.execute(query.where(*waiting).order_by(touch.c.touch_id)).all()
        contexts = read_contexts(connection, [row.touch_id for row in rows])
        known = read_known(
            connection,
            keys={key for row in rows for key in keys_of(row.address_hash, contexts.get(row.touch_id))},
            people={row.person_id for row in rows},
        )
    found = [(row.touch_id, _why_not(row, contexts.get(row.touch_id), known, rules, now)) for row in rows]
    refused = [{"key": name, "why": why} for name, why in found if why]
    if refused:
        with writing(engine, "last_look") as connection:
            change = sa.update(touch).where(touch.c.touch_id == sa.bindparam("key"), *waiting)
            change = change.values(state=TouchState.SKIPPED.value, reason=sa.bindparam("why"), settled_at=now)
            connection.execute(change, refused)
            content = {"touches": [[one["key"], one["why"]] for one in refused]}
            append_audit(connection, [AuditEntry("touches_refused", batch_id, content)], at=now)
    return len(refused)


def _why_not(row: sa.Row[Any], context: Context | None, known: Known, rules: RuleBook, now: datetime) -> str:
    """Reason to skip a touch; empty when it may leave."""
    if row.expires_at <= now:
        return Reason.EXPIRED.value
    if not row.has_words:
        return Reason.CONTENT_ERASED.value
    if context is None:
        return SkipReason.PERMISSION_UNKNOWN.value
    channel = Channel(row.channel)
    facts = facts_now(row.person_id, channel, row.address_hash, context, known, now)
    refused = refusal_of(facts, channel, now.date(), rules)
    return "" if refused is None else refused.value
