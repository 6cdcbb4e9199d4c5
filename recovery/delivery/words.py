"""What delivery speaks of: states of a touch, reasons, verdicts and claimed touches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from contracts.words import Channel


class TouchState(StrEnum):
    """How far a touch came; see docs/delivery.md for the moves that are allowed."""

    PLANNED = "planned"
    APPROVED = "approved"
    CLAIMED = "claimed"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


FINAL: Final = (TouchState.SENT, TouchState.FAILED, TouchState.SKIPPED, TouchState.UNKNOWN)
OPEN: Final = (TouchState.PLANNED, TouchState.APPROVED, TouchState.CLAIMED)


class Reason(StrEnum):
    """Why delivery settled a touch as it did. A refusal at the re-check keeps its own reason code."""

    HELD_OUT = "held_out"
    EXPIRED = "expired"
    BATCH_REJECTED = "batch_rejected"
    REFUSED = "refused"  # the far end never takes it
    HARD_BOUNCE = "hard_bounce"
    RETRIES_EXHAUSTED = "retries_exhausted"
    EXPIRED_WHILE_RETRYING = "expired_while_retrying"
    RENDER_FAILED = "render_failed"
    CONTENT_ERASED = "content_erased"
    CONTENT_CHANGED = "content_changed"
    IN_FLIGHT = "in_flight"  # the worker died or lost its lease between claim and mark
    NO_CLEAR_ANSWER = "no_clear_answer"
    FOUND_NOT_SENT = "found_not_sent"  # by reconciliation


# Failed touches that certainly never reached the far end: shown, counted, and sent again only when somebody says so.
DEAD_LETTERS: Final = (
    Reason.RETRIES_EXHAUSTED,
    Reason.EXPIRED_WHILE_RETRYING,
    Reason.RENDER_FAILED,
    Reason.CONTENT_CHANGED,
    Reason.FOUND_NOT_SENT,
    Reason.REFUSED,
)


class Answer(StrEnum):
    """What the re-check says."""

    ALLOWED = "allowed"
    DEFERRED = "deferred"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """May this touch leave now?

    Attributes:
        answer: yes, later, or no.
        until: when to ask again, naive UTC; only where deferred.
        reason: code that is counted; only where not allowed.
    """

    answer: Answer
    until: datetime | None = None
    reason: str = ""


ALLOWED: Final = Verdict(Answer.ALLOWED)


def deferred(until: datetime, reason: str) -> Verdict:
    """Not before `until`."""
    return Verdict(Answer.DEFERRED, until, reason)


def refused(reason: str) -> Verdict:
    """Never."""
    return Verdict(Answer.REFUSED, None, reason)


@dataclass(frozen=True, slots=True)
class ClaimedTouch:
    """A touch that a worker holds, with its words; nothing personal is in its `repr`.

    Attributes:
        touch_id, batch_id, person_id, account_id, sender_id: identifiers of the ledger.
        channel, playbook, step, cycle: what it is.
        address_hash: keyed hash of the address; None for a task.
        content_sha256: hash of the words that were approved.
        idempotency_key: the same for every attempt.
        not_before, expires_at: its window, naive UTC.
        attempts: tries that were made.
        retry_budget: tries that may be made.
        address, subject, text, html, extra: from the erasable table; None where it was erased.
    """

    touch_id: str
    batch_id: str
    person_id: str
    account_id: str | None
    sender_id: str
    channel: Channel
    playbook: str
    step: int
    cycle: int
    address_hash: str | None
    content_sha256: str
    idempotency_key: str
    not_before: datetime
    expires_at: datetime
    attempts: int
    retry_budget: int
    address: str | None = field(default=None, repr=False)
    subject: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    extra: str = field(default="{}", repr=False)


# Decides many touches at a moment (naive UTC); a touch that is absent from the answer does not leave.
Recheck = Callable[[Sequence[ClaimedTouch], datetime], Mapping[str, Verdict]]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of one claimed touch.

    Attributes:
        touch_id: whose.
        state: next state; `approved` gives it back.
        reason: why; empty where sent.
        not_before: when it may be claimed again; None keeps the window.
        attempt: outcome of a try (`ReceiptStatus` or `render_failed`); empty when none was made.
        code: of the far end.
        provider_id: of the far end.
        suppresses: the address is blocked from now on (a hard bounce).
    """

    touch_id: str
    state: TouchState
    reason: str = ""
    not_before: datetime | None = None
    attempt: str = ""
    code: str = ""
    provider_id: str = ""
    suppresses: bool = False
