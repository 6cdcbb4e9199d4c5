"""A worker: claims a group, handles it, marks it, and knows when to wait, stop and give up."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from contracts.errors import PassingError
from contracts.words import Channel
from recovery.delivery.addressed import attribute
from recovery.delivery.canary import Canary
from recovery.delivery.claim import GROUP, NO_CANARY, Claim, claim_group, claim_unknown
from recovery.delivery.control import stop_batch
from recovery.delivery.figures import DEFAULT_LIMITS, Limits, judge, read_figures
from recovery.delivery.handle import Hands, SlicePace, handle
from recovery.delivery.mark import give_back, mark_group
from recovery.delivery.rates import RateLimit
from recovery.delivery.words import Settlement, TouchState
from recovery.ledger.engine import reading
from recovery.sinks.protocol import ReceiptStatus

_log = logging.getLogger(__name__)
_MARK_TRIES: Final = 6
_SULK: Final = (timedelta(seconds=1), timedelta(seconds=60))


@dataclass(frozen=True, slots=True)
class Terms:
    """How a sink is worked.

    Attributes:
        lease: how long a group may stay in hand before others take its worker for dead.
        group: touches per claim, at most 50.
        rates: limits of the sink.
        canary: how a batch begins.
        limits: figures at which a batch stops.
        look_seconds: how long figures that were good are believed.
    """

    lease: timedelta = timedelta(minutes=5)
    group: int = GROUP
    rates: tuple[RateLimit, ...] = ()
    canary: Canary = NO_CANARY
    limits: Limits = DEFAULT_LIMITS
    look_seconds: float = 0.25


DEFAULT_TERMS: Final = Terms()


class Outcome(StrEnum):
    """What one step of a worker came to."""

    WORKED = "worked"
    NOTHING_DUE = "nothing_due"
    WAITS = "waits"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: outcome, settlements, and when to ask again (naive UTC)."""

    outcome: Outcome
    settlements: tuple[Settlement, ...] = ()
    ask_again: datetime | None = None


class Worker:
    """One pair of hands on one sink; use it from one thread.

    Args:
        engine: of the ledger.
        hands: sink, re-check, sender, clock.
        terms: lease, limits.
        name: stands in attempts and audit.
        sleep: waits between tries to mark; seconds.
    """

    def __init__(
        self,
        engine: sa.Engine,
        hands: Hands,
        terms: Terms,
        *,
        name: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine, self._hands, self._terms, self._name, self._sleep = engine, hands, terms, name, sleep
        self._pace = SlicePace()
        self._lost_claim: str | None = None
        self._sulk = _SULK[0]
        self._looked: dict[str, float] = {}

    def step(self, batch_id: str, *, sender_id: str, channels: Sequence[Channel]) -> Step:
        """Claim one group of a batch, handle and mark it.

        Raises:
            SinkUnusableError: the sink cannot send until its settings change; nothing was lost.
            PassingError: the ledger does not answer.
        """
        now = self._hands.clock()
        if not self._may_go_on(batch_id, sender_id, channels, now):
            return Step(Outcome.STOPPED)
        claim = self._claim(batch_id, now)
        if not claim.touches:
            if claim.retry_at is not None or claim.is_canary_full:
                return Step(Outcome.WAITS, ask_again=claim.retry_at)
            return Step(Outcome.NOTHING_DUE)
        return self.work(claim)

    def ask_again(
        self, batch_id: str, touch_ids: Sequence[str], *, sender_id: str, channels: Sequence[Channel]
    ) -> Step:
        """Hand unknown touches of one batch once more to a far end that drops what it has; brakes as in `step`.

        Raises:
            SinkUnusableError, PassingError: see `step`.
        """
        now = self._hands.clock()
        if not self._may_go_on(batch_id, sender_id, channels, now):
            return Step(Outcome.STOPPED)
        claim = claim_unknown(
            self._engine,
            sink=self._hands.sink.name,
            batch_id=batch_id,
            touch_ids=touch_ids,
            now=now,
            lease=self._terms.lease,
            limits=self._terms.rates,
        )
        if not claim.touches:
            return Step(Outcome.NOTHING_DUE if claim.retry_at is None else Outcome.WAITS, ask_again=claim.retry_at)
        return self.work(claim)

    def work(self, claim: Claim) -> Step:
        """Handle and mark a group that is already claimed.

        Raises:
            SinkUnusableError, PassingError: see `step`.
        """
        handled = handle(claim, self._hands, self._pace)
        late = self._mark(claim, handled.settlements)
        if late:
            _log.warning("%d receipts came for touches that were settled otherwise meanwhile", late)
        if handled.error is not None:
            raise handled.error
        tried = [s for s in handled.settlements if s.attempt]
        if any(s.attempt != ReceiptStatus.SENT.value for s in tried):
            self._looked.clear()
        if tried and all(s.attempt == ReceiptStatus.PASSING.value for s in tried):
            wait, self._sulk = self._sulk, min(2 * self._sulk, _SULK[1])
            return Step(Outcome.WAITS, handled.settlements, self._hands.clock() + wait)
        self._sulk = _SULK[0]
        if any(s.state is TouchState.APPROVED and s.reason == "given_back" for s in handled.settlements):
            return Step(Outcome.STOPPED, handled.settlements)
        return Step(Outcome.WORKED, handled.settlements)

    def _may_go_on(self, batch_id: str, sender_id: str, channels: Sequence[Channel], now: datetime) -> bool:
        """Nobody asks to stop, and the batch's figures were good a moment ago."""
        if self._hands.must_stop():
            return False
        if time.monotonic() >= self._looked.get(batch_id, 0.0) + self._terms.look_seconds:
            if self._breaks(batch_id, sender_id, channels, now):
                return False
            self._looked[batch_id] = time.monotonic()
        return True

    def _breaks(self, batch_id: str, sender_id: str, channels: Sequence[Channel], now: datetime) -> bool:
        attribute(self._engine, now=now)
        with reading(self._engine) as connection:
            found = [
                (
                    channel,
                    read_figures(connection, batch_id=batch_id, sender_id=sender_id, channel=channel, now=now),
                )
                for channel in channels
            ]
        for channel, figures in found:
            why = judge(figures, channel, self._terms.limits)
            if why is not None:
                stop_batch(self._engine, batch_id, reason=why, now=now)
                return True
        return False

    def _claim(self, batch_id: str, now: datetime) -> Claim:
        if self._lost_claim is not None:
            give_back(self._engine, self._lost_claim)
        self._lost_claim = claim_id = uuid.uuid4().hex
        claim = claim_group(
            self._engine,
            sink=self._hands.sink.name,
            batch_id=batch_id,
            now=now,
            lease=self._terms.lease,
            size=self._terms.group,
            limits=self._terms.rates,
            canary=self._terms.canary,
            claim_id=claim_id,
        )
        self._lost_claim = None
        return claim

    def _mark(self, claim: Claim, settlements: Sequence[Settlement]) -> int:
        """Mark, patiently: what is not marked becomes unknown."""
        for attempt in range(_MARK_TRIES):
            try:
                return mark_group(self._engine, claim, settlements, worker=self._name, now=self._hands.clock())
            except PassingError:
                if attempt == _MARK_TRIES - 1:
                    raise
                self._sleep(0.1 * 4**attempt)
        return 0
