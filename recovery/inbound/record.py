"""Feedback into the ledger: each event once, with everything that follows from it, in one durable commit."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from recovery.inbound.events import ASKS_FOR_ERASURE, CONSEQUENCES, EVERYWHERE, EventKind, FeedbackEvent
from recovery.inbound.machines import is_machine
from recovery.inbound.sameness import ONE_CLICK, name_beside
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import writing
from recovery.rights.asking import RequestKind, has_open_request, write_request

_FUTURE: Final = timedelta(hours=1)
_LONGEST_TEXT: Final = 20_000
_NAMESPACE: Final = uuid.UUID("6c1f4c0e-6b5b-5a0e-9d0e-2f5a8d1f7c11")


class Landing(StrEnum):
    """What became of one event."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    UNKNOWN_ID = "unknown_id"
    IN_FUTURE = "in_future"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the events, in the order given.

    Attributes:
        landings: one per event.
        is_replay: the request as a whole had been seen; nothing was changed.
    """

    landings: tuple[Landing, ...]
    is_replay: bool = False

    @property
    def counts(self) -> Counter[str]:
        """Events by landing."""
        return Counter(landing.value for landing in self.landings)


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom an event concerns; ids and a keyed hash."""

    touch_id: str | None
    person_id: str | None
    address_hash: str | None
    sender_id: str
    channel: str
    sent_at: datetime | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Nonce:
    """One request of a provider, which counts once."""

    provider: str
    value: str


def record_events(
    engine: sa.Engine,
    events: Sequence[FeedbackEvent],
    *,
    now: datetime,
    hash_address: Callable[[str], str],
    sender_id: str,
    nonce: Nonce | None = None,
) -> Recorded:
    """Write events down with their consequences; durable when it returns.

    An event that is known already changes nothing, whatever its order; another kind under the same id is another
    event, and so is a click on an unsubscribe link after a permission that was given since the last one. What names
    neither a touch nor a message nor an address that could be acted on is `UNKNOWN_ID` and is not written. An opt-out,
    objection, complaint or hard bounce closes the address in the same commit, so that the next claim sees it.

    Args:
        engine: of the ledger.
        events: in any order.
        now: naive UTC.
        hash_address: keyed hash of an address (`AddressKey.hash`).
        sender_id: whom a statement concerns where no touch is known.
        nonce: of the request that brought them.

    Raises:
        PassingError: the ledger does not answer; nothing was written.
    """
    with writing(engine) as connection:
        if nonce is not None and not _first_time(connection, nonce, now):
            return Recorded(tuple(Landing.DUPLICATE for _ in events), is_replay=True)
        landings = [_record(connection, event, now, hash_address, sender_id) for event in events]
        if nonce is not None and not set(landings) <= {Landing.RECORDED, Landing.DUPLICATE}:
            # The sender is told and may send the request again when the rest is known here.
            seen = tables.webhook_nonces.c
            connection.execute(
                sa.delete(tables.webhook_nonces).where(seen.provider == nonce.provider, seen.nonce == nonce.value)
            )
        entries = [
            AuditEntry("feedback_recorded", event.touch_id or event.event_id, _audited(event))
            for event, landing in zip(events, landings, strict=True)
            if landing is Landing.RECORDED and event.kind in CONSEQUENCES
        ]
        append_audit(connection, entries, at=now)
    return Recorded(tuple(landings))


def _audited(event: FeedbackEvent) -> dict[str, str]:
    return {"provider": event.provider, "event": event.event_id, "kind": event.kind.value}


def _first_time(connection: sa.Connection, nonce: Nonce, now: datetime) -> bool:
    row = {"provider": nonce.provider, "nonce": nonce.value, "seen_at": now}
    return _insert(connection, tables.webhook_nonces, row)


def _record(
    connection: sa.Connection,
    event: FeedbackEvent,
    now: datetime,
    hash_address: Callable[[str], str],
    sender_id: str,
) -> Landing:
    if event.occurred_at > now + _FUTURE:
        if event.kind not in CONSEQUENCES:
            return Landing.IN_FUTURE
        event = replace(event, occurred_at=now)  # a refusal holds whatever the sender's clock says
    concerned = _concerned(connection, event, hash_address, sender_id)
    if concerned is None:
        return Landing.UNKNOWN_ID
    row = {
        "provider": event.provider,
        "event_id": event.event_id,
        "touch_id": concerned.touch_id,
        "person_id": concerned.person_id,
        "address_hash": concerned.address_hash,
        "kind": event.kind.value,
        "is_machine": event.is_machine
        or is_machine(event.kind, event.user_agent, occurred_at=event.occurred_at, sent_at=concerned.sent_at),
        "detail": event.detail,
        "occurred_at": event.occurred_at,
        "received_at": now,
    }
    if not _insert(connection, tables.provider_events, row):
        beside = name_beside(connection, event, person_id=concerned.person_id, address_hash=concerned.address_hash)
        if beside is None or not _insert(connection, tables.provider_events, {**row, "event_id": beside}):
            return Landing.DUPLICATE
        event = replace(event, event_id=beside)
    if event.text:
        _keep_text(connection, event, concerned, now)
    if event.kind in CONSEQUENCES:
        _close(connection, event, concerned, now)
    if event.detail == ASKS_FOR_ERASURE and event.kind is EventKind.OBJECTION:
        _ask_for_erasure(connection, concerned, now)
    return Landing.RECORDED


