"""Reads a few messages of a batch as their recipients will. Addresses are shortened and links become words."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr
from pathlib import Path
from typing import Final

from pipelines.feedback.report.facts import Message
from pipelines.feedback.report.words import clean, clean_lines

# A personal unsubscribe link must not work from a report: whoever tries it would opt the lead out.
_LINK: Final = re.compile(r"https?://[^\s<>\"')\]]+", re.IGNORECASE)
_UNSUBSCRIBE_WORDS: Final = "[personal unsubscribe link]"
_CSV_FIELD_LIMIT: Final = 1 << 20


def read_messages(folder: Path, order: Sequence[tuple[str, str]], *, limit: int) -> tuple[Message, ...]:
    """The first `limit` messages of a batch, one of each channel before a second of any.

    Args:
        folder: the batch's folder in the outbox.
        order: (touch id, channel) in the order of rank.
        limit: most messages to return.
    """
    picked = _spread(order, limit)
    written = [
        (touch_id, channel, _read_eml(folder / "eml" / f"{touch_id}.eml") if channel == "email" else None)
        for touch_id, channel in picked
    ]
    wanted = {touch_id for touch_id, _, message in written if message is None}
    rows = _read_rows(folder, {channel for _, channel in picked}, wanted)
    found = [message or rows.get(touch_id) for touch_id, _, message in written]
    return tuple(message for message in found if message is not None)


def _spread(order: Sequence[tuple[str, str]], limit: int) -> list[tuple[str, str]]:
    first: dict[str, tuple[str, str]] = {}
    for touch_id, channel in order:
        first.setdefault(channel, (touch_id, channel))
    chosen = list(first.values())[:limit]
    rest = [pair for pair in order if pair not in chosen]
    kept = {*chosen, *rest[: max(0, limit - len(chosen))]}
    return [pair for pair in order if pair in kept][:limit]


def _read_eml(path: Path) -> Message | None:
    if not path.exists():
        return None
    parsed = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    body = parsed.get_body(preferencelist=("plain", "html")) if isinstance(parsed, EmailMessage) else None
    text = str(body.get_content()) if body is not None else ""
    unsubscribe = str(parsed.get("List-Unsubscribe", ""))
    return Message(
        channel="email",
        recipient=shorten_address(str(parsed.get("To", ""))),
        sender=clean(parsed.get("From", ""), 160),
        subject=clean(parsed.get("Subject", ""), 200),
        body=_without_links(clean_lines(text), unsubscribe),
        has_unsubscribe=bool(unsubscribe),
    )


def _read_rows(folder: Path, channels: set[str], wanted: set[str]) -> dict[str, Message]:
    found: dict[str, Message] = {}
    csv.field_size_limit(_CSV_FIELD_LIMIT)
    for channel in sorted(channels):
        path = folder / f"{channel}.csv"
        if not wanted or not path.exists():
            continue
        with path.open(newline="", encoding="utf-8-sig") as handle:
            for row in csv.DictReader(handle):
                touch_id = row.get("touch_id") or ""
                if touch_id in wanted:
                    found[touch_id] = _from_row(channel, row)
                    wanted = wanted - {touch_id}
                if not wanted:
                    break
    return found


def _from_row(channel: str, row: dict[str, str]) -> Message:
    return Message(
        channel=channel,
        recipient=shorten_address(row.get("to_address") or ""),
        sender="",
        subject=clean((row.get("subject") or "").lstrip("'"), 200),
        body=_without_links(clean_lines((row.get("body") or "").lstrip("'")), ""),
        has_unsubscribe=channel == "email",
    )


def _without_links(text: str, unsubscribe: str) -> str:
    own = {link.rstrip(".,;>") for link in _LINK.findall(unsubscribe)}

    def word(match: re.Match[str]) -> str:
        link = match.group().rstrip(".,;>")
        if link in own or "unsubscribe" in link.lower():
            return _UNSUBSCRIBE_WORDS
        return f"[link to {link.split('/')[2]}]"

    return _LINK.sub(word, text)


def shorten_address(address: str) -> str:
    """`Ada Example <ada@acme.example>` becomes `Ada Example · a…@acme.example`; numbers keep their last two digits."""
    name, bare = parseaddr(address) if "@" in address else ("", address)
    if "@" in bare:
        local, _, domain = bare.rpartition("@")
        short = f"{local[:1]}…@{domain}"
    else:
        digits = re.sub(r"\D", "", bare)
        short = f"…{digits[-2:]}" if digits else ""
    return clean(f"{name} · {short}" if name and name != bare else short, 120)
