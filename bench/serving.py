"""`python -m bench.serving`: the scoring API beside an empty FastAPI route, a plain app and `mlflow models serve`.

One described lead with 20 activities and every attribute, no cache, all safety features on; the load generator runs on
the same cores. The others are given finished features: they compute none.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import joblib
from sklearn.ensemble import HistGradientBoostingClassifier

from bench.load import Load, request_bytes, run_load
from bench.rows import BENCH_DIR, ROOT, Origin, Row, make_row, origin, write_suite
from bench.serving_ground import Ground, body_of, make_ground, random_leads
from bench.table import show

_START_SECONDS: Final = 120.0
_HOG: Final = "while True: pass"
_BULK: Final = 10_000
_CONNECTIONS: Final = 32
_MANY: Final = 1_000


@dataclass(frozen=True, slots=True)
class Service:
    """A started server: the route that scores one lead, its request, process id and seconds until it was ready."""

    url: str
    request: bytes
    pid: int
    ready_seconds: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long and how often: seconds of a figure, rounds, published people."""

    seconds: float
    rounds: int
    people: int


@contextmanager
def started(
    command: Sequence[str], port: int, *, ready: str, path: str, body: Any, token: str = "", **env: str
) -> Iterator[Service]:
    """A server, once `ready` answers 200; stopped at the end."""
    base = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # some servers start others, which end with them
    )
    try:
        while True:
            try:
                if httpx.get(base + ready, timeout=2).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if process.poll() is not None or time.perf_counter() - began > _START_SECONDS:
                raise RuntimeError(f"the server did not start: {' '.join(command)}")
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        url = base + path
        yield Service(url, request_bytes(url, json.dumps(body).encode(), token=token), process.pid, seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def free_port() -> int:
    """A port of loopback that nothing uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def service_of(var_dir: Path, *, path: str, body: Any, token: str) -> AbstractContextManager[Service]:
    """The scoring API over an installation."""
    command = [sys.executable, "-m", "serving.api"]
    given = {"RECOVERY_VAR_DIR": str(var_dir)}
    return started(command, free_port(), ready="/health/ready", path=path, body=body, token=token, **given)


def memory_of(pid: int) -> tuple[float, float]:
    """Memory that a process shares with no other, and its resident memory with mapped files, MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024, kib["Rss"] / 1024


class Bench:
    """Servers over one ground.

    Args:
        ground: what is served.
        folder: for the models of the others.
    """

    def __init__(self, ground: Ground, folder: Path) -> None:
        self._ground, self._folder = ground, folder
        numbers = ground.frame.select_dtypes("number")
        numbers = numbers.loc[:, numbers.nunique() > 1]
        self._features = numbers.iloc[0]
        fitted = HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=15).fit(numbers, ground.y)
        joblib.dump(fitted, folder / "plain.joblib")
        self._save_mlflow(fitted, numbers)

    def _save_mlflow(self, fitted: Any, numbers: Any) -> None:
        import mlflow.sklearn

        signature = mlflow.models.infer_signature(numbers, fitted.predict(numbers))
        mlflow.sklearn.save_model(
            fitted, str(self._folder / "mlflow"), signature=signature, pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
        )  # fmt: skip

    def ours(self) -> AbstractContextManager[Service]:
        """The scoring API."""
        body = {"lead": self._ground.lead, "as_of_date": "2026-06-01"}
        return service_of(self._ground.var_dir, path="/v1/score", body=body, token=self._ground.token)

    def empty(self) -> AbstractContextManager[Service]:
        """A FastAPI route that does nothing."""
        command = [sys.executable, "-m", "bench.serving_bare", "empty"]
        return started(command, free_port(), ready="/openapi.json", path="/score", body={})

    def plain(self) -> AbstractContextManager[Service]:
        """A plain FastAPI and scikit-learn app."""
        command = [sys.executable, "-m", "bench.serving_bare", "plain", "--model", str(self._folder / "plain.joblib")]
        features = {str(name): None if value != value else float(value) for name, value in self._features.items()}
        return started(command, free_port(), ready="/openapi.json", path="/score", body={"features": features})

    def mlflow(self) -> AbstractContextManager[Service]:
        """`mlflow models serve`."""
        command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(self._folder / "mlflow")]
        command += ["--env-manager", "local", "--host", "127.0.0.1"]
        names, values = list(self._features.index), [None if v != v else float(v) for v in self._features]
        body = {"dataframe_split": {"columns": names, "data": [values]}}
        return started(command, free_port(), ready="/ping", path="/invocations", body=body)


