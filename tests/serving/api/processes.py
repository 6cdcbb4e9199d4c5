"""The API as real processes over a published site."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn
from fastapi import FastAPI

from pipelines.resources import PROJECT_ROOT
from tests.serving.api.conftest import Site

_START_SECONDS: Final = 90.0


class Running:
    """A started service."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def workers(self) -> list[int]:
        """Ids of the worker processes, in the order in which they were started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        served = (int(child) for child in children)
        return [child for child in served if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]

    def stop(self) -> int:
        """Order the service to stop and wait; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(site: Site, *, workers: int = 1, **settings: str) -> Iterator[Running]:
    """A service over the site's files, once it is ready."""
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT_ROOT),
        "RECOVERY_VAR_DIR": str(site.root),
        "RECOVERY_LEDGER_URL": site.url,
        **{f"RECOVERY_{name.upper()}": value for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "serving.api", "--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen(command, env=environment, cwd=site.root)
    running = Running(process, port)
    try:
        _wait(running, workers)
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def in_thread(app: FastAPI, **more: Any) -> Iterator[str]:
    """The application on a port of its own in this process; yields its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", access_log=False, **more))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + _START_SECONDS
        while not server.started:
            assert time.monotonic() < until
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def _wait(running: Running, workers: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        assert running.process.poll() is None, "the service ended by itself"
        try:
            is_ready = httpx.get(f"{running.url}/health/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            is_ready = False
        if is_ready and (workers == 1 or len(running.workers()) == workers):
            return
        time.sleep(0.05)
    raise AssertionError("the service was not ready in time")
