"""What every sink is: touches in, one receipt per touch out. A sink knows nothing of selection or permission."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

from contracts.errors import PermanentError
from contracts.words import Channel

# Control characters and every kind of line break.
_BREAK: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")


class ReceiptStatus(StrEnum):
    """What the far end said about one touch.

    `SENT`: it took the touch. `REFUSED`: it did not and never will; a retry changes nothing. `PASSING`: it certainly
    did not, and a later try may succeed. `UNKNOWN`: it may have; never sent again by itself.
    """

    SENT = "sent"
    REFUSED = "refused"
    PASSING = "passing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Who writes: the name that is shown and the address (or number) it comes from."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class OutgoingTouch:
    """One rendered message for one person, ready to leave. What is personal is not in its `repr`.

    Attributes:
        touch_id: of the ledger; letters, digits and `-_.` only, because it stands in headers and file names.
        idempotency_key: the same for every attempt of this touch; passed on where the far end has such a key.
        person_id: whom it is for.
        channel: how.
        address: mailbox, E.164 number or record key, as the channel has it.
        sender: who writes.
        subject: one line; empty where the channel has none.
        text: plain text.
        html: the same words as HTML; empty where there are none.
        unsubscribe_url: one-click HTTPS address of this touch (RFC 8058); empty where the channel has none.
        date: the worker's clock at this attempt, naive UTC; becomes the Date header.
        expires_at: from then on it must not be delivered, naive UTC; passed on where the far end has a validity.
        headers: further header fields, in order.
        sender_id: to whom permission and batch belong.
        reply_to: address that answers go to; empty for the sender's own.
    """

    touch_id: str
    idempotency_key: str
    person_id: str
    channel: Channel
    address: str = field(repr=False)
    sender: Mailbox
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    unsubscribe_url: str = field(repr=False)
    date: datetime
    expires_at: datetime
    headers: tuple[tuple[str, str], ...] = ()
    sender_id: str = "main"
    reply_to: str = ""


def is_well_formed(touch: OutgoingTouch) -> bool:
    """Whether a touch can stand in headers, commands and file names of any sink; the others are refused unsent."""
    lines = (touch.address, touch.subject, touch.sender.name, touch.sender.address, touch.reply_to)
    return (
        _IDENTIFIER.fullmatch(touch.touch_id) is not None
        and _IDENTIFIER.fullmatch(touch.idempotency_key) is not None
        and bool(touch.address or touch.channel is Channel.CRM_TASK)
        and not any(
            ord(sign) < 32 or 127 <= ord(sign) < 160 or sign in "\u2028\u2029" for text in lines for sign in text
        )
    )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one touch.

    Attributes:
        touch_id: whose.
        status: see `ReceiptStatus`.
        provider_id: the far end's identifier, for events that arrive later; empty if none.
        code: short machine word or number of the answer (`250`, `550 5.1.1`, `timeout`); never an address or text.
        retry_after_seconds: how long the far end asked to wait; None if it did not say.
        is_hard_bounce: the refusal means that the address does not exist (RFC 3463, 5.1.x).
    """

    touch_id: str
    status: ReceiptStatus
    provider_id: str = ""
    code: str = ""
    retry_after_seconds: float | None = None
    is_hard_bounce: bool = False


class SinkUnusableError(PermanentError):
    """The sink as a whole cannot send: wrong credentials, no certificate, unknown host name in its settings.

    Raised by `send` only when nothing of that call has reached the far end. The touches are as if never begun; the
    worker gives them back and stops this sink until somebody mends its settings.
    """


@runtime_checkable
class Sink(Protocol):
    """Takes touches out of the house.

    `send` may be called from one thread at a time. It may be given the same touch again, after `PASSING`.
    """

    @property
    def name(self) -> str:
        """Short name, as in the settings and in the ledger."""
        ...

    @property
    def has_idempotency_key(self) -> bool:
        """The far end drops a second touch with the same key, so that `UNKNOWN` may be sent again safely."""
        ...

    def send(self, touches: Sequence[OutgoingTouch]) -> Sequence[Receipt]:
        """Hand the touches over; one receipt per touch, in the same order.

        A poison touch never keeps the others back. Nothing that a touch holds and nothing that the far end answers
        raises: it becomes a receipt.

        Raises:
            SinkUnusableError: nothing of this call has left, and nothing will until settings change.
        """
        ...

    def look_up(self, touch_ids: Sequence[str]) -> Mapping[str, ReceiptStatus] | None:
        """Ask the far end what became of touches; None when it cannot be asked.

        A touch that is absent from the answer, or `UNKNOWN` in it, stays unknown; `PASSING` means certainly not sent.
        """
        ...

    def close(self) -> None:
        """Let go of connections; a second call does nothing. A closed sink answers `PASSING` with code `closed`."""
        ...
