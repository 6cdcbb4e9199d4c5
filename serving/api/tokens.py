"""Web tokens of an issuer: whose keys are believed, and what a token's claims allow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import jwt

from contracts.errors import PassingError, SettingError
from recovery.access import Role
from serving.api.patience import Patience

# Asymmetric only: a token signed with the public key as if it were a shared secret is refused.
ALGORITHMS: Final = ("RS256", "ES256")
EVERYBODY: Final = "all"
_LEEWAY_SECONDS: Final = 10
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_NEEDED: Final = ("exp", "iat", "iss", "aud", "sub")
KeyFinder = Callable[[str], Any]


@dataclass(frozen=True)
class JwtRules:
    """Which tokens are believed.

    Attributes:
        issuer, audience: must be named by the token.
        jwks: address (https, or http on loopback) or file of the issuer's public keys.
        per_minute: requests of one subject in any 60 seconds.
    """

    issuer: str
    audience: str
    jwks: str
    per_minute: int = 600


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says, checked.

    Attributes:
        subject: stands for issuer and subject in usage, limits and logs.
        role: decides the rights.
        owner_id, team_id: whose people may be seen; both None where the token names everybody.
    """

    subject: str
    role: Role
    owner_id: str | None
    team_id: str | None


def read_token(token: str, rules: JwtRules, find_key: KeyFinder) -> Claims:
    """Claims of a token.

    Raises:
        jwt.PyJWTError, ValueError, KeyError, TypeError: it is wrong, ended or not meant for this service.
        PassingError: the issuer's keys cannot be fetched now.
    """
    claims = jwt.decode(
        token,
        find_key(token),
        algorithms=list(ALGORITHMS),
        audience=rules.audience,
        issuer=rules.issuer,
        leeway=_LEEWAY_SECONDS,
        options={"require": list(_NEEDED)},
    )
    owner_id, team_id = _text(claims, "owner_id"), _text(claims, "team_id")
    if owner_id is None and team_id is None and claims.get("people") != EVERYBODY:
        raise ValueError("whose people the token may see is not said")
    subject = hashlib.sha256(f"{claims['iss']} {claims['sub']}".encode()).hexdigest()[:12]
    return Claims(f"jwt-{subject}", Role(claims["role"]), owner_id, team_id)


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


def key_finder(jwks: str) -> KeyFinder:
    """Public key of a token, by its key id.

    Raises:
        SettingError: neither an https address, nor one of this machine, nor a file of keys.
    """
    parts = urlsplit(jwks)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return _fetching(jwks)
    if "://" in jwks:
        raise _bad_keys("Keys of an issuer are read from a file or by https only.")
    try:
        keys = jwt.PyJWKSet.from_json(Path(jwks).read_text(encoding="utf-8"))
    except OSError as error:
        raise _bad_keys(f"The file of the issuer's keys cannot be read: {error.strerror}.") from error
    except (ValueError, AttributeError, TypeError, jwt.PyJWTError) as error:
        raise _bad_keys("The file of the issuer's keys is no JSON Web Key Set.") from error
    return lambda token: keys[jwt.get_unverified_header(token)["kid"]].key


def _fetching(jwks: str) -> KeyFinder:
    client = jwt.PyJWKClient(jwks, cache_keys=True, lifespan=300, timeout=2)
    patience = Patience(answer_seconds=4.0)

    def fetch(token: str) -> Any:
        try:
            return client.get_signing_key_from_jwt(token).key
        except jwt.PyJWKClientConnectionError as error:
            raise _no_keys() from error

    def find(token: str) -> Any:
        try:
            return patience.ask(lambda: fetch(token))
        except PassingError as error:
            raise _no_keys() from error

    return find


def _no_keys() -> PassingError:
    return PassingError(
        "The issuer's keys cannot be fetched.", where="RECOVERY_API_JWKS", remedy="Try again in a few seconds."
    )


def _bad_keys(what: str) -> SettingError:
    return SettingError(what, where="RECOVERY_API_JWKS", remedy="Write an https address, or the path of a JWKS file.")
