"""A raw message that came in, to the events that it tells of. Never raises for what somebody sent."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

from contracts.words import Channel
from recovery.inbound.events import ASKS_FOR_ERASURE, EventKind, FeedbackEvent
from recovery.inbound.replies import asks_for_erasure, read_reply, resume_on
from recovery.inbound.reports import is_report, reports_of

_PROVIDER: Final = "mail"
_OURS: Final = re.compile(r"<([A-Za-z0-9_.-]{1,128})@[^<>\s]{1,255}>")
_UNSHOWN: Final = "style|script|head|title|blockquote"
_TAG: Final = re.compile(rf"(?is)<(?:{_UNSHOWN})\b.*?</(?:{_UNSHOWN})>|<[^>]{{0,2000}}>")
_BREAK: Final = re.compile(r"(?i)<(?:br|/p|/div|/tr|/li|/h\d)\b[^>]{0,200}>")
_LONGEST_TEXT: Final = 20_000
_FIELDS: Final = ("auto-submitted", "precedence", "return-path", "x-autoreply", "x-autorespond", "x-autoresponder",
                  "x-auto-reply-from", "x-mail-autoreply")  # fmt: skip
_OLDEST: Final = timedelta(days=3650)


def events_of(raw: bytes, *, now: datetime) -> list[FeedbackEvent]:
    """Events of one message: bounces and complaints first, then what the reply means.

    Args:
        raw: an Internet message, well-formed or not.
        now: naive UTC; stands in for a date that is missing or in the future.
    """
    message = message_from_bytes(raw)
    name = _identifier(message, raw)
    at = _date(message, now)
    touch = next(_touches(message), None)
    reports = reports_of(message)
    if reports:
        return [
            FeedbackEvent(
                provider=_PROVIDER,
                event_id=f"{name}#{number}",
                kind=report.kind,
                occurred_at=at,
                touch_id=touch if len(reports) == 1 else None,
                address=report.address,
                channel=Channel.EMAIL,
                detail=report.status,
            )
            for number, report in enumerate(reports)
        ]
    sender = _sender(message)
    if is_report(message) or (touch is None and sender is None):
        return []
    return [_reply(message, name, at, touch, sender, now)]


def _reply(
    message: Message, name: str, at: datetime, touch: str | None, sender: str | None, now: datetime
) -> FeedbackEvent:
    text = text_of(message)
    subject = _decoded(message.get("Subject"))
    headers = headers_of(message)
    kind = read_reply(text, subject=subject, headers=headers)
    return FeedbackEvent(
        provider=_PROVIDER,
        event_id=name,
        kind=kind,
        occurred_at=at,
        touch_id=touch,
        address=sender,
        channel=Channel.EMAIL,
        detail=ASKS_FOR_ERASURE if kind is not EventKind.AUTO_REPLY and asks_for_erasure(text, subject=subject) else "",
        text=text,
        resume_on=resume_on(text, now=now) if kind is EventKind.NOT_NOW else None,
    )


def headers_of(message: Message) -> Mapping[str, str]:
    """The fields by which a machine makes itself known, names in lower case."""
    return {name: _decoded(message.get(name)) for name in _FIELDS if message.get(name) is not None}


def text_of(message: Message) -> str:
    """Words of a message: its plain part, else its HTML without marks and quotations."""
    pages = []
    for part in message.walk():
        if part.is_multipart() or part.get_filename() is not None:
            continue
        if part.get_content_type() == "text/plain":
            return _payload(part)[:_LONGEST_TEXT]
        if part.get_content_type() == "text/html":
            pages.append(_payload(part)[: 10 * _LONGEST_TEXT])
    return html.unescape(_TAG.sub(" ", _BREAK.sub("\n", pages[0])))[:_LONGEST_TEXT] if pages else ""


def _payload(part: Message) -> str:
    try:
        data = part.get_payload(decode=True)
    except (ValueError, LookupError):
        return ""
    if not isinstance(data, bytes):
        return ""
    try:
        return data.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def _touches(message: Message) -> Iterator[str]:
    """Our touches that the message answers to, the nearest first; a report carries the original's header."""
    for value in (message.get("In-Reply-To"), *reversed(str(message.get("References") or "").split())):
        yield from _OURS.findall(str(value or ""))
    for part in message.walk():
        if part.get_content_type() == "text/rfc822-headers":
            found = re.search(r"(?im)^Message-ID:\s*(<[^<>\s]{1,400}>)", _payload(part))
            yield from _OURS.findall(found[1] if found else "")
        elif part.get_content_type() == "message/rfc822":
            inner = part.get_payload()
            if isinstance(inner, list) and inner and isinstance(inner[0], Message):
                yield from _OURS.findall(str(inner[0].get("Message-ID") or ""))


def _sender(message: Message) -> str | None:
    found = getaddresses([str(message.get("From") or "")])
    address = found[0][1] if found else ""
    return address if re.fullmatch(r"[^\s@<>]{1,64}@[^\s@<>]{1,255}", address) else None


def _identifier(message: Message, raw: bytes) -> str:
    """The message's own identifier where it is plain, else a hash of its bytes: read twice, it counts once."""
    own = str(message.get("Message-ID") or "").strip()
    if re.fullmatch(r"<[\x21-\x3b\x3d\x3f-\x7e]{3,180}>", own):
        return own[1:-1]
    return hashlib.sha256(raw).hexdigest()


def _date(message: Message, now: datetime) -> datetime:
    try:
        at = parsedate_to_datetime(str(message.get("Date") or ""))
        found = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)
    except (TypeError, ValueError, IndexError, OverflowError):
        return now
    return found if now - _OLDEST < found <= now else now


def _decoded(value: object) -> str:
    try:
        parts = decode_header(str(value or ""))
        return "".join(
            part.decode(charset or "ascii", "replace") if isinstance(part, bytes) else part for part, charset in parts
        )
    except (HeaderParseError, LookupError, ValueError):
        return str(value or "")