def single_rows(at: Origin, bench: Bench, sizes: Sizes) -> tuple[list[Row], float]:
    """One lead a request at 32 connections, ours and the others interleaved; rows and our median rate."""
    found: dict[str, list[Load]] = {"ours": [], "empty": [], "plain": [], "mlflow": []}
    for _ in range(sizes.rounds):
        for name, loads in found.items():
            with getattr(bench, name)() as service:
                load = run_load(service.url, service.request, connections=_CONNECTIONS, seconds=sizes.seconds)
            if not load.latencies:
                raise RuntimeError(f"{name} answered nothing but {load.errors} errors")
            loads.append(load)
    micros = {name: [1e6 / load.rate for load in loads] for name, loads in found.items()}
    rows = [
        make_row(
            at, "one described lead, 32 connections / an empty route", micros["ours"], "us a request",
            baseline=micros["empty"], target_ratio=1 / 0.35,
        ),
        make_row(at, "the same / plain scikit-learn app", micros["ours"], "us a request", baseline=micros["plain"]),
        make_row(at, "the same / mlflow models serve", micros["ours"], "us a request", baseline=micros["mlflow"]),
        make_row(at, "the same, p99", [one.quantile_ms(0.99) for one in found["ours"]], "ms", target=50),
        make_row(at, "the same, errors", [float(sum(one.errors for one in found["ours"]))], "", target=0),
    ]  # fmt: skip
    rates = sorted(load.rate for load in found["ours"])
    return rows, rates[len(rates) // 2]


def loaded_rows(at: Origin, service: Service, sizes: Sizes, rate: float) -> list[Row]:
    """A thousand connections at half the maximum; p99 beside two hogs, at a quarter of it."""
    many = run_load(service.url, service.request, connections=_MANY, seconds=sizes.seconds, per_second=rate / 2)
    calm, hogged = [], []
    for _ in range(sizes.rounds):
        calm.append(_p99_at(service, sizes, rate / 4))
        with ExitStack() as stack:
            for _ in range(2):
                hog = stack.enter_context(subprocess.Popen([sys.executable, "-c", _HOG]))
                stack.callback(hog.kill)
            hogged.append(_p99_at(service, sizes, rate / 4))
    return [
        make_row(at, "1,000 connections at half the rate, p99", [many.quantile_ms(0.99)], "ms", target=400),
        make_row(at, "1,000 connections at half the rate, errors", [float(many.errors)], "", target=0),
        make_row(
            at, "p99 beside two CPU hogs / idle, at a quarter of the rate", hogged, "ms", baseline=calm,
            target_ratio=3,
        ),
    ]  # fmt: skip


def _p99_at(service: Service, sizes: Sizes, rate: float) -> float:
    load = run_load(service.url, service.request, connections=_CONNECTIONS, seconds=sizes.seconds, per_second=rate)
    return load.quantile_ms(0.99)


def bulk_rows(at: Origin, service: Service, ground: Ground, sizes: Sizes) -> list[Row]:
    """Ten thousand at once: known people, and described leads with 20 activities each."""
    step = max(1, sizes.people // _BULK)
    people = [f"00000000-0000-5000-8000-{i * step % sizes.people:012d}" for i in range(_BULK)]
    leads = [body_of(lead) for lead in random_leads(_BULK, seed=4)]
    bodies = {
        "known people": json.dumps({"person_ids": people}).encode(),
        "described leads": json.dumps({"leads": leads, "as_of_date": "2026-06-01"}).encode(),
    }
    targets = {"known people": 1e6 / 100_000, "described leads": 1e6 / 10_000}
    headers = {"Authorization": f"Bearer {ground.token}", "Content-Type": "application/json"}
    rows = []
    with httpx.Client(headers=headers, timeout=300) as client:
        for name, body in bodies.items():
            micros = []
            for _ in range(max(2, sizes.rounds)):
                began = time.perf_counter()
                answer = client.post(f"{service.url}/bulk", content=body)
                micros.append((time.perf_counter() - began) / _BULK * 1e6)
                if answer.status_code != 200 or answer.text.count("\n") != _BULK:
                    raise RuntimeError(f"bulk of {name} answered {answer.status_code}")
            rows.append(make_row(at, f"bulk, {name}", micros[1:], "us each", target=targets[name]))
    return rows


def run_suite(sizes: Sizes, *, folder: Path = BENCH_DIR) -> list[Row]:
    """Measure, show and write the suite; returns its rows."""
    work = folder / "work-serving"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    ground = make_ground(work / "var", people=sizes.people)
    bench, at = Bench(ground, work), origin()
    with bench.ours():
        pass  # makes the mapped files and compiles the loops
    with bench.ours() as service:
        own, resident = memory_of(service.pid)
        cold = [
            make_row(at, "start to ready", [service.ready_seconds], "s", target=5),
            make_row(at, f"idle worker, {sizes.people:,} people: own memory", [own], "MiB", target=250),
            make_row(at, f"idle worker, {sizes.people:,} people: resident", [resident], "MiB"),
        ]
    rows, rate = single_rows(at, bench, sizes)
    with bench.ours() as service:
        rows += loaded_rows(at, service, sizes, rate)
        rows += bulk_rows(at, service, ground, sizes)
    rows += cold
    write_suite("serving", rows, folder=folder)
    show("serving", rows)
    return rows


def main() -> int:
    """Command line; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--people", type=int, default=1_000_000)
    given = parser.parse_args()
    rows = run_suite(Sizes(given.seconds, given.rounds, given.people))
    return 1 if any(row.ok is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
