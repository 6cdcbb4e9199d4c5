"""One group from claim to settlement: re-check, write out, hand over, read the receipts."""

from __future__ import annotations

import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from contracts.words import Channel
from recovery.delivery.claim import Claim, Doubt
from recovery.delivery.words import (
    ALLOWED,
    Answer,
    ClaimedTouch,
    Reason,
    Recheck,
    Settlement,
    TouchState,
    Verdict,
    deferred,
)
from recovery.drafting.render import content_hash
from recovery.failpoints import reach
from recovery.sinks.protocol import Mailbox, OutgoingTouch, Receipt, ReceiptStatus, Sink, SinkUnusableError

_log = logging.getLogger(__name__)
# A re-check is never older than this when its touch leaves: an opt-out beats a queued touch within a second.
_FRESH_SECONDS: Final = 0.5
_FIRST_SLICE: Final = 10
_UNDECIDED: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Backoff:
    """When a passing failure is tried again: `base` doubles per try up to `most`, times 0.5 to 1.5 at random."""

    base: timedelta = timedelta(seconds=30)
    most: timedelta = timedelta(hours=1)

    def after(self, attempts: int, draw: random.Random, asked: float | None) -> timedelta:
        """Wait after the n-th try; never shorter than the far end asked for."""
        wait: timedelta = min(self.base * (1 << min(attempts, 20)), self.most) * (0.5 + draw.random())
        return max(wait, timedelta(seconds=asked or 0.0))


DEFAULT_BACKOFF: Final = Backoff()


@dataclass(frozen=True, slots=True)
class Hands:
    """What a worker works with.

    Attributes:
        sink: where touches go.
        recheck: decides whether a touch may leave now.
        sender: who writes.
        clock: current time, naive UTC.
        must_stop: whether to give back what is not begun (pause, drain).
        draw: jitter.
        backoff: of retries.
    """

    sink: Sink
    recheck: Recheck
    sender: Mailbox
    clock: Callable[[], datetime]
    must_stop: Callable[[], bool]
    draw: random.Random
    backoff: Backoff = DEFAULT_BACKOFF


@dataclass(frozen=True, slots=True)
class Handled:
    """Settlements of a whole group, and the error that ends this sink's work, if any."""

    settlements: tuple[Settlement, ...]
    error: BaseException | None = None


class SlicePace:
    """How many touches fit between two re-checks, learned from the sink's speed."""

    def __init__(self) -> None:
        self._size = _FIRST_SLICE

    @property
    def size(self) -> int:
        """Touches of the next slice."""
        return self._size

    def learn(self, count: int, seconds: float) -> None:
        """Aim at slices of `_FRESH_SECONDS`, at most doubling."""
        fits = int(count * _FRESH_SECONDS / max(seconds, 1e-6))
        self._size = max(1, min(fits, 2 * self._size, 1_000))

    def fall_back(self) -> None:
        """One at a time, so that a touch that upsets the sink upsets no other."""
        self._size = 1


def handle(claim: Claim, hands: Hands, pace: SlicePace) -> Handled:
    """Take a group as far as it goes; every touch is settled exactly once.

    A touch that is not begun goes back to the outbox, or stays unknown where it was; one that was handed over without
    a clear answer is unknown.
    """
    handled = _handle(claim, hands, pace)
    if not claim.doubts:
        return handled
    return replace(handled, settlements=tuple(_still_unknown(s, claim.doubts) for s in handled.settlements))


def _still_unknown(settlement: Settlement, doubts: Mapping[str, Doubt]) -> Settlement:
    """A touch that may have arrived before is known by a clear answer of the far end alone."""
    if settlement.attempt in (ReceiptStatus.SENT.value, ReceiptStatus.REFUSED.value):
        return settlement
    reason = doubts[settlement.touch_id].reason
    return replace(settlement, state=TouchState.UNKNOWN, reason=reason, not_before=None)


def _handle(claim: Claim, hands: Hands, pace: SlicePace) -> Handled:
    settled: list[Settlement] = []
    rest = list(claim.touches)
    while rest:
        if hands.must_stop() or hands.clock() >= claim.lease_until:
            break
        part, rest = rest[: pace.size], rest[pace.size :]
        ready, done = _prepare(part, hands)
        settled += done
        if not ready:
            continue
        began = time.monotonic()
        try:
            receipts = _hand_over(hands.sink, ready)
        except SinkUnusableError as error:
            untouched = [touch for touch, _ in ready] + rest
            return Handled((*settled, *map(_returned, untouched)), error)
        except Exception as error:  # noqa: BLE001 - a sink that breaks its contract must not break the house
            _log.error("sink %s raised %s; its slice is unknown", hands.sink.name, type(error).__name__)
            pace.fall_back()
            settled += [_unknown(touch, "sink_error") for touch, _ in ready]
            continue
        except BaseException as error:  # noqa: BLE001 - asked to die while handing over
            settled += [_unknown(touch, "interrupted") for touch, _ in ready]
            return Handled((*settled, *map(_returned, rest)), error)
        pace.learn(len(ready), time.monotonic() - began)
        settled += _read(ready, receipts, hands)
    return Handled((*settled, *map(_returned, rest)))


def _prepare(
    part: Sequence[ClaimedTouch], hands: Hands
) -> tuple[list[tuple[ClaimedTouch, OutgoingTouch]], list[Settlement]]:
    now = hands.clock()
    verdicts = hands.recheck(part, now)
    ready, done = [], []
    for touch in part:
        verdict = _verdict(touch, verdicts, now)
        if verdict.answer is not Answer.ALLOWED:
            done.append(_not_now(touch, verdict))
            continue
        outgoing = write_out(touch, hands.sender, now=now)
        if isinstance(outgoing, Settlement):
            done.append(outgoing)
        else:
            ready.append((touch, outgoing))
    return ready, done


