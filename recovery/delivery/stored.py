"""A batch as the ledger holds it, for sinks that take batches as a whole."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from contracts.words import Channel
from recovery.batch import Batch, Touch
from recovery.delivery.words import TouchState
from recovery.drafting.render import Draft
from recovery.ledger import BatchRecord
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading


def load_batch(engine: sa.Engine, record: BatchRecord, *, sink: str) -> Batch:
    """Touches of one sink that are approved or sent, with their words, and those held out, without."""
    touch, row, content = tables.touches, tables.assignments, tables.contents
    query = (
        sa.select(
            touch, row.c.arm, row.c.propensity, row.c.not_before.label("opens"),
            content.c.address, content.c.subject.label("title"), content.c.text, content.c.html, content.c.extra,
        )
        .join(row, row.c.assignment_id == touch.c.touch_id)
        .outerjoin(content, sa.and_(content.c.kind == "touch", content.c.ref_id == touch.c.touch_id))
        .where(
            touch.c.batch_id == record.batch_id,
            touch.c.sink == sink,
            sa.or_(
                touch.c.state.in_([TouchState.APPROVED.value, TouchState.SENT.value]),
                touch.c.reason == "held_out",
            ),
        )
    )  # fmt: skip
    with reading(engine) as connection:
        rows = sorted(connection.execute(query), key=lambda found: found.touch_id)
    return Batch(
        record.as_of_date,
        record.sender_id,
        record.policy_version,
        record.model,
        record.rules,
        tuple(map(_touch, rows)),
        record.sha256,
    )


def _touch(row: Any) -> Touch:
    extra = json.loads(row.extra or "{}")
    draft = Draft(
        Channel(row.channel), row.address or "", row.title or "", row.text or "", row.html or "", row.content_sha256
    )
    return Touch(
        touch_id=row.touch_id,
        person_id=row.person_id,
        account_id=row.account_id,
        source=extra.get("source", ""),
        crm=extra.get("crm", ""),
        record_object=extra.get("object", ""),
        record_id=extra.get("record", ""),
        draft=draft,
        not_before=row.opens,
        expires_at=row.expires_at,
        playbook=row.playbook,
        step=row.step,
        cycle=row.cycle,
        arm=row.arm,
        propensity=row.propensity,
        rank=row.rank,
    )
