"""The scoring API for half an hour at half of its maximum rate while five models are promoted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from bench.load import run_load
from bench.rows import Origin, Row, make_row
from bench.serving import Service, memory_of, service_of
from bench.serving_ground import Ground, fit_model, make_ground, promote
from models.scoring.model import ResurrectionModel

SECONDS: Final = 1_800.0
PROMOTIONS: Final = 5
_CONNECTIONS: Final = 32
_PICKED_UP_SECONDS: Final = 5.0
_MORE_MIB: Final = 16.0
_WARM: Final = 1 / (PROMOTIONS + 1)  # caches and the window of the rate limit fill meanwhile


class Watch:
    """Promotes models one after another and reads the memory of the process between them.

    Args:
        ground: what is served.
        service: the running process.
        models: to be promoted, in order, as versions 2, 3, ...
        seconds: between two of them.
    """

    def __init__(self, ground: Ground, service: Service, models: Sequence[ResurrectionModel], seconds: float) -> None:
        self._ground, self._service, self._models, self._seconds = ground, service, models, seconds
        self._done = threading.Event()
        self.memory: list[float] = []
        self.waits: list[float] = []

    @contextmanager
    def during(self) -> Iterator[None]:
        """Watch while the block runs; what goes wrong here is raised at its end."""
        faults: list[BaseException] = []

        def work() -> None:
            try:
                self._run()
            except BaseException as error:  # noqa: BLE001 - told by the thread that waits
                faults.append(error)

        thread = threading.Thread(target=work, name="promotions")
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()
        if faults:
            raise faults[0]

    def _run(self) -> None:
        base = self._service.url.removesuffix("/v1/score")
        headers = {"Authorization": f"Bearer {self._ground.token}"}
        with httpx.Client(base_url=base, headers=headers, timeout=60) as client:
            began = time.perf_counter()
            for version, model in enumerate(self._models, start=2):
                due = began + (version - 1) * self._seconds
                if self._done.wait(max(0.0, due - time.perf_counter())):
                    return
                self.memory.append(memory_of(self._service.pid)[0])
                promote(self._ground.var_dir, model, version=str(version))
                self.waits.append(_seconds_until(client, str(version)))


def _seconds_until(client: httpx.Client, version: str) -> float:
    began = time.perf_counter()
    while (waited := time.perf_counter() - began) < 4 * _PICKED_UP_SECONDS:
        if client.get("/v1/model").raise_for_status().json()["version"] == version:
            break
        time.sleep(0.05)
    return waited


def endurance_rows(at: Origin, folder: Path, *, seconds: float = SECONDS, people: int = 100_000) -> list[Row]:
    """Some time at half load, `PROMOTIONS` in between.

    Args:
        at: of the suite.
        folder: empty, for the installation.
        seconds: of load.
        people: published.
    """
    ground = make_ground(folder, people=people)
    models = [fit_model(ground.frame[part::PROMOTIONS], ground.y[part::PROMOTIONS]) for part in range(PROMOTIONS)]
    body = {"lead": ground.lead, "as_of_date": "2026-06-01"}
    with service_of(ground.var_dir, path="/v1/score", body=body, token=ground.token) as service:
        most = run_load(service.url, service.request, connections=_CONNECTIONS, seconds=max(2.0, seconds / 100)).rate
        watch = Watch(ground, service, models, seconds * _WARM)
        with watch.during():
            load = run_load(
                service.url, service.request, connections=_CONNECTIONS, seconds=seconds, per_second=most / 2
            )
        end = memory_of(service.pid)[0]
    missing = PROMOTIONS - len(watch.waits)
    return [
        make_row(at, "answers at half load", [float(len(load.latencies))], "answers"),
        make_row(at, "answers but 200, and broken connections", [float(load.errors)], "answers", target=0),
        make_row(at, "p99", [load.quantile_ms(0.99)], "ms"),
        make_row(at, "promotions that did not happen", [float(missing)], "promotions", target=0),
        make_row(at, "longest wait for a promoted model", [max(watch.waits)], "s", target=_PICKED_UP_SECONDS),
        make_row(at, "own memory at the end", [end], "MiB"),
        make_row(at, "more than before the first promotion", [end - watch.memory[0]], "MiB", target=_MORE_MIB),
    ]
