"""Unsubscribe tokens: opaque, bound to one recipient and one list, and impossible to guess without the key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.errors import PermanentError
from contracts.keys import make_key_file

_NAME: Final = "unsubscribe.key"
_BYTES: Final = 32
_MAC_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class TokenKey:
    """The installation's key for unsubscribe tokens.

    Attributes:
        key_id: first 8 hex digits of the key's SHA-256; stands in every token, so that a later key can coexist.
        secret: 32 random bytes; never shown.
    """

    key_id: str
    secret: bytes = field(repr=False)

    def token(self, touch_id: str, *, list_id: str) -> str:
        """`<key id>.<touch id>.<HMAC-SHA256 of list and touch, 160 bits, base64url>`.

        The touch names recipient and sender in the ledger and nothing about them outside it.
        """
        return f"{self.key_id}.{touch_id}.{self._mac(touch_id, list_id)}"

    def touch_of(self, token: str, *, list_id: str) -> str | None:
        """The touch that a token was made for, or None when this key did not make it for this list."""
        key_id, _, rest = token.partition(".")
        touch_id, _, mac = rest.rpartition(".")
        expected = self._mac(touch_id, list_id)
        is_ours = hmac.compare_digest(mac.encode(), expected.encode()) and key_id == self.key_id
        return touch_id if is_ours else None

    def _mac(self, touch_id: str, list_id: str) -> str:
        message = b"\0".join(part.encode("utf-8", "surrogatepass") for part in ("unsubscribe", list_id, touch_id))
        digest = hmac.new(self.secret, message, hashlib.sha256).digest()[:_MAC_BYTES]
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def key_of(secret: bytes) -> TokenKey:
    """The key with its identifier."""
    return TokenKey(hashlib.sha256(secret).hexdigest()[:8], secret)


def load_key(folder: Path) -> TokenKey:
    """Read the key of an installation; the first call makes it (mode 0600, folder 0700).

    Args:
        folder: `var/secrets`.

    Raises:
        PermanentError: the file was changed.
    """
    return key_of(load_secret(folder, _NAME, loses="links in mails that have left are valid under this key only"))


def load_ring(folder: Path) -> tuple[TokenKey, ...]:
    """The current key first, then retired ones (`unsubscribe-*.key`): a link in a mail never expires.

    To rotate, rename `unsubscribe.key` to `unsubscribe-<year>.key`; the next start makes a new one.

    Args:
        folder: `var/secrets`.

    Raises:
        PermanentError: a file was changed.
    """
    retired = sorted(path.name for path in folder.glob("unsubscribe-*.key"))
    lost = "links in mails that have left are valid under this key only"
    return (load_key(folder), *(key_of(load_secret(folder, name, loses=lost)) for name in retired))


def touch_of(ring: Sequence[TokenKey], token: str, *, list_ids: Sequence[str]) -> tuple[str, str] | None:
    """Touch and list that a token was made for, by any key of the ring; None for a forged one.

    Every key and list is tried, so that the time tells nothing about how near a guess came.
    """
    found: tuple[str, str] | None = None
    for key in ring:
        for list_id in list_ids:
            touch_id = key.touch_of(token, list_id=list_id)
            if touch_id is not None:
                found = (touch_id, list_id)
    return found


def load_secret(folder: Path, name: str, *, loses: str) -> bytes:
    """32 random bytes kept in a file of mode 0600; the first call makes them.

    Args:
        folder: `var/secrets`.
        name: file name.
        loses: what no longer works without it, for the error text.

    Raises:
        PermanentError: the file was changed.
    """
    path = folder / name
    if not path.exists():
        make_key_file(path)
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != _BYTES:
        raise PermanentError(
            "A key of this installation cannot be read.",
            where=str(path),
            remedy=f"Restore it from a backup: {loses}.",
        )
    return secret
