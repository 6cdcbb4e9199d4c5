"""E-mail through an SMTP server: pooled connections, signed messages, one honest receipt per touch."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Final

from contracts.errors import PermanentError, SettingError
from recovery.drafting.mail import compose
from recovery.drafting.render import DraftError
from recovery.sinks.dkim_signing import DkimSigner
from recovery.sinks.protocol import OutgoingTouch, Receipt, ReceiptStatus, SinkUnusableError, is_well_formed
from recovery.sinks.smtp_client import Answer, Connection, LostConnectionError, SmtpServer, Stage, connect

# Fewer touches than this are not worth a second connection.
_LEAST_SHARE: Final = 4
_NO_SUCH_ADDRESS: Final = ("5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1")  # RFC 3463, RFC 7505
_BARE_NO_SUCH: Final = (550, 551, 553)
_MAILBOX_FULL: Final = 552  # RFC 5321, 4.5.3.1.10: at RCPT it means "later"


class SmtpSink:
    """Sends e-mail touches.

    What was not begun is `PASSING`; whatever fails after the first byte of the content is `UNKNOWN`, also a 4xx answer
    to it: servers have said so after they had delivered. A 5xx answer is `REFUSED`.

    Args:
        server: where mail is handed over.
        signer: signs each message; None leaves that to the server.
        return_address: envelope sender, where bounces go; the From address when empty.
        pool: most connections at a time.
        messages_per_connection: after so many a connection is replaced, because servers set a limit.
    """

    name: Final = "smtp"
    has_idempotency_key: Final = False

    def __init__(
        self,
        server: SmtpServer,
        *,
        signer: DkimSigner | None = None,
        return_address: str = "",
        pool: int = 4,
        messages_per_connection: int = 100,
    ) -> None:
        if server.username and not server.may_log_in:
            raise SettingError(
                "A password would leave without encryption.",
                where="RECOVERY_SMTP_SECURITY",
                remedy="Set it to starttls (port 587) or implicit (port 465).",
            )
        self._server, self._signer, self._return_address = server, signer, return_address
        self._size, self._most = max(1, pool), messages_per_connection
        self._idle: list[Connection] = []
        self._lock = Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._is_closed = False

    def send(self, touches: Sequence[OutgoingTouch]) -> list[Receipt]:
        """See `Sink.send`."""
        if self._is_closed:
            return [Receipt(touch.touch_id, ReceiptStatus.PASSING, code="closed") for touch in touches]
        shares = max(1, min(self._size, len(touches) // _LEAST_SHARE))
        if shares == 1:
            results = [self._send_share(touches)]
        else:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._size, thread_name_prefix="smtp")
            results = list(self._threads.map(self._send_share, [touches[number::shares] for number in range(shares)]))
        receipts = {receipt.touch_id: receipt for share, _ in results for receipt in share}
        told = next((error for _, error in results if error is not None), None)
        if told is not None and all(receipt.status is ReceiptStatus.PASSING for receipt in receipts.values()):
            raise told
        return [receipts[touch.touch_id] for touch in touches]

    def look_up(self, touch_ids: Sequence[str]) -> Mapping[str, ReceiptStatus] | None:  # noqa: ARG002 - the protocol's
        """SMTP has no question for that."""
        return None

    def close(self) -> None:
        """Say goodbye and let go of every connection."""
        self._is_closed = True
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            _quit(connection)
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def _send_share(self, touches: Sequence[OutgoingTouch]) -> tuple[list[Receipt], SinkUnusableError | None]:
        receipts: list[Receipt] = []
        unusable: SinkUnusableError | None = None
        unreachable: str | None = None
        for touch in touches:
            if unusable is not None or unreachable is not None:
                receipts.append(Receipt(touch.touch_id, ReceiptStatus.PASSING, code=unreachable or "unusable"))
                continue
            try:
                receipts.append(self._send_one(touch))
            except SinkUnusableError as error:
                unusable = error
                receipts.append(Receipt(touch.touch_id, ReceiptStatus.PASSING, code="unusable"))
            except _UnreachableError as error:
                # One wait for a dead host is enough for a call.
                unreachable = error.code
                receipts.append(Receipt(touch.touch_id, ReceiptStatus.PASSING, code=error.code))
        return receipts, unusable

    def _send_one(self, touch: OutgoingTouch) -> Receipt:
        try:
            message = self.message(touch) if is_well_formed(touch) else None
        except DraftError:
            message = None
        if message is None:
            return Receipt(touch.touch_id, ReceiptStatus.REFUSED, code="malformed")
        sender = (self._return_address or touch.sender.address).encode("ascii")
        while True:
            connection, was_used = self._take()
            try:
                answer = connection.transact(sender, touch.address.encode("ascii"), message)
            except LostConnectionError as error:
                connection.close()
                if error.stage is Stage.CONTENT:
                    return Receipt(touch.touch_id, ReceiptStatus.UNKNOWN, code=error.code)
                if was_used and error.code != "timeout":
                    continue  # servers hang up on idle or busy connections; nothing of this message had left
                return Receipt(touch.touch_id, ReceiptStatus.PASSING, code=error.code)
            except ValueError:
                self._give_back(connection)
                return Receipt(touch.touch_id, ReceiptStatus.REFUSED, code="malformed")
            self._give_back(connection)
            return self._receipt(touch.touch_id, answer)

    def message(self, touch: OutgoingTouch) -> bytes:
        """The bytes of a touch, signed where there is a key; the same for every attempt at the same `date`.

        Raises:
            DraftError: a header would be malformed, or the message is 102 KB or larger.
        """
        data = compose(
            sender=(touch.sender.name, touch.sender.address),
            to_address=touch.address,
            subject=touch.subject,
            text=touch.text,
            html=touch.html,
            touch_id=touch.touch_id,
            date=touch.date,
            link=touch.unsubscribe_url,
            reply_to=touch.reply_to,
            headers=touch.headers,
        )
        return data if self._signer is None else self._signer.sign(data, at=touch.date)

    def _take(self) -> tuple[Connection, bool]:
        with self._lock:
            if self._idle:
                return self._idle.pop(), True
        try:
            return connect(self._server), False
        except (OSError, smtplib.SMTPException) as error:
            raise _told(error, self._server) from error

    def _give_back(self, connection: Connection) -> None:
        if not connection.is_open:
            return
        if connection.sent >= self._most or self._is_closed:
            _quit(connection)
            return
        with self._lock:
            self._idle.append(connection)

    def _receipt(self, touch_id: str, answer: Answer) -> Receipt:
        kind = answer.code // 100
        if answer.step == "content" and kind == 2:
            return Receipt(touch_id, ReceiptStatus.SENT, answer.queue_id, answer.words)
        if answer.step == "mail" and kind == 5:
            raise SinkUnusableError(
                f"The mail server refuses the sender: {answer.words}.",
                where=f"{self._server.host}:{self._server.port}",
                remedy="Check RECOVERY_SENDER_FROM_ADDRESS and the login of the SMTP settings.",
            )
        is_later = answer.code == _MAILBOX_FULL and answer.step == "rcpt"
        if kind == 5 and not is_later:
            is_gone = answer.step == "rcpt" and (
                answer.enhanced in _NO_SUCH_ADDRESS or (not answer.enhanced and answer.code in _BARE_NO_SUCH)
            )
            return Receipt(touch_id, ReceiptStatus.REFUSED, code=answer.words, is_hard_bounce=is_gone)
        status = ReceiptStatus.UNKNOWN if answer.step == "content" else ReceiptStatus.PASSING
        return Receipt(touch_id, status, code=answer.words)


class _UnreachableError(Exception):
    """No connection now; a later try may find one."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def _told(error: Exception, server: SmtpServer) -> PermanentError | _UnreachableError:
    """What a failed connection means: settings to mend, or a later try."""
    where = f"{server.host}:{server.port}"
    if isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code // 100 == 5:
        remedy = "Check RECOVERY_SMTP_USERNAME and RECOVERY_SMTP_PASSWORD."
        return SinkUnusableError("The mail server refuses the login.", where=where, remedy=remedy)
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "Use the name that its certificate bears, or name its authority in RECOVERY_SMTP_CA_FILE."
        return SinkUnusableError(f"The mail server's certificate is not valid: {error.verify_message}.",
                                 where=where, remedy=remedy)  # fmt: skip
    if isinstance(error, smtplib.SMTPNotSupportedError):
        remedy = "Set RECOVERY_SMTP_SECURITY and the login to what the server offers."
        return SinkUnusableError("The mail server offers no TLS or no login that fits.", where=where, remedy=remedy)
    if isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN:
        remedy = "Correct RECOVERY_SMTP_HOST."
        return SinkUnusableError("The mail server's name is not known.", where=where, remedy=remedy)
    return _UnreachableError("timeout" if isinstance(error, TimeoutError) else "unreachable")


def _quit(connection: Connection) -> None:
    with suppress(OSError, smtplib.SMTPException):
        connection.timeout = min(float(connection.timeout), 2.0)  # a goodbye is not worth more
        connection.quit()
    connection.close()
