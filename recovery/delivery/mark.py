"""Marking a group: every outcome, attempt and consequence in one durable commit."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from contracts.words import SuppressionReason
from recovery.delivery.claim import Claim
from recovery.delivery.figures import add_figures
from recovery.delivery.rates import end_slot
from recovery.delivery.words import FINAL, Settlement, TouchState
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import writing
from recovery.ledger.plain import run_many
from recovery.ledger.seals import insert_sealed


def mark_group(
    engine: sa.Engine, claim: Claim, settlements: Sequence[Settlement], *, worker: str, now: datetime
) -> int:
    """Settle touches of a claim; returns how many no longer belonged to it.

    A touch that was made unknown while this worker was busy is corrected: its receipt is better knowledge. One that
    somebody resolved by hand stays as it is, and the receipt stands in the audit.

    Args:
        engine: of the ledger.
        claim: the group.
        settlements: for some or all of its touches.
        worker: who reports.
        now: naive UTC.
    """
    if not settlements:
        return 0
    touches = {touch.touch_id: touch for touch in claim.touches}
    with writing(engine, "mark") as connection:
        matched = _settle(connection, claim, settlements, now)
        _write_attempts(connection, claim, settlements, worker, now)
        _suppress(connection, claim, settlements, now)
        add_figures(connection, claim, settlements, now=now)
        if claim.is_limited:
            end_slot(connection, claim_id=claim.claim_id, count=sum(bool(s.attempt) for s in settlements), now=now)
        content = {
            "claim": claim.claim_id,
            "sink": claim.sink,
            "touches": [[s.touch_id, s.state.value, s.reason, touches[s.touch_id].attempts] for s in settlements],
        }
        append_audit(connection, [AuditEntry("touches_marked", claim.batch_id, content)], at=now)
    return len(settlements) - matched


_SETTLE: Final = """
    update touches set state = ?, reason = ?, not_before = ?, attempts = ?, settled_at = ?, lease_until = null
    where touch_id = ? and claim_id = ? and state in ('claimed', 'unknown')
"""
# A reaped attempt has the same number: the receipt replaces the guess.
_ATTEMPT: Final = """
    insert into attempts (touch_id, number, claim_id, worker, sink, outcome, code, provider_id, at)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (touch_id, number) do update set claim_id = excluded.claim_id, worker = excluded.worker,
        sink = excluded.sink, outcome = excluded.outcome, code = excluded.code, provider_id = excluded.provider_id,
        at = excluded.at
"""


def _settle(connection: sa.Connection, claim: Claim, settlements: Sequence[Settlement], now: datetime) -> int:
    known = {touch.touch_id: touch for touch in claim.touches}
    rows = []
    for s in settlements:
        touch = known[s.touch_id]
        doubt = None if s.attempt else claim.doubts.get(s.touch_id)  # nothing was tried: unknown for as long as before
        settled = doubt.since if doubt else now if s.state in FINAL else None
        tries = touch.attempts + bool(s.attempt)
        due = s.not_before or touch.not_before
        rows.append((s.state.value, s.reason, due, tries, settled, s.touch_id, claim.claim_id))
    return run_many(connection, _SETTLE, rows)


def _write_attempts(
    connection: sa.Connection, claim: Claim, settlements: Sequence[Settlement], worker: str, now: datetime
) -> None:
    known = {touch.touch_id: touch.attempts for touch in claim.touches}
    fixed = (claim.claim_id, worker, claim.sink)
    run_many(
        connection,
        _ATTEMPT,
        [
            (s.touch_id, known[s.touch_id] + 1, *fixed, s.attempt, s.code, s.provider_id or None, now)
            for s in settlements
            if s.attempt
        ],
    )


def _suppress(connection: sa.Connection, claim: Claim, settlements: Sequence[Settlement], now: datetime) -> None:
    bounced = {s.touch_id for s in settlements if s.suppresses}
    reason, source = SuppressionReason.HARD_BOUNCE.value, f"sink:{claim.sink}"
    rows = [
        {
            # The same mark a second time, after a lost connection, adds nothing.
            "suppression_id": uuid.uuid5(uuid.NAMESPACE_OID, f"{touch.touch_id}:{claim.claim_id}").hex,
            "address_hash": touch.address_hash,
            "person_id": touch.person_id,
            "sender_id": touch.sender_id,
            "channel": touch.channel.value,
            "reason": reason,
            "source": source,
            "since": now,
            "recorded_at": now,
        }
        for touch in claim.touches
        if touch.touch_id in bounced and touch.address_hash
    ]
    insert_sealed(connection, tables.suppressions, rows, at=now)


def give_back(engine: sa.Engine, claim_id: str) -> int:
    """Return touches to the outbox that a claim took and nobody began, after the claim's own answer was lost."""
    touch = tables.touches
    change = (
        sa.update(touch)
        .where(touch.c.claim_id == claim_id, touch.c.state == sa.literal_column("'claimed'"))
        .values(state=TouchState.APPROVED.value, claim_id=None, lease_until=None)
    )
    with writing(engine, "give_back") as connection:
        connection.execute(sa.delete(tables.rate_slots).where(tables.rate_slots.c.claim_id == claim_id))
        return int(connection.execute(change).rowcount)
