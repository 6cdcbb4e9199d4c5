"""Signatures of incoming requests (Standard Webhooks), judged by our clock and without telling how near they came."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from standardwebhooks import Webhook

TOLERANCE: Final = timedelta(minutes=5)
_ID: Final = re.compile(r"[\x21-\x7e]{1,256}")
_SECONDS: Final = re.compile(r"\d{1,12}")
_MOST_SIGNATURES: Final = 16


class SignatureError(ValueError):
    """The request is not from whom it says; `code` is counted, the sender is told no more than 401."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def verified_id(headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime) -> str:
    """The request's `webhook-id`.

    Args:
        headers: any case of names, as Starlette gives them.
        body: as it came.
        secrets: any of them may have signed.
        now: naive UTC.

    Raises:
        SignatureError: a header is missing or malformed, the time is off by more than five minutes, or nobody of ours
            signed it.
    """
    message_id, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not _ID.fullmatch(message_id) or not _SECONDS.fullmatch(seconds) or not given:
        raise SignatureError("no_signature")
    try:
        at = datetime.fromtimestamp(int(seconds), UTC).replace(tzinfo=None)
        text = body.decode()
    except (ValueError, OverflowError, OSError) as error:
        raise SignatureError("malformed") from error
    if abs(now - at) > TOLERANCE:
        raise SignatureError("too_old_or_new")
    signatures = [found for part in given.split(" ")[:_MOST_SIGNATURES] if (found := _decoded(part)) is not None]
    is_good = False
    for secret in secrets:
        expected = _decoded(Webhook(secret).sign(message_id, at, text)) or b""
        for signature in signatures:
            is_good |= hmac.compare_digest(expected, signature)
    if not is_good:
        raise SignatureError("wrong_signature")
    return message_id


def _decoded(part: str) -> bytes | None:
    version, _, value = part.partition(",")
    if version != "v1":
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
