"""Prometheus figures and usage per key. Labels are routes, statuses and key ids: never people, never addresses."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from contracts.errors import RecoveryError
from recovery.access.usage import UsageKey

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client when a worker imports it
_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
FLUSH_SECONDS: Final = 5.0
# A bulk answer is as long as what it holds.
_ONE_BY_ONE: Final = frozenset({"score", "person_score", "person_insights", "events"})
_log = logging.getLogger("recovery.api")


def share_figures(folder: Path) -> None:
    """Let the workers that this process starts afterwards keep their figures in one folder, which is emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[_FOLDER] = str(folder)


class Figures:
    """Figures of one process in a registry of its own, or of all workers that share a folder (`share_figures`).

    Args:
        acceptable_seconds: an answer that takes longer counts as slow.
    """

    def __init__(self, acceptable_seconds: float = 0.05) -> None:
        self._acceptable = acceptable_seconds
        self.registry = CollectorRegistry()
        into = self.registry
        self.requests = Counter("recovery_api_requests", "Requests.", ["route", "status"], registry=into)
        self.seconds = Histogram(
            "recovery_api_seconds", "Seconds per request.", ["route"], buckets=_BUCKETS, registry=into
        )
        self.slow = Counter(
            "recovery_api_slow", f"Answers after more than {acceptable_seconds:g} seconds.", ["route"], registry=into
        )
        self.items = Counter("recovery_api_scored", "People and leads scored.", ["origin"], registry=into)
        self.model_since = _gauge("recovery_api_model_loaded_seconds", "Unix time of the state in use.", into)
        self.people = _gauge("recovery_api_people", "People with a published score.", into)
        self.ready = _gauge("recovery_api_ready", "1 when all can be answered.", into)
        self._of_route: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def count(self, route: str, status: int, seconds: float) -> None:
        """One request."""
        known = self._of_route.get((route, status))
        if known is None:  # finding the labels takes longer than counting
            known = self.requests.labels(route, str(status)), self.seconds.labels(route)
            self._of_route[route, status] = known
        known[0].inc()
        known[1].observe(seconds)
        if seconds > self._acceptable and route in _ONE_BY_ONE:
            self.slow.labels(route).inc()

    def latency(self) -> dict[str, float]:
        """What is acceptable (ms), answers about one person or lead so far, and how many of them were slower."""
        counts = {"recovery_api_requests_total": 0.0, "recovery_api_slow_total": 0.0}
        for family in self._collected().collect():
            for sample in family.samples:
                if sample.name in counts and sample.labels.get("route") in _ONE_BY_ONE:
                    counts[sample.name] += sample.value
        answers, slow = (int(value) for value in counts.values())
        return {"acceptable_ms": 1_000 * self._acceptable, "answers": answers, "slower": slow}

    def text(self) -> bytes:
        """All figures as Prometheus reads them."""
        return generate_latest(self._collected())

    def _collected(self) -> CollectorRegistry:
        folder = os.environ.get(_FOLDER)
        if folder is None:
            return self.registry
        for path in Path(folder).glob("gauge_live*_*.db"):
            pid = int(path.stem.rpartition("_")[2])
            if not _lives(pid):
                mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
        together = CollectorRegistry()
        MultiProcessCollector(together, path=folder)  # type: ignore[no-untyped-call]
        return together


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # it ended; somebody else's may have its number
        return False
    return True


def _gauge(name: str, words: str, registry: CollectorRegistry) -> Gauge:
    """Of several workers the least counts: the one that is not ready, or has the oldest state."""
    return Gauge(name, words, registry=registry, multiprocess_mode="livemin")


class UsageMeter:
    """Counts use in memory and hands it to the ledger every few seconds; a killed process loses the last few.

    Args:
        write: adds counts to the ledger.
        today: the clock, UTC.
    """

    def __init__(self, write: Callable[[dict[UsageKey, tuple[int, int]]], None], today: Callable[[], date]) -> None:
        self._write, self._today = write, today
        self._counts: dict[UsageKey, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    def count(self, key_id: str, route: str, outcome: str, items: int = 1) -> None:
        """One request of a key."""
        key = (key_id, self._today(), route, outcome)
        with self._lock:
            requests, before = self._counts.get(key, (0, 0))
            self._counts[key] = (requests + 1, before + items)

    def flush(self) -> None:
        """Hand over what was counted; it is kept when the ledger does not answer."""
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            self._write(counts)
        except RecoveryError as error:
            _log.warning("usage is kept in memory: %s", error.what)
            with self._lock:
                for key, (requests, items) in counts.items():
                    now = self._counts.get(key, (0, 0))
                    self._counts[key] = (now[0] + requests, now[1] + items)

    def start(self) -> None:
        """Begin to hand over."""
        self._thread.start()

    def stop(self) -> None:
        """Hand over the rest and end."""
        self._stop.set()
        self._thread.join(timeout=5)
        self.flush()

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            self.flush()
