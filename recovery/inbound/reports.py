"""Delivery status notifications (RFC 3464) and feedback reports of mailbox providers (RFC 5965)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Final

from flufl.bounce import all_failures

from recovery.inbound.events import EventKind

_STATUS: Final = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_ADDRESS: Final = re.compile(r"[^\s<>;,\"]{1,128}@[^\s<>;,\"]{1,255}")
_SERVER: Final = re.compile(r"mailer-daemon|postmaster|mail delivery|mdaemon|mailsystem|bounce")
# The mailbox or its domain does not exist (RFC 3463, 3.2 and 3.5); "0.0" says no more than "failed".
_GONE: Final = frozenset({("1", None), ("2", "1"), ("4", "4"), ("0", "0")})
_ACTIONS: Final = {"delivered": EventKind.DELIVERED, "delayed": EventKind.SOFT_BOUNCE, "failed": EventKind.SOFT_BOUNCE}


@dataclass(frozen=True, slots=True)
class Report:
    """What one report says about one recipient."""

    kind: EventKind
    address: str | None = field(default=None, repr=False)
    status: str = ""


def reports_of(message: Message) -> tuple[Report, ...]:
    """Reports in a message; none when it is no bounce and no complaint."""
    kind = _report_type(message)
    if kind == "feedback-report":
        return (_complaint(message),)
    if kind == "delivery-status":
        found = tuple(_delivery(message))
        if found:
            return found
    return tuple(_irregular(message)) if _is_from_a_server(message) else ()


def is_report(message: Message) -> bool:
    """Whether a message says of itself that a machine reports (RFC 6522)."""
    return _report_type(message) in ("feedback-report", "delivery-status", "disposition-notification")


def _report_type(message: Message) -> str:
    if message.get_content_type() != "multipart/report":
        return ""
    value = message.get_param("report-type", "")
    return str(value).lower() if isinstance(value, str) else ""


def _is_from_a_server(message: Message) -> bool:
    sender = str(message.get("From") or "").lower()
    return str(message.get("Return-Path") or "").strip() == "<>" or _SERVER.search(sender) is not None


def _delivery(message: Message) -> Iterator[Report]:
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        blocks = part.get_payload()
        for block in blocks if isinstance(blocks, list) else ():
            if not isinstance(block, Message) or block.get("Action") is None:
                continue
            address = _address_of(block.get("Original-Recipient")) or _address_of(block.get("Final-Recipient"))
            yield _judged(str(block.get("Action")).strip().lower(), str(block.get("Status", "")), address)


def _judged(action: str, status: str, address: str | None) -> Report:
    found = _STATUS.search(status)
    code = found[0] if found else ""
    kind = _ACTIONS.get(action.split(" ")[0], EventKind.SOFT_BOUNCE)
    if kind is EventKind.SOFT_BOUNCE and action.startswith("failed") and (found is None or _is_gone(found)):
        kind = EventKind.HARD_BOUNCE if found is not None else EventKind.SOFT_BOUNCE
    return Report(kind, address, code)


def _is_gone(found: re.Match[str]) -> bool:
    is_permanent, subject, detail = found[1] == "5", found[2], found[3]
    return is_permanent and ((subject, None) in _GONE or (subject, detail) in _GONE)


def _complaint(message: Message) -> Report:
    for part in message.walk():
        if part.get_content_type() == "message/feedback-report":
            blocks = part.get_payload()
            text = blocks if isinstance(blocks, str) else "".join(str(block) for block in blocks)
            found = re.search(r"(?im)^Original-Rcpt-To:(.*)$", text)
            return Report(EventKind.COMPLAINT, _address_of(found[1]) if found else None, "abuse")
    return Report(EventKind.COMPLAINT, None, "abuse")


def _irregular(message: Message) -> Iterator[Report]:
    """Bounces of servers that follow no standard, by the patterns of flufl.bounce."""
    try:
        passing, permanent = all_failures(message)
    except (LookupError, ValueError, TypeError, AttributeError):  # patterns meet messages that nobody foresaw
        return
    for address in sorted(permanent):
        yield Report(EventKind.HARD_BOUNCE, address.decode("ascii", "replace"), "")
    for address in sorted(passing - permanent):
        yield Report(EventKind.SOFT_BOUNCE, address.decode("ascii", "replace"), "")


def _address_of(value: object) -> str | None:
    """Mailbox of a field such as `rfc822; ann@x.example`."""
    found = _ADDRESS.search(str(value or "").rpartition(";")[2])
    return found[0] if found else None
