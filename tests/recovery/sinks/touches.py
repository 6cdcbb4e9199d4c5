"""Touches for the tests of sinks, each with a canary that belongs to one person alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.words import Channel
from recovery.sinks import Mailbox, OutgoingTouch

NOW = datetime(2026, 6, 1, 13, 30)


def canary(number: int) -> str:
    return f"canary-{number:05d}-x"


def make_touch(number: int, **changes: Any) -> OutgoingTouch:
    link = f"https://acme.example/u/token-{number:05d}"
    touch = OutgoingTouch(
        touch_id=f"touch-{number:05d}",
        idempotency_key=f"key-{number:05d}",
        person_id=f"person-{number}",
        channel=Channel.EMAIL,
        address=f"lead{number}@x.example",
        sender=Mailbox("Ärzte & Co", "hello@acme.example"),
        subject=f"Hello {canary(number)}",
        text=f"Hello {canary(number)},\n\n.a line with a dot\n.\nUnsubscribe: {link}\n",
        html=f"<p>Hello {canary(number)}</p><a href='{link}'>Unsubscribe</a>",
        unsubscribe_url=link,
        date=NOW,
        expires_at=datetime(2026, 6, 1, 21),
    )
    return replace(touch, **changes)
