"""API keys: shown once, kept as a hash, scoped to an owner or a team, rotatable, expiring."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from contracts.errors import BadInputError
from recovery.ledger.engine import reading, writing
from recovery.ledger.schema_access import api_keys

PREFIX: Final = "lre"
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_NO_HASH: Final = hashlib.sha256(b"no such key").hexdigest()


class Role(StrEnum):
    """What a caller may do; each may do what its rights say, none includes another by name."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    COMPLIANCE = "compliance"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key.

    Attributes:
        key_id: public part, stands in logs and usage.
        name: what the operator called it.
        role: what it may do.
        owner_id, team_id: sees only people of this owner and of this team; None sees all.
        per_minute: requests in any 60 seconds.
        created_at, expires_at, revoked_at: naive UTC.
        replaces: the key that this one was rotated from.
    """

    key_id: str
    name: str
    role: Role
    owner_id: str | None
    team_id: str | None
    per_minute: int
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    replaces: str | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether the key may be used at a moment (naive UTC)."""
        ended = [moment for moment in (self.expires_at, self.revoked_at) if moment is not None]
        return all(now < moment for moment in ended)


def split_token(token: str) -> tuple[str, str] | None:
    """Key id and secret of `lre_<id>_<secret>`; None for anything else."""
    parts = token.split("_", 2)
    if len(parts) != 3 or parts[0] != PREFIX or not parts[1] or not parts[2]:
        return None
    return parts[1], parts[2]


class KeyStore:
    """Keys in the ledger.

    Args:
        engine: of the ledger.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def issue(
        self,
        *,
        name: str,
        role: Role,
        now: datetime,
        owner_id: str | None = None,
        team_id: str | None = None,
        per_minute: int = 600,
        valid_days: int | None = 365,
        replaces: str | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key; returns it with its token, which is shown now and never again."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        expires = None if valid_days is None else now + timedelta(days=valid_days)
        key = ApiKey(
            secrets.token_hex(_ID_BYTES), name, role, owner_id, team_id, per_minute, now, expires, None, replaces
        )
        row = {
            **{name: getattr(key, name) for name in ApiKey.__slots__},
            "role": role.value,
            "secret_sha256": _hash(secret),
        }
        with writing(self._engine) as connection:
            connection.execute(sa.insert(api_keys).values(**row))
        return key, f"{PREFIX}_{key.key_id}_{secret}"

    def rotate(self, key_id: str, *, now: datetime, grace: timedelta = timedelta(days=1)) -> tuple[ApiKey, str]:
        """A new key with the rights of an old one, which ends after a grace period.

        Raises:
            BadInputError: no live key has this id.
        """
        old = self._live(key_id, now)
        valid = None if old.expires_at is None else max(1, (old.expires_at - old.created_at).days)
        made = self.issue(
            name=old.name, role=old.role, now=now, owner_id=old.owner_id, team_id=old.team_id,
            per_minute=old.per_minute, valid_days=valid, replaces=key_id,
        )  # fmt: skip
        end = now + grace if old.expires_at is None else min(old.expires_at, now + grace)
        with writing(self._engine) as connection:
            connection.execute(sa.update(api_keys).where(api_keys.c.key_id == key_id).values(expires_at=end))
        return made

    def revoke(self, key_id: str, *, now: datetime) -> None:
        """End a key at once.

        Raises:
            BadInputError: no live key has this id.
        """
        self._live(key_id, now)
        with writing(self._engine) as connection:
            connection.execute(sa.update(api_keys).where(api_keys.c.key_id == key_id).values(revoked_at=now))

    def every(self) -> tuple[ApiKey, ...]:
        """All keys, ended ones too, by creation."""
        query = sa.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)
        with reading(self._engine) as connection:
            return tuple(_key(row) for row in connection.execute(query))

    def verify(self, token: str, *, now: datetime) -> ApiKey | None:
        """The live key that a token belongs to; None for a wrong, ended or malformed one, in the same time."""
        parts = split_token(token)
        key_id, secret = parts if parts is not None else ("", "")
        query = sa.select(api_keys).where(api_keys.c.key_id == key_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        stored = _NO_HASH if row is None else str(row.secret_sha256)
        if not hmac.compare_digest(stored, _hash(secret)) or row is None:
            return None
        key = _key(row)
        return key if key.is_live(now) else None

    def _live(self, key_id: str, now: datetime) -> ApiKey:
        found = next((key for key in self.every() if key.key_id == key_id and key.is_live(now)), None)
        if found is None:
            raise BadInputError(
                f"No live API key has the id {key_id}.",
                where="table api_keys",
                remedy="`recovery apikey list` shows the keys.",
            )
        return found


def _hash(secret: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: sa.Row[tuple[object, ...]]) -> ApiKey:
    values = {name: row._mapping[name] for name in ApiKey.__slots__}
    return ApiKey(**{**values, "role": Role(values["role"])})
