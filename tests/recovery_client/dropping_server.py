"""A server of bulk scores that lets its first connections down."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

Drop = Literal["unanswered", "between lines", "within a line", "ended early", "closed early", "closed within a line"]
DROPS: Final[tuple[Drop, ...]] = (
    "unanswered",
    "between lines",
    "within a line",
    "ended early",
    "closed early",
    "closed within a line",
)
_SCORE: Final = {
    "points": 50,
    "p": 0.1,
    "tier": "low",
    "score_kind": "model",
    "reasons": [],
    "as_of_date": "2026-01-01",
    "anchor": 0.1,
    "origin": "published",
    "model": {"version": "1"},
    "percentile": None,
    "times_average": 1.0,
}


class DroppingServer(socketserver.ThreadingTCPServer):
    """Answers `times` requests as `drop` says, and the others in full; `asked` holds the people of each request."""

    daemon_threads = True

    def __init__(self, drop: Drop, times: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.drop, self.times = drop, times
        self.asked: list[list[str]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: DroppingServer

    def handle(self) -> None:
        people = self._people()
        self.server.asked.append(people)
        drop = self.server.drop if len(self.server.asked) <= self.server.times else None
        if drop == "unanswered":
            return
        lines = [json.dumps(_SCORE | {"person_id": one}).encode() + b"\n" for one in people]
        if drop is not None:
            lines = [lines[0], lines[1][:9]] if "within" in drop else lines[:1]
        self._answer(b"".join(lines), drop)

    def _people(self) -> list[str]:
        length = 0
        while header := self.rfile.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return list(json.loads(self.rfile.read(length))["person_ids"])

    def _answer(self, content: bytes, drop: Drop | None) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
        if drop in ("closed early", "closed within a line"):  # the end of the connection is the end of the body
            self.wfile.write(b"\r\n" + content)
            return
        self.wfile.write(b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(content), content))
        if drop in (None, "ended early"):
            self.wfile.write(b"0\r\n\r\n")


@contextmanager
def dropping(drop: Drop, *, times: int) -> Iterator[DroppingServer]:
    """A server that is up within the block."""
    with DroppingServer(drop, times) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
