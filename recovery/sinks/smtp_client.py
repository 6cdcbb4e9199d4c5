"""One SMTP connection (RFC 5321) that sends a message in two round trips where the server pipelines (RFC 2920).

`smtplib` connects, says hello, starts TLS and logs in; the mail transaction is ours, because `smtplib` waits for each
answer: 4 round trips and four times the CPU per message (docs/channels.md has the measurement).
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Literal

_LONGEST_REPLY: Final = 64 * 1024
_REPLY_LINE: Final = re.compile(rb"([2-5]\d\d)([ -]|$)")
_ENHANCED: Final = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})\b")
_QUEUE_ID: Final = re.compile(rb"(?i)queued (?:as )?<?([A-Za-z0-9._-]{4,64})")
# An address of which no character can end a command; quoted local parts are not supported.
_SAFE_PATH: Final = re.compile(rb"[!-;=?-~]{1,320}")


Step = Literal["mail", "rcpt", "data", "content"]
_STEPS: Final[tuple[Step, ...]] = ("mail", "rcpt", "data")


class Stage(StrEnum):
    """How far a transaction came."""

    ENVELOPE = "envelope"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over.

    Attributes:
        host, port: of the server.
        security: `starttls` (required, never skipped), `implicit` TLS, or `none`.
        username, password: empty where the server asks for none; never sent without TLS but to loopback.
        timeout_seconds: for connecting, and for each answer as a whole.
        ca_file: certificates to trust instead of the system's; empty for the system's.
        helo_name: our name in EHLO; empty for the machine's.
    """

    host: str
    port: int
    security: Literal["starttls", "implicit", "none"] = "starttls"
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    timeout_seconds: float = 60.0
    ca_file: str = ""
    helo_name: str = ""

    @property
    def may_log_in(self) -> bool:
        """Whether a password is safe on the way."""
        return self.security != "none" or _is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said at the step that decided.

    Attributes:
        step: `mail`, `rcpt`, `data` or `content`.
        code: three digits, or 0 when the answer was no SMTP.
        enhanced: RFC 3463 code, or empty.
        queue_id: the server's identifier of an accepted message, or empty.
    """

    step: Step
    code: int
    enhanced: str = ""
    queue_id: str = ""

    @property
    def words(self) -> str:
        """Code and enhanced code."""
        return f"{self.code or 'garbage'} {self.enhanced}".strip()


class LostConnectionError(OSError):
    """The connection ended, timed out or lost its place in the middle of a message.

    Args:
        stage: with `ENVELOPE` no byte of the message left; with `CONTENT` the server may have taken it.
        code: what happened, one word.
    """

    def __init__(self, stage: Stage, code: str) -> None:
        self.stage = stage
        self.code = code
        super().__init__(f"{code} at {stage.value}")


class Connection(smtplib.SMTP):
    """An open, greeted, encrypted and logged-in connection; made by `connect`."""

    def __init__(self, *, local_hostname: str | None, timeout: float) -> None:
        self._unread = b""
        self._unread_of: socket.socket | None = None
        self._is_dirty = False
        self._pipelines = False
        self.sent = 0
        super().__init__(local_hostname=local_hostname, timeout=timeout)

    def settle(self) -> None:
        """Note what the server can do; called once after the last EHLO."""
        self._pipelines = self.has_extn("pipelining")

    def getreply(self) -> tuple[int, bytes]:
        """One answer, whole within the time limit; replaces the slower reader of `smtplib`.

        Raises:
            smtplib.SMTPServerDisconnected: the server hung up.
            TimeoutError: the time is over, however slowly it drips.
        """
        assert self.sock is not None
        if self._unread_of is not self.sock:  # a new socket, also after STARTTLS: nothing read before may count
            self._unread, self._unread_of = b"", self.sock
        deadline = time.monotonic() + float(self.timeout)
        lines: list[bytes] = []
        size = 0
        while True:
            line = self._line(deadline)
            size += len(line)
            match = _REPLY_LINE.match(line)
            if match is None or size > _LONGEST_REPLY:
                return 0, line[:200]
            lines.append(line[4:])
            if match[2] != b"-":
                return int(match[1]), b"\n".join(lines)

    def _line(self, deadline: float) -> bytes:
        assert self.sock is not None
        while (end := self._unread.find(b"\n")) < 0:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the answer takes too long")
            if len(self._unread) > _LONGEST_REPLY:
                return b""
            self.sock.settimeout(left)
            piece = self.sock.recv(65536)
            if not piece:
                raise smtplib.SMTPServerDisconnected("the server hung up")
            self._unread += piece
        line, self._unread = self._unread[:end].rstrip(b"\r"), self._unread[end + 1 :]
        return line

    def transact(self, sender: bytes, recipient: bytes, message: bytes) -> Answer:
        """Send one message to one recipient.

        Args:
            sender: envelope sender.
            recipient: mailbox.
            message: CRLF line ends, CRLF at the end; dots are stuffed here.

        Raises:
            LostConnectionError: see there; the connection cannot be used again.
            ValueError: an address would break the command.
        """
        if not (_SAFE_PATH.fullmatch(sender) and _SAFE_PATH.fullmatch(recipient)):
            raise ValueError("an address cannot stand in a command")
        try:
            refused = self._envelope(sender, recipient)
        except (OSError, smtplib.SMTPException) as error:
            raise LostConnectionError(Stage.ENVELOPE, _word(error)) from error
        if refused is not None:
            return refused
        try:
            return self._content(message)
        except (OSError, smtplib.SMTPException) as error:
            raise LostConnectionError(Stage.CONTENT, _word(error)) from error

    def _envelope(self, sender: bytes, recipient: bytes) -> Answer | None:
        """MAIL, RCPT and DATA; the refusal, or None when the content may follow."""
        commands = [b"MAIL FROM:<" + sender + b">\r\n", b"RCPT TO:<" + recipient + b">\r\n", b"DATA\r\n"]
        reset = [b"RSET\r\n"] if self._is_dirty else []
        self._is_dirty = True
        replies = self._exchange([*reset, *commands])
        if reset and replies.pop(0)[0] // 100 != 2:
            raise smtplib.SMTPServerDisconnected("the server does not start anew")
        is_good = [
            code == 354 if step == "data" else code // 100 == 2
            for step, (code, _) in zip(_STEPS, replies, strict=False)
        ]
        failed = is_good.index(False) if False in is_good else None
        if failed is None:
            return None
        if failed < 2 and len(replies) == 3 and replies[2][0] == 354:
            # RFC 2920, 3.1: DATA was taken although nobody is left to receive; an empty message ends it.
            self._write(b".\r\n")
            replies.append(self.getreply())
        if any(code in (0, 421) for code, _ in replies):
            self.close()  # it lost its place, or says that it closes
        return _answer(_STEPS[failed], replies[failed])

    def _exchange(self, commands: list[bytes]) -> list[tuple[int, bytes]]:
        if self._pipelines:
            self._write(b"".join(commands))
            return [self.getreply() for _ in commands]
        replies = []
        for command in commands:
            self._write(command)
            replies.append(self.getreply())
            if replies[-1][0] // 100 not in (2, 3):
                break
        return replies

    def _content(self, message: bytes) -> Answer:
        if message.startswith(b"."):
            message = b"." + message
        self._write(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        reply = self.getreply()
        self.sent += 1
        self._is_dirty = reply[0] // 100 != 2
        answer = _answer("content", reply)
        if answer.code == 0 or answer.code == 421:
            self.close()
        return answer

    def _write(self, data: bytes) -> None:
        assert self.sock is not None
        self.sock.settimeout(float(self.timeout))
        self.sock.sendall(data)

    @property
    def is_open(self) -> bool:
        """Whether it can be used for another message, as far as is known without asking."""
        return self.sock is not None


def connect(server: SmtpServer) -> Connection:
    """Open a connection: greeting, EHLO, TLS with a verified certificate, login.

    Raises:
        OSError, smtplib.SMTPException, ssl.SSLError: what failed.
    """
    connection = Connection(local_hostname=server.helo_name or socket.gethostname(), timeout=server.timeout_seconds)
    try:
        _open(connection, server)
    except BaseException:
        connection.close()
        raise
    return connection


def _open(connection: Connection, server: SmtpServer) -> None:
    context = tls_context(server.ca_file) if server.security != "none" else None
    connection._host = server.host  # type: ignore[attr-defined]  # the name that STARTTLS verifies
    connection.sock = socket.create_connection((server.host, server.port), server.timeout_seconds)
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if server.security == "implicit":
        assert context is not None
        connection.sock = context.wrap_socket(connection.sock, server_hostname=server.host)
    code, words = connection.getreply()
    if code != 220:
        raise smtplib.SMTPConnectError(code, words)
    connection.ehlo_or_helo_if_needed()
    if server.security == "starttls":
        connection.starttls(context=context)
        connection.ehlo()
    if server.username:
        if not server.may_log_in:
            raise smtplib.SMTPNotSupportedError("a password is never sent without TLS")
        connection.login(server.username, server.password)
    connection.settle()


@lru_cache(maxsize=8)
def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """TLS 1.2 or newer, certificate and host name verified."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _answer(step: Step, reply: tuple[int, bytes]) -> Answer:
    code, words = reply
    enhanced = _ENHANCED.match(words)
    queued = _QUEUE_ID.search(words) if code // 100 == 2 else None
    return Answer(step, code, enhanced[1].decode() if enhanced else "", queued[1].decode() if queued else "")


def _word(error: BaseException) -> str:
    return "timeout" if isinstance(error, TimeoutError) else "connection_lost"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
