"""HTTP connections on which a request must begin and send its header fields in time; uvicorn waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS: Final = 10.0


class TimedHttp(HttpToolsProtocol):
    """Closes a connection whose request line and header fields are not there in time, the first or a later one."""

    _late: asyncio.TimerHandle | None = None
    _is_begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection without a request is one whose header fields are late."""
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """A request that is there at once needs no clock; one of which a part came gets one."""
        super().data_received(data)
        if self._is_begun and self._late is None:
            self._wait_for_headers()

    def on_message_begin(self) -> None:
        """Until the first byte of a later request the idle timeout holds."""
        self._is_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """They are there."""
        self._is_begun = False
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._is_begun = False
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        self._late = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self, *_: Any) -> None:
        self._late = None
        self.transport.close()
