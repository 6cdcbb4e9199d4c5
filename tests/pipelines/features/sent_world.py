"""A ledger in which touches were sent and answered, written by the verbs that delivery and feedback use."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from recovery.inbound.events import FeedbackEvent
from recovery.inbound.record import record_events
from recovery.ledger import ASSIGNMENTS_SCHEMA, TOUCHES_SCHEMA, BatchRecord, BatchState, Ledger
from recovery.ledger import schema as tables


def hashed(address: str) -> str:
    return f"k:{address}"


def send(
    ledger: Ledger,
    touches: Iterable[tuple[str, str, datetime]],
    *,
    day: date,
    sink: str = "smtp",
    channel: str = "email",
    state: str = "sent",
    attempt: str = "sent",
) -> None:
    """One batch of touches, (touch_id, person_id, moment); each may leave in the twelve hours from its day's 08:00.

    Without `attempt` the touch was settled and nobody tried: files, and what a human resolved.
    """
    rows: list[dict[str, Any]] = [
        {
            "touch_id": touch, "assignment_id": touch, "batch_id": f"b-{sink}-{channel}-{day}", "as_of_date": day,
            "person_id": person, "sender_id": f"main-{sink}-{channel}", "channel": channel, "playbook": "p", "step": 1,
            "cycle": 1, "arm": "contacted", "propensity": 0.9, "rank": 1, "policy_version": "1", "sink": sink,
            "not_before": datetime.combine(at.date(), datetime.min.time()) + timedelta(hours=8),
            "expires_at": datetime.combine(at.date(), datetime.min.time()) + timedelta(hours=20),
            "content_sha256": "c", "idempotency_key": touch, "state": state, "reason": "", "retry_budget": 5,
            "address_hash": hashed(f"{person}@x.example"), "settled_at": at,
        }
        for touch, person, at in touches
    ]  # fmt: skip
    batch, sender = str(rows[0]["batch_id"]), str(rows[0]["sender_id"])
    begun = datetime.combine(day, datetime.min.time())
    head = BatchRecord(batch, "0" * 64, day, sender, BatchState.RECORDED, len(rows), 0, "x", begun)
    ledger.record_batch(head, table_of(rows, ASSIGNMENTS_SCHEMA), touches=table_of(rows, TOUCHES_SCHEMA))
    if attempt:
        tried = [
            {"touch_id": touch, "number": 1, "claim_id": "c", "worker": "w", "sink": sink, "outcome": attempt, "at": at}
            for touch, _, at in touches
        ]
        with ledger.engine.begin() as connection:
            connection.execute(sa.insert(tables.attempts), tried)


def table_of(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)


def tell(ledger: Ledger, *events: FeedbackEvent, now: datetime) -> None:
    """Feedback as the webhook and the mailbox record it."""
    found = record_events(ledger.engine, events, now=now, hash_address=hashed, sender_id="main")
    assert set(found.counts) == {"recorded"}
