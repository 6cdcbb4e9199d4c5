"""Secret keys of an installation: 32 random bytes each, made on first use, one file per purpose."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.errors import PermanentError
from contracts.files import fsync_path

_BYTES: Final = 32
MODELS: Final = "models"  # signs the pointer to the published model


@dataclass(frozen=True, slots=True)
class Key:
    """A secret with its identifier, the first 8 hex digits of its SHA-256, so that a later key can coexist."""

    key_id: str
    secret: bytes = field(repr=False)


def key_of(secret: bytes) -> Key:
    """The key of a secret."""
    return Key(hashlib.sha256(secret).hexdigest()[:8], secret)


def installation_key(folder: Path, purpose: str, *, make: bool = True) -> Key:
    """The key of a purpose, `<folder>/<purpose>.key`; the first call makes it (mode 0600, folder 0700).

    Args:
        folder: `var/secrets`.
        purpose: name of the file.
        make: False to refuse where there is none: a reader must not make a key that signs nothing.

    Raises:
        PermanentError: absent, or the file was changed.
    """
    path = folder / f"{purpose}.key"
    if not path.exists() and make:
        make_key_file(path)
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (ValueError, FileNotFoundError):
        secret = b""
    if len(secret) != _BYTES:
        raise PermanentError(
            f"The key `{purpose}` cannot be read.",
            where=str(path),
            remedy="Restore var/secrets from a copy; without one, remove the file and run the newest date again.",
        )
    return key_of(secret)


def make_key_file(path: Path) -> None:
    """Draw 32 random bytes into a file of hex digits (mode 0600, folder 0700); an existing one is kept."""
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = folder / f".{path.name}.{secrets.token_hex(8)}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, secrets.token_hex(_BYTES).encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(temporary, path)  # whoever comes first wins; nobody overwrites a key
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    fsync_path(folder)
