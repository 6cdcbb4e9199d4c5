"""Addresses as the ledger knows them outside its erasable table: normalised and hashed under a key."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from recovery.tokens import load_secret

_NAME: Final = "address.key"


@dataclass(frozen=True, slots=True)
class AddressKey:
    """The installation's key for addresses; without it a hash cannot be turned back by trying addresses.

    Attributes:
        key_id: first 8 hex digits of the key's SHA-256; stands before every hash.
        secret: 32 random bytes; never shown.
    """

    key_id: str
    secret: bytes = field(repr=False)

    def hash(self, address: str) -> str:
        """`<key id>:<HMAC-SHA256 of the normalised address, 128 bits, hex>`."""
        digest = hmac.digest(self.secret, normalise_address(address).encode("utf-8", "surrogatepass"), "sha256")
        return f"{self.key_id}:{digest[:16].hex()}"


def normalise_address(address: str) -> str:
    """One spelling per mailbox or number: a mailbox in lower case with an ASCII domain, a number as `+digits`.

    Nothing is dropped from the local part: which dots and tags a provider ignores is not ours to guess.
    """
    text = unicodedata.normalize("NFKC", address).strip().casefold()
    if "@" in text:
        local, _, domain = text.rpartition("@")
        return f"{local}@{_ascii_domain(domain.rstrip('.'))}"
    digits = "".join(character for character in text.removeprefix("tel:") if character.isdecimal())
    return f"+{digits}" if digits else text


def _ascii_domain(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def load_address_key(folder: Path) -> AddressKey:
    """The key of an installation; the first call makes it.

    Args:
        folder: `var/secrets`.

    Raises:
        PermanentError: the file was changed.
    """
    return address_key_of(load_secret(folder, _NAME, loses="suppressed addresses are recognised under this key only"))


def address_key_of(secret: bytes) -> AddressKey:
    """The key with its identifier."""
    return AddressKey(hashlib.sha256(secret).hexdigest()[:8], secret)
