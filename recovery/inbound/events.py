"""What providers, mail servers and people tell us about a touch, in one shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from contracts.words import Channel, SuppressionReason


class EventKind(StrEnum):
    """What happened. Values are what the ledger stores."""

    DELIVERED = "delivered"
    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCE = "soft_bounce"
    COMPLAINT = "complaint"
    OPEN = "open"
    CLICK = "click"
    REPLY = "reply"
    AUTO_REPLY = "auto_reply"
    OPT_OUT = "opt_out"
    OBJECTION = "objection"
    NOT_NOW = "not_now"
    WRONG_PERSON = "wrong_person"


ASKS_FOR_ERASURE: Final = "asks_for_erasure"  # detail of a reply

# What an event closes, and how far: an objection and a complaint speak to the sender as a whole (GDPR Art. 21).
CONSEQUENCES: Final[dict[EventKind, SuppressionReason]] = {
    EventKind.HARD_BOUNCE: SuppressionReason.HARD_BOUNCE,
    EventKind.COMPLAINT: SuppressionReason.COMPLAINT,
    EventKind.OPT_OUT: SuppressionReason.OPT_OUT,
    EventKind.OBJECTION: SuppressionReason.OBJECTION,
    EventKind.NOT_NOW: SuppressionReason.NOT_NOW,
    EventKind.WRONG_PERSON: SuppressionReason.DO_NOT_CONTACT,
}
EVERYWHERE: Final = frozenset({EventKind.COMPLAINT, EventKind.OBJECTION, EventKind.NOT_NOW})


@dataclass(frozen=True, slots=True)
class FeedbackEvent:
    """One event, before anybody looked up whom it concerns; what is personal is not in its `repr`.

    Attributes:
        provider: who tells; with `event_id` it makes the event unique.
        event_id: the provider's identifier, or one derived from the content.
        kind: see `EventKind`.
        occurred_at: naive UTC.
        touch_id: of the ledger, where the event names it.
        provider_id: the far end's identifier of the message, where the event names that instead.
        address: mailbox or number that it concerns, where the event names one.
        channel: of the address; needed only where no touch is known.
        detail: codes and classes, no personal data.
        text: words of a person; kept in the erasable table.
        resume_on: day that somebody named in "not now", naive UTC.
        user_agent: of a click or open; judged and dropped.
        is_machine: the provider says so.
    """

    provider: str
    event_id: str
    kind: EventKind
    occurred_at: datetime
    touch_id: str | None = None
    provider_id: str | None = None
    address: str | None = field(default=None, repr=False)
    channel: Channel | None = None
    detail: str = ""
    text: str = field(default="", repr=False)
    resume_on: datetime | None = None
    user_agent: str = field(default="", repr=False)
    is_machine: bool = False
