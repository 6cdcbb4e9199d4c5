"""Who is asking: API keys from the ledger and JSON web tokens, what they may do and whom they may see."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

import jwt

from contracts.errors import RecoveryError
from recovery.access import ApiKey, Role
from serving.api.patience import Patience, away
from serving.api.problems import ProblemError
from serving.api.tokens import JwtRules, key_finder, read_token

_REMEMBERED_SECONDS: Final = 2.0  # a revoked key works at most this much longer
_KEPT_SECONDS: Final = 600.0  # so long a key that was seen works on while the ledger is away
_MOST_REMEMBERED: Final = 10_000


class Right(StrEnum):
    """What a route needs."""

    SCORE = "score"
    EVENTS = "events"
    INSIGHT = "insight"
    MODEL = "model"
    USAGE = "usage"


RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.VIEWER: frozenset({Right.SCORE, Right.INSIGHT, Right.MODEL}),
    Role.OPERATOR: frozenset({Right.SCORE, Right.INSIGHT, Right.MODEL, Right.EVENTS}),
    Role.COMPLIANCE: frozenset({Right.INSIGHT, Right.MODEL, Right.USAGE}),
    Role.ADMIN: frozenset(Right),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        key_id: stands in usage, limits and logs.
        role: decides the rights.
        owner_id, team_id: sees only people of this owner and this team; None sees all.
        per_minute: requests in any 60 seconds.
    """

    key_id: str
    role: Role
    owner_id: str | None
    team_id: str | None
    per_minute: int

    def may(self, right: Right) -> bool:
        """Whether the role has a right."""
        return right in RIGHTS[self.role]


@dataclass(frozen=True, slots=True)
class _Known:
    """Somebody who was verified: believed unasked for a moment, and to the end while nobody can be asked."""

    principal: Principal
    fresh_until: float
    ends: float


class KeyVerifier(Protocol):
    """`recovery.access.KeyStore`, as far as it is needed here."""

    def verify(self, token: str, *, now: datetime) -> ApiKey | None:
        """The live key of a token."""
        ...


class Authenticator:
    """Turns credentials into a principal.

    Args:
        keys: API keys.
        rules: None refuses every web token.
        clock: monotonic seconds, for what is remembered.
        patience: asks the ledger.
    """

    def __init__(
        self,
        keys: KeyVerifier,
        rules: JwtRules | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        patience: Patience | None = None,
    ) -> None:
        self._keys, self._rules, self._clock = keys, rules, clock
        self._patience = patience or Patience()
        self._remembered: OrderedDict[bytes, _Known] = OrderedDict()
        self._lock = threading.Lock()
        self._find_key = key_finder(rules.jwks) if rules else None

    def verify(self, token: str) -> Principal:
        """Who a credential belongs to; asks the ledger or the issuer's keys.

        While the ledger is away a key that was seen in the last minutes works on, until the end that was known then.

        Raises:
            ProblemError: 401 for a wrong, ended or malformed one.
            PassingError: the ledger does not answer, and the key was not seen lately.
        """
        digest = _digest(token)
        if token.count(".") == 2:
            found, ends = self._from_token(token), self._clock() + _REMEMBERED_SECONDS
        else:
            try:
                found, ends = self._patience.ask(lambda: self._from_key(token))
            except RecoveryError as error:
                with self._lock:
                    known = self._remembered.get(digest)
                if known is None or known.ends <= self._clock():
                    raise away() from error
                return known.principal
            except ProblemError:
                with self._lock:  # what was revoked does not come back while the ledger is away
                    self._remembered.pop(digest, None)
                raise
        self._remember(digest, found, ends)
        return found

    @property
    def is_degraded(self) -> bool:
        """Whether keys cannot be looked up."""
        return self._patience.is_away

    def recall(self, token: str) -> Principal | None:
        """The same from memory, for a credential that was verified a moment ago."""
        digest = _digest(token)
        with self._lock:
            known = self._remembered.get(digest)
        return known.principal if known is not None and known.fresh_until > self._clock() else None

    def has_seen(self, token: str) -> bool:
        """Whether a credential was right in the last minutes."""
        with self._lock:
            known = self._remembered.get(_digest(token))
        return known is not None and known.ends > self._clock()

    def _remember(self, digest: bytes, principal: Principal, ends: float) -> None:
        with self._lock:
            fresh_until = min(self._clock() + _REMEMBERED_SECONDS, ends)
            self._remembered[digest] = _Known(principal, fresh_until, ends)
            self._remembered.move_to_end(digest)
            while len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)

    def _from_key(self, token: str) -> tuple[Principal, float]:
        """Who a key belongs to, and until when that may be believed (monotonic seconds)."""
        now = datetime.now(UTC).replace(tzinfo=None)
        key = self._keys.verify(token, now=now)
        if key is None:
            raise _refusal("The key is wrong, ended or revoked.")
        ends = [(end - now).total_seconds() for end in (key.expires_at, key.revoked_at) if end is not None]
        found = Principal(key.key_id, key.role, key.owner_id, key.team_id, key.per_minute)
        return found, self._clock() + min([_KEPT_SECONDS, *ends])

    def _from_token(self, token: str) -> Principal:
        if self._rules is None or self._find_key is None:
            raise _refusal("Web tokens are not accepted here.")
        try:
            said = read_token(token, self._rules, self._find_key)
        except (jwt.PyJWTError, ValueError, KeyError, TypeError) as error:
            raise _refusal("The token is wrong, ended or not meant for this service.") from error
        return Principal(said.subject, said.role, said.owner_id, said.team_id, self._rules.per_minute)


def credential(authorization: str | None, api_key: str | None) -> str:
    """The credential of `X-API-Key` or `Authorization: Bearer`.

    Raises:
        ProblemError: 401 when there is none.
    """
    scheme, _, token = (authorization or "").partition(" ")
    found = api_key or (token.strip() if scheme.lower() == "bearer" else "")
    if not found:
        raise _refusal("A key is missing.")
    return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _refusal(detail: str) -> ProblemError:
    return ProblemError(
        401,
        "not_authenticated",
        detail,
        remedy="Send `Authorization: Bearer <key>`; an administrator makes keys with `recovery apikey issue`.",
        headers={"WWW-Authenticate": 'Bearer realm="recovery"'},
    )
