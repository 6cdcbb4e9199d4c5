"""Which events are the same: a provider's identifier names one event of a kind, a link each click that tells."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from recovery.inbound.events import CONSEQUENCES, EventKind, FeedbackEvent
from recovery.ledger import schema as tables
from recovery.permission.facts import Stance

ONE_CLICK: Final = "one_click"
# What a reply may be read as; the same words read more mildly later are the same event.
_READINGS: Final = frozenset({*CONSEQUENCES, EventKind.REPLY, EventKind.AUTO_REPLY} - {EventKind.HARD_BOUNCE})


def name_beside(
    connection: sa.Connection, event: FeedbackEvent, *, person_id: str | None, address_hash: str | None
) -> str | None:
    """The name under which an event is kept whose identifier is known already; None when it is the known event.

    No provider's identifier holds a space, so the name is nobody else's.

    Args:
        connection: inside a write transaction.
        event: with an identifier that is in the ledger.
        person_id, address_hash: whom it concerns.
    """
    known = tables.provider_events
    of_it = sa.and_(known.c.provider == event.provider, known.c.event_id == event.event_id)
    kind = connection.execute(sa.select(known.c.kind).where(of_it)).scalar()
    if kind != event.kind.value:
        is_reread = bool(event.text) and kind in _READINGS and event.kind not in CONSEQUENCES
        return None if is_reread else f"{event.event_id} {event.kind.value}"
    if event.provider != ONE_CLICK or not _is_allowed_since_click(connection, event, person_id, address_hash):
        return None
    return f"{event.event_id} {event.occurred_at:%Y-%m-%dT%H:%M:%S}"


def _is_allowed_since_click(
    connection: sa.Connection, event: FeedbackEvent, person_id: str | None, address_hash: str | None
) -> bool:
    """Whether somebody allowed something after the newest click on the link of this touch, which may lift it."""
    known, word = tables.provider_events, tables.permission_events
    last = connection.execute(
        sa.select(sa.func.max(known.c.received_at)).where(
            known.c.provider == ONE_CLICK, known.c.touch_id == event.touch_id
        )
    ).scalar()
    named = {"person_id": person_id, "address_hash": address_hash}
    whose = [word.c[name] == value for name, value in named.items() if value is not None]
    allowed = sa.select(word.c.event_id).where(
        sa.or_(*whose), word.c.stance == Stance.ALLOWED.value, word.c.recorded_at >= last
    )
    return bool(whose) and connection.execute(allowed.limit(1)).first() is not None
