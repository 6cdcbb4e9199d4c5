"""A mail server that keeps everything and fails as it is told to, byte by byte."""

from __future__ import annotations

import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

# What happens to a recipient; `ok` is also the default.
FAULTS = (
    "ok", "mail_4xx", "mail_5xx", "rcpt_4xx", "rcpt_5xx", "rcpt_full", "data_4xx", "data_5xx", "content_4xx",
    "content_5xx", "drop_at_mail", "drop_at_data", "drop_in_content", "drop_after_content", "hang_at_mail",
    "hang_after_content", "drip_after_content", "garbage_at_mail", "garbage_after_content", "closing_421",
    "endless_reply",
)  # fmt: skip


@dataclass
class Mailbag:
    """What arrived, and what is to go wrong."""

    mails: list[tuple[str, bytes]] = field(default_factory=list)
    commands: list[bytes] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    drop_every: int = 0
    pipelining: bool = True
    password: tuple[str, str] | None = None
    greeting: bytes = b"220 test ESMTP\r\n"
    tls: ssl.SSLContext | None = None
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(data, policy=policy.default) for _, data in self.mails]  # type: ignore[misc]


class _Handler(socketserver.StreamRequestHandler):
    server: Any

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")
        self.wfile.flush()

    def handle(self) -> None:
        bag: Mailbag = self.server.bag
        with bag.lock:
            bag.connections += 1
        with suppress(OSError, ValueError):
            self._talk(bag)
        if isinstance(self.request, ssl.SSLSocket):
            self.finish()
            self.request.close()

    def _talk(self, bag: Mailbag) -> None:
        self.wfile.write(bag.greeting)
        recipient, fault, is_open, has_sender = "", "ok", False, False
        while line := self.rfile.readline(4096):
            with bag.lock:
                bag.commands.append(line.rstrip(b"\r\n"))
            verb = line[:4].upper()
            if verb == b"EHLO":
                self._hello(bag)
            elif verb == b"STAR" and bag.tls is not None:
                self.say("220 go")
                self.request = bag.tls.wrap_socket(self.request, server_side=True)
                self.setup()
            elif verb == b"AUTH":
                self._login(bag, line)
            elif verb == b"MAIL":
                # The fault is the recipient's, whose name a pipelining client has sent by now.
                fault = self._fault_ahead(bag)
                has_sender = fault not in ("mail_4xx", "mail_5xx", "garbage_at_mail")
                is_open = False
                if not self._mail(fault):
                    return
            elif verb == b"RCPT":
                recipient = line.partition(b"<")[2].partition(b">")[0].decode()
                fault = bag.faults.get(recipient, "ok") if fault == "ok" else fault
                if not has_sender:
                    self.say("503 5.5.1 MAIL first")
                    continue
                is_refused = fault in ("rcpt_4xx", "rcpt_5xx", "rcpt_full")
                self.say({"rcpt_4xx": "450 4.2.1 later", "rcpt_5xx": "550 5.1.1 no such person",
                          "rcpt_full": "552 5.2.2 full"}.get(fault, "250 2.1.5 ok"))  # fmt: skip
                is_open = not is_refused
            elif verb == b"DATA":
                if not self._data(bag, recipient, fault, is_open):
                    return
                fault = "ok"
            elif verb == b"RSET":
                self.say("250 ok")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("502 what?")

    def _hello(self, bag: Mailbag) -> None:
        words = ["test", "8BITMIME", "ENHANCEDSTATUSCODES"]
        words += ["PIPELINING"] if bag.pipelining else []
        words += ["STARTTLS"] if bag.tls is not None and not isinstance(self.request, ssl.SSLSocket) else []
        words += ["AUTH PLAIN LOGIN"] if bag.password else []
        for number, word in enumerate(words):
            self.say(f"250{' ' if number == len(words) - 1 else '-'}{word}")

    def _login(self, bag: Mailbag, line: bytes) -> None:
        import base64

        user, password = bag.password or ("", "")
        good = base64.b64encode(f"\0{user}\0{password}".encode())
        self.say("235 2.7.0 welcome" if line.split()[-1] == good else "535 5.7.8 wrong")

    def _fault_ahead(self, bag: Mailbag) -> str:
        if not bag.pipelining:
            return "ok"
        ahead = self.rfile.peek(4096)  # type: ignore[attr-defined]
        return bag.faults.get(ahead.partition(b"RCPT TO:<")[2].partition(b">")[0].decode(), "ok")

    def _mail(self, fault: str) -> bool:
        if fault == "drop_at_mail":
            return False
        if fault == "hang_at_mail":
            time.sleep(1.2)
        if fault == "closing_421":
            self.say("421 4.3.2 closing")
            return False
        if fault == "garbage_at_mail":
            self.wfile.write(b"\x00\xff HTTP/1.1 200 OK\r\n\r\n")
            return True
        if fault == "endless_reply":
            for _ in range(20_000):
                self.wfile.write(b"250-more and more\r\n")
        self.say({"mail_4xx": "451 4.3.0 later", "mail_5xx": "550 5.7.1 not you"}.get(fault, "250 2.1.0 ok"))
        return True

    def _data(self, bag: Mailbag, recipient: str, fault: str, is_open: bool) -> bool:
        if fault == "drop_at_data":
            return False
        if not is_open or fault in ("data_4xx", "data_5xx"):
            self.say("451 4.3.0 later" if fault == "data_4xx" else "554 5.5.1 no valid recipients")
            return True
        self.say("354 go")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
            if fault == "drop_in_content":
                return False
        if not line:
            return False
        if fault in ("content_5xx", "rcpt_4xx", "rcpt_5xx"):
            self.say("554 5.7.1 no")
            return True
        with bag.lock:  # accepted: whatever is said from here on, the message will be delivered
            bag.mails.append((recipient, b"".join(lines)))
            number = len(bag.mails)
        if fault == "drop_after_content" or (bag.drop_every and number % bag.drop_every == 0 and fault == "drop"):
            return False
        if fault == "hang_after_content":
            time.sleep(1.2)
        if fault == "drip_after_content":
            for _ in range(12):
                self.wfile.write(b"2")
                time.sleep(0.1)
        answers = {"content_4xx": "451 4.3.0 accepted, yet not", "garbage_after_content": "!!!"}
        self.say(answers.get(fault, f"250 2.0.0 Ok: queued as Q{number:06d}"))
        return not (bag.drop_every and number % bag.drop_every == 0)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, bag: Mailbag, *, implicit: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bag = bag
        self._implicit = implicit

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        if self._implicit and self.bag.tls is not None:
            connection = self.bag.tls.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


@contextmanager
def mail_server(change: Callable[[Mailbag], None] | None = None, *, implicit: bool = False) -> Iterator[Mailbag]:
    """A running server on a free loopback port."""
    bag = Mailbag()
    if change is not None:
        change(bag)
    server = _Server(bag, implicit=implicit)
    bag.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield bag
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
