"""Touches as signed requests (Standard Webhooks) to a system of the operator's, and to no private address."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpcore
import httpx
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from contracts.errors import SettingError
from recovery.sinks.folder import as_json
from recovery.sinks.guarded_http import Clock, ForbiddenAddressError, GuardedBackend
from recovery.sinks.protocol import OutgoingTouch, Receipt, ReceiptStatus, SinkUnusableError, is_well_formed
from recovery.sinks.safe_address import Resolver, system_resolver
from recovery.sinks.smtp_client import tls_context

_LONGEST_ANSWER: Final = 64 * 1024
_LONGEST_WAIT: Final = 86_400.0
_SETTINGS_CODES: Final = frozenset({401, 403, 404, 405, 407, 410, 421, 501, 505})


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where touches are posted.

    Attributes:
        url: HTTPS address; HTTP only to a trusted host.
        trusted_hosts: names that may stand for private addresses and be reached without TLS; for tests and for
            systems in the operator's own network.
        is_idempotent: the receiver drops a second `webhook-id`, as Standard Webhooks asks for.
        timeout_seconds: for connecting, and for the answer as a whole.
    """

    url: str
    trusted_hosts: frozenset[str] = frozenset()
    is_idempotent: bool = False
    timeout_seconds: float = 10.0


class WebhookSink:
    """Posts one touch a request.

    2xx is `SENT`; 429, 503 and a connection that never came about are `PASSING`; other 5xx answers, silence and garbage
    after the request left are `UNKNOWN`; other 4xx answers are `REFUSED`; 401, 403, 404, 410 and redirects, which are
    never followed, stop the sink.

    Args:
        target: where to.
        secret: of Standard Webhooks, base64 with or without `whsec_`.
        resolve: asks for the addresses of a name.
        parallel: requests at a time.

    Raises:
        SettingError: the address or the secret cannot be used.
    """

    name: Final = "webhook"

    def __init__(
        self, target: WebhookTarget, secret: str, *, resolve: Resolver = system_resolver, parallel: int = 8
    ) -> None:
        self._target = target
        self._url = _checked_url(target)
        self._address = str(self._url)
        try:
            self._signer = Webhook(secret)
        except (ValueError, RuntimeError, EmptyWebhookSecretError) as error:
            raise SettingError(
                "The webhook's secret cannot be used.",
                where="RECOVERY_WEBHOOK_SECRET",
                remedy="Set it to at least 24 random bytes in base64, with or without whsec_ in front.",
            ) from error
        self._clock = Clock()
        self._http = httpcore.ConnectionPool(
            ssl_context=tls_context(),
            max_connections=parallel,
            keepalive_expiry=2.0,
            network_backend=GuardedBackend(resolve, target.trusted_hosts, self._clock),
        )
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="webhook")
        self._is_closed = False

    @property
    def has_idempotency_key(self) -> bool:
        """Whether the receiver promises to drop repetitions."""
        return self._target.is_idempotent

    def send(self, touches: Sequence[OutgoingTouch]) -> list[Receipt]:
        """See `Sink.send`."""
        if self._is_closed:
            return [Receipt(touch.touch_id, ReceiptStatus.PASSING, code="closed") for touch in touches]
        outcomes = list(self._threads.map(self._post, touches))
        receipts = [receipt for receipt, _ in outcomes]
        told = next((error for _, error in outcomes if error is not None), None)
        if told is not None and all(receipt.status is ReceiptStatus.PASSING for receipt in receipts):
            raise told
        return receipts

    def look_up(self, touch_ids: Sequence[str]) -> Mapping[str, ReceiptStatus] | None:  # noqa: ARG002 - the protocol's
        """A webhook cannot be asked."""
        return None

    def close(self) -> None:
        """Let go of connections."""
        self._is_closed = True
        self._threads.shutdown()
        self._http.close()

    def _post(self, touch: OutgoingTouch) -> tuple[Receipt, SinkUnusableError | None]:
        if not is_well_formed(touch):
            return Receipt(touch.touch_id, ReceiptStatus.REFUSED, code="malformed"), None
        body = _body(touch)
        headers = {
            "Host": self._url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": "lead-recovery-engine",
            **signed_headers(self._signer, touch.idempotency_key, touch.date, body.decode()),
        }
        wait = self._target.timeout_seconds
        self._clock.end = time.monotonic() + wait
        try:
            with self._http.stream(
                "POST",
                self._address,
                headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                content=body,
                extensions={"timeout": {"connect": wait, "read": wait, "write": wait, "pool": None}},
            ) as response:
                return self._receipt(touch.touch_id, response, _read(response))
        except ForbiddenAddressError as error:
            told = SinkUnusableError(
                "The webhook's name stands for a private address.",
                where=f"RECOVERY_WEBHOOK_URL, {error.where}",
                remedy="Use a public address, or name the host in RECOVERY_WEBHOOK_TRUSTED_HOSTS if it is your own.",
            )
            return Receipt(touch.touch_id, ReceiptStatus.PASSING, code="private"), told
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            return Receipt(touch.touch_id, ReceiptStatus.PASSING, code="unreachable"), None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            code = "timeout" if isinstance(error, httpcore.TimeoutException) else "garbage"
            return Receipt(touch.touch_id, ReceiptStatus.UNKNOWN, code=code), None
        finally:
            self._clock.end = None

    def _receipt(
        self, touch_id: str, response: httpcore.Response, words: bytes
    ) -> tuple[Receipt, SinkUnusableError | None]:
        status = response.status
        code = str(status)
        if 200 <= status < 300:
            return Receipt(touch_id, ReceiptStatus.SENT, _identifier(words), code), None
        if status in (429, 503):
            wait = _retry_after(response.headers)
            return Receipt(touch_id, ReceiptStatus.PASSING, code=code, retry_after_seconds=wait), None
        if status in _SETTINGS_CODES or status < 400:
            error = SinkUnusableError(
                f"The webhook answers {code}.",
                where="RECOVERY_WEBHOOK_URL",
                remedy="Check address and secret; a redirect is never followed.",
            )
            return Receipt(touch_id, ReceiptStatus.PASSING, code=code), error
        kind = ReceiptStatus.UNKNOWN if status >= 500 or status == 408 else ReceiptStatus.REFUSED
        return Receipt(touch_id, kind, code=code), None


