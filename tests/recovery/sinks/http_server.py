"""An HTTP receiver that keeps everything, checks signatures and fails as it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass
class Postbag:
    """What arrived, and what is to go wrong by touch id: a fault of the conformance suite or a status code."""

    secret: str
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self) -> None:
        bag: Postbag = self.server.bag
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        touch_id = json.loads(body)["data"]["touch_id"]
        fault = bag.faults.get(touch_id, "")
        status, more, words = bag.answers.get(touch_id, (200, {}, b'{"id": "r-%s"}' % touch_id[-5:].encode()))
        if fault == "refuses":
            status = 422
        if fault in ("is_busy", "rate_limits"):
            status, more = (503 if fault == "is_busy" else 429), {"Retry-After": "7"}
        if status < 300:
            with bag.lock:
                if headers["webhook-id"] not in bag.seen:
                    bag.seen.add(headers["webhook-id"])
                    bag.bodies.append(body)
                    bag.headers.append(headers)
        if fault == "takes_and_hangs_up":
            self.close_connection = True
            return
        if fault == "takes_and_hangs":
            time.sleep(1.2)
        if fault == "takes_and_drips":
            for _ in range(12):
                self.wfile.write(b"H")
                time.sleep(0.1)
        if fault == "answers_garbage":
            self.wfile.write(b"\x00\xff!!! 250 ok\r\n\r\n")
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.bag.lock:  # type: ignore[attr-defined]
            self.bag.connections += 1  # type: ignore[attr-defined]
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


@contextmanager
def receiver(secret: str) -> Iterator[Postbag]:
    """A running receiver on a free loopback port."""
    bag = Postbag(secret)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.bag = bag  # type: ignore[attr-defined]
    bag.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield bag
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def is_signed(bag: Postbag, number: int) -> bool:
    """Whether the reference implementation accepts the signature (it raises when not)."""
    Webhook(bag.secret).verify(bag.bodies[number], bag.headers[number])
    return True
