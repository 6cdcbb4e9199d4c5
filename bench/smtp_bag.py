"""A local SMTP server that takes everything and writes down whose message it took: `python -m bench.smtp_bag FILE`."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ID: Final = re.compile(rb"(?im)^Message-ID:\s*<([^@>]+)@")
_CANARY: Final = re.compile(rb"canary-\d+")
_END: Final = b"\r\n.\r\n"


class _Session(asyncio.Protocol):
    """One connection: EHLO, MAIL, RCPT, DATA, RSET, NOOP and QUIT, pipelined or not."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._buffer = bytearray()
        self._in_data = False
        self._transport: asyncio.Transport | None = None
        self._recipient = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 bag\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies = bytearray()
        while True:
            if self._in_data:
                end = self._buffer.find(_END)
                if end < 0:
                    break
                self._keep(bytes(self._buffer[:end]))
                del self._buffer[: end + len(_END)]
                self._in_data = False
                replies += b"250 2.0.0 Ok: queued as BAG\r\n"
                continue
            end = self._buffer.find(b"\r\n")
            if end < 0:
                break
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            replies += self._answer(line)
        if replies and self._transport is not None:
            self._transport.write(bytes(replies))

    def _answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-bag\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
        if verb == b"DATA":
            self._in_data = True
            return b"354 go on\r\n"
        if verb == b"RCPT":
            self._recipient = line[8:].strip(b"<> ").split(b">")[0]
        if verb == b"QUIT" and self._transport is not None:
            self._transport.write(b"221 2.0.0 Bye\r\n")
            self._transport.close()
            return b""
        return b"250 2.1.0 Ok\r\n"

    def _keep(self, message: bytes) -> None:
        found = _ID.search(message)
        name = found.group(1) if found else b"?"
        canaries = b",".join(sorted(set(_CANARY.findall(message))))
        os.write(self._handle, b" ".join((name, self._recipient, canaries)) + b"\n")


async def _serve(path: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    server = await asyncio.get_running_loop().create_server(lambda: _Session(handle), "127.0.0.1", 0, backlog=128)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextmanager
def running_bag(path: Path) -> Iterator[int]:
    """Port of a server in a process of its own that writes `<touch_id> <recipient> <canaries>` per message."""
    process = subprocess.Popen([sys.executable, "-m", "bench.smtp_bag", str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def received(path: Path, offset: int = 0) -> Counter[str]:
    """How often each touch was taken since `offset` (bytes)."""
    if not path.exists():
        return Counter()
    return Counter(line.split(b" ")[0].decode() for line in path.read_bytes()[offset:].splitlines())


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