def _verdict(touch: ClaimedTouch, verdicts: Mapping[str, Verdict], now: datetime) -> Verdict:
    if touch.expires_at <= now:
        return Verdict(Answer.REFUSED, None, Reason.EXPIRED.value)
    if touch.not_before > now:  # the clock went back
        return deferred(touch.not_before, "too_early")
    return verdicts.get(touch.touch_id) or deferred(now + _UNDECIDED, "undecided")


def _not_now(touch: ClaimedTouch, verdict: Verdict) -> Settlement:
    if verdict.answer is Answer.DEFERRED and verdict.until is not None:
        if verdict.until < touch.expires_at:
            return Settlement(touch.touch_id, TouchState.APPROVED, verdict.reason, verdict.until)
        return Settlement(touch.touch_id, TouchState.SKIPPED, Reason.EXPIRED.value)
    return Settlement(touch.touch_id, TouchState.SKIPPED, verdict.reason)


def write_out(touch: ClaimedTouch, sender: Mailbox, *, now: datetime) -> OutgoingTouch | Settlement:
    """The message as approved, or why it cannot leave: words that were erased, changed, or belong to another touch."""
    if touch.address is None:
        return Settlement(touch.touch_id, TouchState.SKIPPED, Reason.CONTENT_ERASED.value)
    found = content_hash(touch.touch_id, touch.channel, touch.address, touch.subject, touch.text, touch.html)
    if found != touch.content_sha256:
        return Settlement(touch.touch_id, TouchState.FAILED, Reason.CONTENT_CHANGED.value)
    try:
        link = str(json.loads(touch.extra).get("unsubscribe_url", ""))
        # The hash covers the words, and the words name the link.
        if touch.channel is Channel.EMAIL and link not in (touch.text or "").split():
            return Settlement(touch.touch_id, TouchState.FAILED, Reason.CONTENT_CHANGED.value)
        return OutgoingTouch(
            touch_id=touch.touch_id,
            idempotency_key=touch.idempotency_key,
            person_id=touch.person_id,
            channel=touch.channel,
            address=touch.address,
            sender=sender,
            subject=touch.subject,
            text=touch.text,
            html=touch.html,
            unsubscribe_url=link,
            date=now,
            expires_at=touch.expires_at,
            sender_id=touch.sender_id,
        )
    except (ValueError, TypeError, AttributeError):
        return Settlement(touch.touch_id, TouchState.FAILED, Reason.RENDER_FAILED.value, attempt="render_failed")


def _hand_over(sink: Sink, ready: Sequence[tuple[ClaimedTouch, OutgoingTouch]]) -> Sequence[Receipt]:
    reach("send.before")
    receipts = sink.send([outgoing for _, outgoing in ready])
    reach("send.after")
    return receipts


def _read(
    ready: Sequence[tuple[ClaimedTouch, OutgoingTouch]], receipts: Sequence[Receipt], hands: Hands
) -> list[Settlement]:
    """A touch with no receipt, or with several, is unknown; receipts of others are not believed."""
    counted = Counter(receipt.touch_id for receipt in receipts)
    known = {receipt.touch_id: receipt for receipt in receipts}
    now = hands.clock()
    settled = []
    for touch, _ in ready:
        if counted[touch.touch_id] == 1:
            settled.append(_settled(touch, known[touch.touch_id], hands, now))
        else:
            settled.append(_unknown(touch, "no_receipt"))
    return settled


def _settled(touch: ClaimedTouch, receipt: Receipt, hands: Hands, now: datetime) -> Settlement:
    tried = Settlement(
        touch.touch_id,
        TouchState.SENT,
        attempt=receipt.status.value,
        code=receipt.code[:64],
        provider_id=receipt.provider_id[:256],
    )
    if receipt.status is ReceiptStatus.SENT:
        return tried
    if receipt.status is ReceiptStatus.REFUSED:
        reason = Reason.HARD_BOUNCE if receipt.is_hard_bounce else Reason.REFUSED
        return replace(tried, state=TouchState.FAILED, reason=reason.value, suppresses=receipt.is_hard_bounce)
    if receipt.status is ReceiptStatus.PASSING:
        return _again(touch, tried, receipt.retry_after_seconds, hands, now)
    return replace(tried, state=TouchState.UNKNOWN, reason=Reason.NO_CLEAR_ANSWER.value)


def _again(touch: ClaimedTouch, tried: Settlement, asked: float | None, hands: Hands, now: datetime) -> Settlement:
    if touch.attempts + 1 >= touch.retry_budget:
        return replace(tried, state=TouchState.FAILED, reason=Reason.RETRIES_EXHAUSTED.value)
    due = now + hands.backoff.after(touch.attempts, hands.draw, asked)
    if due >= touch.expires_at:
        return replace(tried, state=TouchState.FAILED, reason=Reason.EXPIRED_WHILE_RETRYING.value)
    return replace(tried, state=TouchState.APPROVED, reason="retry", not_before=due)


def _unknown(touch: ClaimedTouch, code: str) -> Settlement:
    return Settlement(
        touch.touch_id,
        TouchState.UNKNOWN,
        Reason.NO_CLEAR_ANSWER.value,
        attempt=ReceiptStatus.UNKNOWN.value,
        code=code,
    )


def _returned(touch: ClaimedTouch) -> Settlement:
    return Settlement(touch.touch_id, TouchState.APPROVED, "given_back")


def allow_all(touches: Sequence[ClaimedTouch], _now: datetime) -> Mapping[str, Verdict]:
    """A re-check that lets everything go; for benchmarks and tests only."""
    return {touch.touch_id: ALLOWED for touch in touches}
