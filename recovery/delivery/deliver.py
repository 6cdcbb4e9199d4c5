"""One delivery run: check in, clear what dead workers held, work all sinks, close finished batches, count."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from contracts.errors import PassingError, PermanentError, RecoveryError
from contracts.words import Channel
from recovery.delivery.claim import next_due, reap
from recovery.delivery.control import finish_batch
from recovery.delivery.counts import BatchCounts, check_conservation
from recovery.delivery.generation import check_in
from recovery.delivery.handle import DEFAULT_BACKOFF, Backoff, Hands
from recovery.delivery.reconcile import reconcile
from recovery.delivery.words import Recheck, Settlement
from recovery.delivery.worker import DEFAULT_TERMS, Outcome, Terms, Worker
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading
from recovery.ledger.store import BatchState
from recovery.sinks.protocol import Mailbox, ReceiptStatus, Sink, SinkUnusableError

_log = logging.getLogger(__name__)
_TICK: Final = 0.2
_STEP_SECONDS: Final = 60.0
_NAP: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Route:
    """One sink as a run uses it: opened once per worker.

    Attributes:
        name: as in the ledger.
        open: makes a sink; its `name` must be this one.
        terms: lease, rates, canary, limits.
        workers: threads.
        far_end: where it leads, for people: host and port, or a folder.
    """

    name: str
    open: Callable[[], Sink]
    terms: Terms = DEFAULT_TERMS
    workers: int = 1
    far_end: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to do.

    Attributes:
        batch_id: this batch only; None takes all that may be sent.
        patience: how long to wait for touches that are not due yet; zero sends what is due and ends.
        adopt: see `generation.check_in`.
    """

    batch_id: str | None = None
    patience: timedelta = timedelta(0)
    adopt: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to: counts per batch, why a sink sent nothing (by its name), when the next touch is due."""

    counts: tuple[BatchCounts, ...]
    troubles: Mapping[str, RecoveryError]
    next_due: datetime | None


@dataclass
class Delivery:
    """Everything a run needs; the caller closes the engine.

    Attributes:
        engine: of the ledger, with at least one pooled connection per worker.
        routes: the sinks.
        recheck: made once per worker, so that it may hold what it has read.
        sender: who writes.
        control_dir: `var/control`.
        is_paused: the installation's brake.
        clock: current time, naive UTC.
        sleep: seconds.
        progress: told about every settlement, from many threads.
        backoff: of retries.
        seed: of the jitter; None draws one.
    """

    engine: sa.Engine
    routes: Sequence[Route]
    recheck: Callable[[], Recheck]
    sender: Mailbox
    control_dir: Path
    is_paused: Callable[[], bool]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    progress: Callable[[Sequence[Settlement]], None] = lambda _settlements: None
    backoff: Backoff = DEFAULT_BACKOFF
    seed: int | None = None
    _drain: threading.Event = field(default_factory=threading.Event)

    def drain(self) -> None:
        """End soon: groups in hand are finished or given back. Safe in a signal handler."""
        self._drain.set()

    def run(self, order: Order) -> Report:
        """Deliver what may be delivered.

        Raises:
            PermanentError: the ledger was restored or copied, or touches are missing.
            PassingError: the ledger does not answer.
        """
        check_in(self.engine, self.control_dir, now=self.clock(), adopt=order.adopt)
        name = f"{socket.gethostname()}:{os.getpid()}"
        reap(self.engine, now=self.clock(), worker=name)
        names = self._names(order)
        troubles: dict[str, RecoveryError] = {}
        answers: dict[str, Counter[str]] = {route.name: Counter() for route in self.routes}
        failures: list[BaseException] = []
        threads = [
            threading.Thread(
                target=self._serve,
                args=(route, order, f"{name}:{route.name}:{n}", troubles, failures, answers[route.name]),
                daemon=True,
            )
            for route in self.routes
            for n in range(route.workers)
        ]
        for thread in threads:
            thread.start()
        stepped = time.monotonic()
        for thread in threads:
            while thread.is_alive():  # so that signals are heard
                thread.join(_TICK)
                if time.monotonic() >= stepped + _STEP_SECONDS:
                    self._step(failures)
                    stepped = time.monotonic()
        if failures:
            raise failures[0]
        check_in(self.engine, self.control_dir, now=self.clock())
        refused = {route.name: _deaf(route, answers[route.name]) for route in self.routes}
        return self._report(names, {name: error for name, error in refused.items() if error} | troubles)

    def _step(self, failures: list[BaseException]) -> None:
        """Raise the generation during a long run: a copy made before shows as older even if this run is killed."""
        try:
            check_in(self.engine, self.control_dir, now=self.clock())
        except PassingError:
            _log.warning("the ledger did not answer when its generation was to be raised")
        except PermanentError as error:
            failures.append(error)
            self._drain.set()

    def _serve(
        self,
        route: Route,
        order: Order,
        name: str,
        troubles: dict[str, RecoveryError],
        failures: list[BaseException],
        answers: Counter[str],
    ) -> None:
        try:
            sink = route.open()
        except RecoveryError as error:
            troubles[route.name] = error
            return
        try:
            worker, hands = self._worker(route, sink, name)
            reconcile(self.engine, worker, hands, now=self.clock(), lease=route.terms.lease, batch_id=order.batch_id)
            self._work(worker, route, order, answers)
        except SinkUnusableError as error:
            troubles[route.name] = error
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            failures.append(error)
            self._drain.set()
        finally:
            sink.close()

    def _worker(self, route: Route, sink: Sink, name: str) -> tuple[Worker, Hands]:
        draw = random.Random(self.seed if self.seed is not None else uuid.uuid4().int)
        hands = Hands(
            sink=sink,
            recheck=self.recheck(),
            sender=self.sender,
            clock=self.clock,
            must_stop=lambda: self._drain.is_set() or self.is_paused(),
            draw=draw,
            backoff=self.backoff,
        )
        return Worker(self.engine, hands, route.terms, name=name, sleep=self.sleep), hands

    def _work(self, worker: Worker, route: Route, order: Order, answers: Counter[str]) -> None:
        left = order.patience  # counted down by what was slept: a clock that jumps changes nothing
        while not (self._drain.is_set() or self.is_paused()):
            again = self._round(worker, route, order, answers)
            wait = timedelta(0) if again is None else max(again - self.clock(), timedelta(milliseconds=10))
            if again is None or wait > left:
                return
            slept = min(wait, _NAP)
            left -= slept
            self.sleep(slept.total_seconds())

    def _round(self, worker: Worker, route: Route, order: Order, answers: Counter[str]) -> datetime | None:
        """Work every batch until nothing is due; returns when to ask again, None when nothing is left."""
        moments: list[datetime] = []
        for batch in self._batches(order, route.name):
            while not (self._drain.is_set() or self.is_paused()):
                step = worker.step(batch.batch_id, sender_id=batch.sender_id, channels=batch.channels)
                self.progress(step.settlements)
                answers.update(_answer(settlement) for settlement in step.settlements if settlement.attempt)
                if step.outcome is Outcome.WORKED:
                    continue
                if step.outcome is Outcome.WAITS and step.ask_again is not None:
                    moments.append(step.ask_again)
                break
            due = next_due(self.engine, sink=route.name, batch_id=batch.batch_id)
            if due is not None and due > self.clock():
                moments.append(due)
            elif due is not None and not moments:
                moments.append(self.clock() + timedelta(seconds=1))
            else:
                finish_batch(self.engine, batch.batch_id, now=self.clock())
        return min(moments, default=None)

    def _batches(self, order: Order, sink: str) -> list[_Open]:
        batch, touch = tables.batches, tables.touches
        waiting = sa.select(batch.c.batch_id, batch.c.sender_id).where(
            batch.c.state.in_([BatchState.APPROVED.value, BatchState.RUNNING.value])
        )
        if order.batch_id is not None:
            waiting = waiting.where(batch.c.batch_id == order.batch_id)
        with reading(self.engine) as connection:
            rows = connection.execute(waiting.order_by(batch.c.as_of_date, batch.c.batch_id)).all()
            found = []
            for row in rows:
                query = sa.select(touch.c.channel).where(touch.c.batch_id == row.batch_id, touch.c.sink == sink)
                names: Sequence[str] = connection.execute(query.distinct()).scalars().all()
                found.append(_Open(row.batch_id, row.sender_id, tuple(map(Channel, sorted(names)))))
        return [batch for batch in found if batch.channels]

    def _names(self, order: Order) -> list[str]:
        batch = tables.batches
        chosen = (
            batch.c.batch_id == order.batch_id
            if order.batch_id is not None
            else batch.c.state.in_([BatchState.APPROVED.value, BatchState.RUNNING.value])
        )
        with reading(self.engine) as connection:
            found: Sequence[str] = connection.execute(sa.select(batch.c.batch_id).where(chosen)).scalars().all()
        return sorted(found)

    def _report(self, names: Sequence[str], troubles: Mapping[str, RecoveryError]) -> Report:
        for name in names:
            finish_batch(self.engine, name, now=self.clock())
        counts = tuple(check_conservation(self.engine, name) for name in names)
        dues = [
            due
            for name in names
            for route in self.routes
            if (due := next_due(self.engine, sink=route.name, batch_id=name)) is not None
        ]
        return Report(counts, dict(troubles), min(dues, default=None))


def _answer(settlement: Settlement) -> str:
    """The code of a touch that the far end did not take now; empty where it took it or gave another clear answer."""
    return settlement.code if settlement.attempt == ReceiptStatus.PASSING.value else ""


def _deaf(route: Route, answers: Counter[str]) -> PassingError | None:
    """The far end took nothing at all and may do so later."""
    if not answers or "" in answers:
        return None
    codes = ", ".join(f"{code} ({count:,})" for code, count in answers.most_common(3))
    return PassingError(
        f"The far end took nothing: {codes}. The touches stay approved and are tried again later.",
        where=route.far_end or route.name,
        remedy="Check its host, port and network, then run the same command again.",
    )


@dataclass(frozen=True, slots=True)
class _Open:
    batch_id: str
    sender_id: str
    channels: tuple[Channel, ...]
