"""A small load generator: keep-alive connections on one event loop, closed (as fast as answers come) or at a rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import urlsplit

import httptools
import numpy as np
import uvloop

_WARM_SECONDS: Final = 1.0


@dataclass
class Load:
    """What a load found.

    Attributes:
        seconds: measured time, without the warm-up.
        latencies: seconds of each answer; at a rate counted from when the request was due.
        errors: answers but 200, and broken connections.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def quantile_ms(self, share: float) -> float:
        """A quantile of the latencies in milliseconds; NaN without answers."""
        return float(np.quantile(self.latencies, share)) * 1e3 if self.latencies else float("nan")


class _Connection(asyncio.Protocol):
    """One request at a time; calls back with the status, 0 when the connection broke."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._done: Callable[[int], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, done: Callable[[int], None]) -> None:
        self._done = done
        if self._transport is None or self._transport.is_closing():
            self._finish(0)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._parser = httptools.HttpResponseParser(self)
        self._finish(status)

    def connection_lost(self, _error: Exception | None) -> None:
        self._finish(0)

    def _finish(self, status: int) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(status)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def request_bytes(url: str, body: bytes, *, token: str = "") -> bytes:
    """A POST of JSON as it goes over the wire."""
    parts = urlsplit(url)
    key = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{key}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def run_load(url: str, request: bytes, *, connections: int, seconds: float, per_second: float = 0.0) -> Load:
    """Send one request over and over.

    Args:
        url: whose host and port are asked.
        request: `request_bytes`.
        connections: open at the same time.
        seconds: measured, after a second of warm-up.
        per_second: requests due a second over all connections; 0 sends as fast as answers come.
    """
    return uvloop.run(_run(url, request, connections, seconds, per_second))


async def _run(url: str, request: bytes, connections: int, seconds: float, per_second: float) -> Load:
    loop, found = asyncio.get_running_loop(), Load(seconds=seconds)
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    opened: list[_Connection] = []
    for start in range(0, connections, 100):  # in groups, so that no backlog overflows
        some = min(100, connections - start)
        made = [loop.create_connection(_Connection, host, port) for _ in range(some)]
        opened += [protocol for _, protocol in await asyncio.gather(*made)]
    began = time.perf_counter() + _WARM_SECONDS
    end = began + seconds
    await asyncio.gather(
        *(_drive(one, request, found, began, end, at, connections, per_second) for at, one in enumerate(opened))
    )
    for one in opened:
        one.close()
    return found


async def _drive(
    connection: _Connection,
    request: bytes,
    found: Load,
    began: float,
    end: float,
    at: int,
    connections: int,
    per_second: float,
) -> None:
    loop = asyncio.get_running_loop()
    step = connections / per_second if per_second else 0.0
    due = time.perf_counter() + (step * at / connections if step else 0.0)
    while due < end:
        if step and (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        if not step:
            due = time.perf_counter()
        answered: asyncio.Future[int] = loop.create_future()
        connection.send(request, answered.set_result)
        status = await answered
        now = time.perf_counter()
        if due >= began:
            if status == 200:
                found.latencies.append(now - due)
            else:
                found.errors += 1
        if status == 0:
            return
        due = due + step if step else now