def _checked_url(target: WebhookTarget) -> httpx.URL:
    try:
        url = httpx.URL(target.url)
        is_good = bool(url.host) and not url.userinfo
    except (httpx.InvalidURL, UnicodeError, ValueError):
        is_good = False
    schemes = ("https", "http") if is_good and url.host in target.trusted_hosts else ("https",)
    if not is_good or url.scheme not in schemes:
        raise SettingError(
            "The webhook's address cannot be used.",
            where="RECOVERY_WEBHOOK_URL",
            remedy="Write https://host/path, without user name and password.",
        )
    return url


def signed_headers(signer: Webhook, message_id: str, at: datetime, body: str) -> dict[str, str]:
    """The three headers of Standard Webhooks; `at` is naive UTC."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.replace(tzinfo=UTC).timestamp())),
        "webhook-signature": signer.sign(message_id, at, body),
    }


def _body(touch: OutgoingTouch) -> bytes:
    content = {"type": "touch.send", "timestamp": f"{touch.date.isoformat()}Z", "data": as_json(touch)}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _read(response: httpcore.Response) -> bytes:
    """The first bytes of the answer; what is longer is not read."""
    found = b""
    for piece in response.iter_stream():
        found += piece
        if len(found) > _LONGEST_ANSWER:
            break
    return found[:_LONGEST_ANSWER]


def _identifier(words: bytes) -> str:
    try:
        found = json.loads(words).get("id")
    except (ValueError, AttributeError, RecursionError):
        return ""
    is_plain = isinstance(found, str) and found.isascii() and found.isprintable() and len(found) <= 128
    return found if is_plain else ""


def _retry_after(headers: list[tuple[bytes, bytes]]) -> float | None:
    text = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(seconds, _LONGEST_WAIT) if seconds >= 0 else None
