"""HTTP connections that go to judged addresses only and end in time, however slowly the far end drips.

The name is resolved here and the connection goes to the very address that was judged, so a name that changes in
between (DNS rebinding) gains nothing. Proxies of the environment are not used: they would connect for us.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from contracts.errors import PermanentError
from recovery.sinks.safe_address import Resolver, is_public


class ForbiddenAddressError(PermanentError):
    """A name stands for an address that may not be reached."""


class Clock(threading.local):
    """The running request's end, per thread, as `time.monotonic` counts; None without one."""

    end: float | None = None

    def left(self, timeout: float | None) -> float | None:
        """Seconds that the next wait may take.

        Raises:
            httpcore.ReadTimeout: none are left.
        """
        if self.end is None:
            return timeout
        left = self.end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the answer takes too long")
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection whose waits all count against the request's time."""

    def __init__(self, inner: httpcore.NetworkStream, clock: Clock) -> None:
        self._inner, self._clock = inner, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._clock.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._clock.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._clock.left(timeout)), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections to public addresses.

    Args:
        resolve: asks for the addresses of a name.
        trusted_hosts: names that may stand for any address.
        clock: ends the running request.
    """

    def __init__(self, resolve: Resolver, trusted_hosts: frozenset[str], clock: Clock) -> None:
        self._resolve, self._trusted, self._clock = resolve, trusted_hosts, clock
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a name, if all of them may be reached.

        Raises:
            ForbiddenAddressError: one may not.
            httpcore.ConnectError: the name is not known, or nobody answers.
        """
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name is not known") from error
        if not addresses:
            raise httpcore.ConnectError("the name is not known")
        if host not in self._trusted and not all(is_public(address) for address in addresses):
            raise ForbiddenAddressError("The name stands for a private address.", where=f"host {host}")
        inner = self._inner.connect_tcp(addresses[0], port, self._clock.left(timeout), local_address, socket_options)
        return _Stream(inner, self._clock)
