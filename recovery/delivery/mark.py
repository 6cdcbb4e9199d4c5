"""Marking a group: every outcome, attempt and consequence in one durable commit."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from contracts.words import SuppressionReason
from recovery.delivery.claim import Claim
from recovery.delivery.figures import add_figures
from recovery.delivery.rates import end_slot
from recovery.delivery.words import FINAL, Settlement, TouchState
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import writing

_HELD: Final = (TouchState.CLAIMED.value, TouchState.UNKNOWN.value)


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
        end_slot(connection, claim_id=claim.claim_id, count=sum(bool(s.attempt) for s in settlements), now=now)
        content = {
            "claim": claim.claim_id,
            "sink": claim.sink,
            "touches": [[s.touch_id, s.state.value, s.reason, touches[s.touch_id].attempts] for s in settlements],
        }
        append_audit(connection, [AuditEntry("touches_marked", claim.batch_id, content)], at=now)
    return len(settlements) - matched


def _settle(connection: sa.Connection, claim: Claim, settlements: Sequence[Settlement], now: datetime) -> int:
    touch = tables.touches
    change = (
        sa.update(touch)
        .where(
            touch.c.touch_id == sa.bindparam("key"),
            touch.c.claim_id == claim.claim_id,
            touch.c.state.in_([sa.literal_column(f"'{state}'") for state in _HELD]),
        )
        .values(
            state=sa.bindparam("new_state"),
            reason=sa.bindparam("new_reason"),
            not_before=sa.bindparam("due"),
            attempts=sa.bindparam("tries"),
            settled_at=sa.bindparam("settled"),
            lease_until=None,
        )
    )
    known = {touch.touch_id: touch for touch in claim.touches}
    rows = [
        {
            "key": s.touch_id,
            "new_state": s.state.value,
            "new_reason": s.reason,
            "due": s.not_before or known[s.touch_id].not_before,
            "tries": known[s.touch_id].attempts + bool(s.attempt),
            "settled": now if s.state in FINAL else None,
        }
        for s in settlements
    ]
    return int(connection.execute(change, rows).rowcount)


def _write_attempts(
    connection: sa.Connection, claim: Claim, settlements: Sequence[Settlement], worker: str, now: datetime
) -> None:
    known = {touch.touch_id: touch for touch in claim.touches}
    rows: list[dict[str, Any]] = [
        {
            "touch_id": s.touch_id,
            "number": known[s.touch_id].attempts + 1,
            "claim_id": claim.claim_id,
            "worker": worker,
            "sink": claim.sink,
            "outcome": s.attempt,
            "code": s.code,
            "provider_id": s.provider_id or None,
            "at": now,
        }
        for s in settlements
        if s.attempt
    ]
    if rows:  # a reaped attempt has the same number: the receipt replaces the guess
        names = list(rows[0])
        updates = ", ".join(f"{name} = excluded.{name}" for name in names[2:])
        statement = sa.text(
            f"insert into attempts ({', '.join(names)}) values ({', '.join(f':{name}' for name in names)}) "
            f"on conflict (touch_id, number) do update set {updates}"
        ).bindparams(sa.bindparam("at", type_=sa.DateTime))
        connection.execute(statement, rows)


def _suppress(connection: sa.Connection, claim: Claim, settlements: Sequence[Settlement], now: datetime) -> None:
    bounced = {s.touch_id for s in settlements if s.suppresses}
    rows = [
        {
            "suppression_id": uuid.uuid5(uuid.NAMESPACE_OID, f"{touch.touch_id}:{claim.claim_id}").hex,
            "address_hash": touch.address_hash,
            "person_id": touch.person_id,
            "sender_id": touch.sender_id,
            "channel": touch.channel.value,
            "reason": SuppressionReason.HARD_BOUNCE.value,
            "source": f"sink:{claim.sink}",
            "since": now,
            "recorded_at": now,
        }
        for touch in claim.touches
        if touch.touch_id in bounced and touch.address_hash
    ]
    if rows:  # the same mark a second time, after a lost connection, adds nothing
        names = ", ".join(rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        statement = sa.text(
            f"insert into suppressions ({names}) values ({values}) on conflict (suppression_id) do nothing"
        )
        moments = [sa.bindparam(name, type_=sa.DateTime) for name in ("since", "recorded_at")]
        connection.execute(statement.bindparams(*moments), rows)


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
