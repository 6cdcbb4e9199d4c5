"""Starts the user interfaces of an installation on loopback and ends them together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from cli.console import out
from cli.workspace import Workspace
from contracts.errors import BusyError, PassingError
from contracts.offline import SILENT
from pipelines.resources import PROJECT_ROOT
from pipelines.run import dagster_home

_LOOPBACK = "127.0.0.1"
_READY_SECONDS = 90


def port_is_free(port: int) -> bool:
    """Whether a loopback port can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def environment(workspace: Workspace) -> dict[str, str]:
    """Environment of the servers: the workspace's settings, telemetry off, proxies bypassed for loopback."""
    dagster_home(workspace.var_dir)
    settings = {
        f"RECOVERY_{name.upper()}": str(value)
        for name, value in workspace.engine.overrides.items()
        if value is not None
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **SILENT, **settings, "PATH": path, "NO_PROXY": f"{_LOOPBACK},localhost"}


def commands(workspace: Workspace) -> dict[str, list[str]]:
    """Command line of each server by name."""
    settings = workspace.engine.settings
    bin_dir = Path(sys.executable).parent
    location = ["-m", "pipelines.definitions", "-d", str(PROJECT_ROOT)]
    store = settings.tracking_uri
    return {
        "Dagster daemon": [str(bin_dir / "dagster-daemon"), "run", *location],
        "Dagster": [
            str(bin_dir / "dagster-webserver"), "-h", _LOOPBACK, "-p", str(settings.dagster_port), *location,
        ],
        "MLflow": [
            str(bin_dir / "mlflow"), "server", "--host", _LOOPBACK, "--port", str(settings.mlflow_port),
            "--backend-store-uri", store, "--artifacts-destination", str(workspace.var_dir / "mlflow" / "artifacts"),
            "--workers", "1",
        ],
    }  # fmt: skip


def serve_until_stopped(workspace: Workspace) -> None:
    """Start every server, wait until both UIs answer, and stay until one ends or Ctrl-C.

    Raises:
        BusyError: a port is taken.
        PassingError: a server ended by itself; its log is named.
    """
    settings = workspace.engine.settings
    for name, port in (("DAGSTER", settings.dagster_port), ("MLFLOW", settings.mlflow_port)):
        if not port_is_free(port):
            raise BusyError(
                f"Port {port} is taken.",
                where=f"{_LOOPBACK}:{port}",
                remedy=f"Stop what uses it, or set RECOVERY_{name}_PORT.",
            )
    logs = workspace.var_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    from models.tracking.birth import create_store

    create_store(settings.tracking_uri, workspace.var_dir / "mlflow" / "artifacts")
    signal.signal(signal.SIGTERM, _stop_like_a_key)
    running = {name: _start(name, line, workspace, logs) for name, line in commands(workspace).items()}
    try:
        _wait_until_ready(running, (settings.dagster_port, settings.mlflow_port), logs)
        out.print(f"Dagster  http://{_LOOPBACK}:{settings.dagster_port}/locations")
        out.print(f"MLflow   http://{_LOOPBACK}:{settings.mlflow_port}/#/experiments?workflowType=machine_learning")
        out.print("[dim]Ctrl-C ends both. Neither has a login: keep them on loopback.[/dim]")
        while all(process.poll() is None for process in running.values()):
            time.sleep(0.5)
        _tell_dead(running, logs)
    finally:
        _stop(running)


def _stop_like_a_key(*_: object) -> None:
    raise KeyboardInterrupt


def _start(name: str, line: list[str], workspace: Workspace, logs: Path) -> subprocess.Popen[bytes]:
    log = logs / f"{name.lower().replace(' ', '_')}.log"
    with log.open("ab") as handle:
        return subprocess.Popen(  # noqa: S603 - fixed command lines of our own environment
            line,
            cwd=PROJECT_ROOT,
            env=environment(workspace),
            stdout=handle,
            stderr=handle,
            start_new_session=True,
        )


def _wait_until_ready(running: dict[str, subprocess.Popen[bytes]], ports: tuple[int, ...], logs: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    waiting = set(ports)
    while waiting and time.monotonic() < deadline:
        _tell_dead(running, logs)
        waiting = {port for port in waiting if not _answers(port)}
        time.sleep(0.2)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((_LOOPBACK, port), timeout=0.5):
            return True
    except OSError:
        return False


def _tell_dead(running: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
    dead = [name for name, process in running.items() if process.poll() is not None]
    if dead:
        raise PassingError(
            f"{' and '.join(dead)} ended by itself.",
            where=str(logs),
            remedy="Read its log there, then try again.",
        )


def _stop(running: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in running.values():
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    for process in running.values():
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
