"""The generic event webhook's body: JSON to events, with limits on size, number and depth."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any, Final, Literal

import orjson
import phonenumbers
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from contracts.words import Channel
from recovery.inbound.events import EventKind, FeedbackEvent

LARGEST_BYTES: Final = 1024 * 1024
_MOST_EVENTS: Final = 1_000
_DEEPEST: Final = 8
_MESSAGE_ID: Final = re.compile(r"<?([A-Za-z0-9_.-]{1,128})@[^<>\s]+>?")
_Type = Literal["delivered", "bounce", "complaint", "click", "open", "reply", "unsubscribe"]
_KINDS: Final[dict[str, EventKind]] = {
    "delivered": EventKind.DELIVERED,
    "complaint": EventKind.COMPLAINT,
    "click": EventKind.CLICK,
    "open": EventKind.OPEN,
    "unsubscribe": EventKind.OPT_OUT,
}

_SHORTEST, _FULL, _LONGEST = 8, 11, 15  # digits: E.164; without a sign only a full number is believed


class PayloadError(ValueError):
    """The body is no such message; `code` is what is told and counted."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class EventData(BaseModel):
    """One event as a provider or a small adapter of the operator's posts it."""

    model_config = ConfigDict(extra="ignore", frozen=True, str_max_length=20_000)

    id: str = Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
    type: _Type
    occurred_at: AwareDatetime
    touch_id: str | None = Field(None, max_length=128)
    message_id: str | None = Field(None, max_length=400)
    provider_id: str | None = Field(None, max_length=200)
    address: str | None = Field(None, max_length=400)
    channel: Literal["email", "sms", "call"] | None = None
    bounce: Literal["hard", "soft"] | None = None
    code: str = Field("", max_length=40, pattern=r"^[A-Za-z0-9 ._-]*$")
    text: str = ""
    user_agent: str = Field("", max_length=1_000)
    is_machine: bool = False


class _Batch(BaseModel):
    model_config = ConfigDict(extra="ignore")
    events: list[EventData] = Field(min_length=1, max_length=_MOST_EVENTS)


class _Single(BaseModel):
    model_config = ConfigDict(extra="ignore")
    data: EventData


def parse_payload(body: bytes, *, provider: str) -> tuple[FeedbackEvent, ...]:
    """Events of a body: `{"events": [...]}`, or `{"type", "timestamp", "data": {...}}` as Standard Webhooks has it.

    Raises:
        PayloadError: too large, no JSON, too deep, or not of that shape.
    """
    if len(body) > LARGEST_BYTES:
        raise PayloadError("too_large")
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PayloadError("not_json") from error
    if not isinstance(content, dict):
        raise PayloadError("not_an_object")
    if _is_too_deep(content):
        raise PayloadError("too_deep")
    try:
        found = _Batch.model_validate(content).events if "events" in content else [_Single.model_validate(content).data]
    except ValidationError as error:
        raise PayloadError("not_an_event") from error
    return tuple(_event(data, provider) for data in found)


def _is_too_deep(content: Any) -> bool:
    level = [content]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _event(data: EventData, provider: str) -> FeedbackEvent:
    kind = EventKind.REPLY if data.type == "reply" else _KINDS.get(data.type)
    if kind is None:  # a bounce whose class is not told is not taken for final
        kind = EventKind.HARD_BOUNCE if data.bounce == "hard" else EventKind.SOFT_BOUNCE
    ours = _MESSAGE_ID.fullmatch(data.message_id or "")
    return FeedbackEvent(
        provider=provider,
        event_id=data.id,
        kind=kind,
        occurred_at=data.occurred_at.astimezone(UTC).replace(tzinfo=None),
        touch_id=data.touch_id or (ours[1] if ours else None),
        provider_id=data.provider_id,
        address=_address(data.address),
        channel=_channel(data),
        detail=data.code,
        text=data.text,
        user_agent=data.user_agent,
        is_machine=data.is_machine,
    )


def _address(given: str | None) -> str | None:
    """A mailbox, or a number as `+digits`; None for a number without its country, which would stand for nobody."""
    if given is None or "@" in given:
        return given
    digits = "".join(character for character in given if character.isdecimal())
    is_marked = digits.startswith("00") or given.strip().removeprefix("tel:").startswith("+")
    digits = digits.removeprefix("00")
    if not _SHORTEST <= len(digits) <= _LONGEST or not (is_marked or _is_international(digits)):
        return None
    return f"+{digits}"


def _is_international(digits: str) -> bool:
    """Whether digits without a sign are a number that some country has given out, its code before it."""
    try:
        return len(digits) >= _FULL and phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False


def _channel(data: EventData) -> Channel | None:
    if data.channel is not None:
        return Channel(data.channel)
    return Channel.EMAIL if data.address and "@" in data.address else None