def _ask_for_erasure(connection: sa.Connection, concerned: Concerned, now: datetime) -> None:
    """Start the clock of a request (GDPR Art. 12(3), 17); one that runs goes on.

    Where no touch is known the person is whom the address was used for, else the keyed hash stands for them.
    """
    name = concerned.person_id
    if name is None:
        touch = tables.touches.c
        query = sa.select(touch.person_id).where(touch.address_hash == concerned.address_hash).distinct().limit(2)
        found: Sequence[str] = connection.execute(query).scalars().all()
        name = found[0] if len(found) == 1 else concerned.address_hash
    if name is not None and not has_open_request(connection, RequestKind.ERASE, name):
        write_request(connection, RequestKind.ERASE, name, by="reply", received_at=now)


def _concerned(
    connection: sa.Connection, event: FeedbackEvent, hash_address: Callable[[str], str], sender_id: str
) -> Concerned | None:
    for touch_id in (event.touch_id, _touch_of(connection, event.provider_id)):
        found = None if touch_id is None else _touch(connection, touch_id)
        if found is not None:
            return found
    if event.address is None or event.channel is None:
        return None
    return Concerned(None, None, hash_address(event.address), sender_id, event.channel.value)


def _touch_of(connection: sa.Connection, provider_id: str | None) -> str | None:
    if not provider_id:
        return None
    attempt = tables.attempts
    query = sa.select(attempt.c.touch_id).where(attempt.c.provider_id == provider_id).distinct().limit(2)
    found: Sequence[str] = connection.execute(query).scalars().all()
    return found[0] if len(found) == 1 else None


def _touch(connection: sa.Connection, touch_id: str) -> Concerned | None:
    touch, attempt = tables.touches, tables.attempts
    sent_at = (
        sa.select(sa.func.min(attempt.c.at))
        .where(attempt.c.touch_id == touch.c.touch_id, attempt.c.outcome == "sent")
        .scalar_subquery()
    )
    query = sa.select(
        touch.c.person_id, touch.c.address_hash, touch.c.sender_id, touch.c.channel, sent_at.label("sent_at")
    ).where(touch.c.touch_id == touch_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Concerned(touch_id, row.person_id, row.address_hash, row.sender_id, row.channel, row.sent_at)


def _keep_text(connection: sa.Connection, event: FeedbackEvent, concerned: Concerned, now: datetime) -> None:
    row = {
        "kind": "event",
        "ref_id": f"{event.provider}/{event.event_id}",
        "person_id": concerned.person_id,
        "address": event.address or "",
        "text": event.text[:_LONGEST_TEXT],
        "created_at": now,
    }
    _insert(connection, tables.contents, row)


def _close(connection: sa.Connection, event: FeedbackEvent, concerned: Concerned, now: datetime) -> None:
    """Suppress the address, and put the words on the person's record."""
    reason = CONSEQUENCES[event.kind].value
    channel = "all" if event.kind in EVERYWHERE else concerned.channel
    source = f"feedback:{event.provider}"
    key = uuid.uuid5(_NAMESPACE, json.dumps([event.provider, event.event_id])).hex
    common: dict[str, Any] = {
        "address_hash": concerned.address_hash,
        "person_id": concerned.person_id,
        "sender_id": concerned.sender_id,
        "channel": channel,
        "source": source,
        "since": event.occurred_at,
        "recorded_at": now,
    }
    if concerned.address_hash is not None and event.kind is not EventKind.NOT_NOW:
        _insert(connection, tables.suppressions, {**common, "suppression_id": key, "reason": reason})
    statement = {
        **common,
        "event_id": key,
        "stance": "refused",
        "basis": reason,
        "evidence": f"{event.provider}/{event.event_id}",
        "is_lead_originated": event.kind is not EventKind.HARD_BOUNCE,
        "expires_at": event.resume_on,
    }
    if event.kind is EventKind.HARD_BOUNCE or event.kind is EventKind.WRONG_PERSON:
        statement["person_id"] = None  # they are about the mailbox, not about the person's wish
    _insert(connection, tables.permission_events, statement)


def _insert(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert a row unless its key exists; whether it was new."""
    names = ", ".join(row)
    marks = ", ".join(f":{name}" for name in row)
    statement = sa.text(f"insert into {table.name} ({names}) values ({marks}) on conflict do nothing").bindparams(
        *(sa.bindparam(name, type_=table.c[name].type) for name in row)
    )
    return connection.execute(statement, row).rowcount == 1


def unsubscribe_event(touch_id: str, *, now: datetime) -> FeedbackEvent:
    """The event of a one-click unsubscription (RFC 8058); a second click on the same link is the same event."""
    return FeedbackEvent(ONE_CLICK, touch_id, EventKind.OPT_OUT, now, touch_id=touch_id)
