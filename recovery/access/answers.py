"""Idempotency keys as payment APIs have them: the same key and body get the first answer, another body a conflict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from recovery.ledger.engine import reading, writing
from recovery.ledger.schema_access import api_answers

KEEP: Final = timedelta(hours=24)
# A request that was begun and never answered is given up after this long: its process died.
GIVE_UP: Final = timedelta(seconds=60)


class Claim(StrEnum):
    """What an idempotency key says about a request."""

    NEW = "new"
    REPEATED = "repeated"
    CONFLICT = "conflict"
    IN_PROGRESS = "in_progress"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim with the stored answer of a repeated request."""

    claim: Claim
    status: int = 0
    answer: str = ""


def claim_answer(
    engine: sa.Engine, *, key_id: str, idempotency_key: str, route: str, body_sha256: str, now: datetime
) -> Claimed:
    """Take an idempotency key for a request, or learn what became of it; one transaction (naive UTC)."""
    insert: Any = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
    own = (api_answers.c.key_id == key_id, api_answers.c.idempotency_key == idempotency_key)
    row = {
        "key_id": key_id, "idempotency_key": idempotency_key, "route": route, "body_sha256": body_sha256,
        "created_at": now,
    }  # fmt: skip
    stale = sa.or_(
        api_answers.c.created_at <= now - KEEP,
        sa.and_(api_answers.c.status.is_(None), api_answers.c.created_at <= now - GIVE_UP),
    )
    with writing(engine) as connection:
        connection.execute(sa.delete(api_answers).where(*own, stale))
        taken = insert(api_answers).values(**row).on_conflict_do_nothing().returning(api_answers.c.key_id)
        if connection.execute(taken).first() is not None:
            return Claimed(Claim.NEW)
        found = connection.execute(sa.select(api_answers).where(*own)).one()
    if found.route != route or found.body_sha256 != body_sha256:
        return Claimed(Claim.CONFLICT)
    if found.status is None:
        return Claimed(Claim.IN_PROGRESS)
    return Claimed(Claim.REPEATED, int(found.status), str(found.answer))


def keep_answer(engine: sa.Engine, *, key_id: str, idempotency_key: str, status: int, answer: str) -> None:
    """Store the answer of a claimed request."""
    own = (api_answers.c.key_id == key_id, api_answers.c.idempotency_key == idempotency_key)
    with writing(engine) as connection:
        connection.execute(sa.update(api_answers).where(*own).values(status=status, answer=answer))


def release_answer(engine: sa.Engine, *, key_id: str, idempotency_key: str) -> None:
    """Give a claimed key back: the request failed and may be tried again."""
    own = (api_answers.c.key_id == key_id, api_answers.c.idempotency_key == idempotency_key)
    with writing(engine) as connection:
        connection.execute(sa.delete(api_answers).where(*own, api_answers.c.status.is_(None)))


def forget_answers(engine: sa.Engine, *, now: datetime) -> int:
    """Delete answers that are older than `KEEP`; returns how many."""
    with reading(engine) as connection:
        old = connection.execute(
            sa.select(sa.func.count()).select_from(api_answers).where(api_answers.c.created_at <= now - KEEP)
        ).scalar_one()
    if old:
        with writing(engine) as connection:
            connection.execute(sa.delete(api_answers).where(api_answers.c.created_at <= now - KEEP))
    return int(old)
