"""DKIM (RFC 6376): signs what a receiver must be able to trust, the one-click headers among it (RFC 8058, 4).

Parsing and canonical forms are dkimpy's; the signature itself is OpenSSL's, because dkimpy's own arithmetic takes
twelve times as long (docs/channels.md).
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Final

import dkim
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dkim.canonicalization import Relaxed, Simple

from contracts.errors import SettingError

# Signed when present, and named once more than they occur, so that nobody adds a second one (RFC 6376, 5.4.2).
_SEALED: Final = (b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"list-unsubscribe",
                  b"list-unsubscribe-post", b"mime-version", b"content-type")  # fmt: skip
_LEAST_BITS: Final = 1024  # mailbox providers refuse shorter keys


class DkimSigner:
    """Signs finished messages for one domain.

    Args:
        domain: the signing domain; the From address must be of it or of a subdomain (DMARC, relaxed).
        selector: names the key in DNS: `<selector>._domainkey.<domain>`.
        private_key: PEM of an RSA key of at least 1024 bits (2048 advised) or an Ed25519 key (RFC 8463).

    Raises:
        SettingError: the key cannot be used.
    """

    def __init__(self, domain: str, selector: str, private_key: bytes) -> None:
        try:
            key = load_pem_private_key(private_key, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _unusable("it is not an unencrypted private key in PEM form") from error
        if isinstance(key, RSAPrivateKey):
            if key.key_size < _LEAST_BITS:
                raise _unusable(f"{key.key_size} bits are fewer than {_LEAST_BITS}")
            self._algorithm = b"rsa-sha256"
        elif isinstance(key, Ed25519PrivateKey):
            self._algorithm = b"ed25519-sha256"
        else:
            raise _unusable("it is neither RSA nor Ed25519")
        self._key: RSAPrivateKey | Ed25519PrivateKey = key
        self.domain = domain.lower()
        self.selector = selector

    def sign(self, message: bytes, *, at: datetime) -> bytes:
        """The message with a DKIM-Signature in front.

        Args:
            message: CRLF line ends.
            at: time of signing, naive UTC.
        """
        headers, body = dkim.rfc822_parse(message)
        canonical = Relaxed.canonicalize_headers(headers)
        present = {name for name, _ in canonical}
        names = [name for name in _SEALED for _ in range(2 if name in present else 1)]
        body_hash = base64.b64encode(hashlib.sha256(Simple.canonicalize_body(body)).digest())
        field = b"".join(
            (
                b" v=1; a=", self._algorithm, b"; c=relaxed/simple; d=", self.domain.encode("ascii"),
                b"; s=", self.selector.encode("ascii"), b";\r\n\tt=", b"%d" % at.replace(tzinfo=UTC).timestamp(),
                b"; bh=", body_hash, b";\r\n\th=", b":\r\n\t ".join(names), b";\r\n\tb=",
            )
        )  # fmt: skip
        signed = b"".join(
            name + b":" + value
            for name, value in (
                *dkim.select_headers(canonical, names),
                *Relaxed.canonicalize_headers([(b"DKIM-Signature", field)]),
            )
        )
        signature = self._sign(signed.removesuffix(b"\r\n"))
        return b"DKIM-Signature:" + field + base64.b64encode(signature) + b"\r\n" + message

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, PKCS1v15(), hashes.SHA256())
        # RFC 8463, 3: Ed25519 signs the hash.
        return self._key.sign(hashlib.sha256(data).digest())


def _unusable(reason: str) -> SettingError:
    return SettingError(
        f"The DKIM key cannot be used: {reason}.",
        where="RECOVERY_DKIM_KEY_FILE",
        remedy="Make one with `openssl genrsa 2048` and publish its public half in DNS.",
    )
