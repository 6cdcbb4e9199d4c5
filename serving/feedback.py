"""What the feedback routes work on: ledger, keys, clock. Made by the shell, passed to the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram

from recovery.tokens import TokenKey


class Figures:
    """Counters of the routes; they carry outcomes, never ids or addresses."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "recovery_feedback_requests", "Requests by route and outcome.", ["route", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.events = Counter(
            "recovery_feedback_events", "Events by kind and what became of them.", ["kind", "landing"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "recovery_feedback_seconds", "Time until the ledger held it.", ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5), registry=self.registry,
        )  # fmt: skip


@dataclass(frozen=True)
class Feedback:
    """The ground of the feedback routes.

    Attributes:
        engine: of the ledger, at its newest revision.
        ring: keys of unsubscribe links, the current one first.
        sender_ids: lists whose links count.
        sender_name: shown on the unsubscribe page.
        webhook_secrets: secrets by provider; several at a time while they are rotated.
        hash_address: keyed hash of an address.
        clock: naive UTC.
        figures: counters.
    """

    engine: sa.Engine = field(repr=False)
    ring: Sequence[TokenKey] = field(repr=False)
    sender_ids: Sequence[str]
    sender_name: str
    webhook_secrets: Mapping[str, Sequence[str]] = field(repr=False)
    hash_address: Callable[[str], str] = field(repr=False)
    clock: Callable[[], datetime] = field(repr=False)
    figures: Figures = field(default_factory=Figures, repr=False)
