"""A ledger with touches that were sent, for the tests of feedback and rights."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from recovery.addresses import address_key_of
from recovery.ledger import schema as tables
from recovery.ledger.engine import make_engine, migrate, reading, writing

SENT = datetime(2026, 6, 1, 9)
NOW = datetime(2026, 6, 1, 12)
ADDRESSES = address_key_of(bytes(range(32)))


def open_engine(url: str) -> sa.Engine:
    engine = make_engine(url)
    migrate(engine)
    return engine


def touch_id(number: int) -> str:
    return f"touch-{number:05d}"


def email_of(number: int) -> str:
    return f"lead{number}@x.example"


def seed(engine: sa.Engine, numbers: Iterable[int], *, channel: str = "email") -> None:
    """Touches of one batch, sent three hours before `NOW`."""
    numbers = list(numbers)
    batch = {"batch_id": "batch-1", "sha256": "0" * 64, "as_of_date": date(2026, 6, 1), "sender_id": "main",
             "state": "finished", "planned": len(numbers), "held_out": 0, "path": "batch-1",
             "created_at": SENT}  # fmt: skip
    touches = [
        {"touch_id": touch_id(n), "batch_id": "batch-1", "person_id": f"person-{n}", "sender_id": "main",
         "channel": channel, "playbook": "b2b_starter", "step": 1, "cycle": 1,
         "address_hash": ADDRESSES.hash(email_of(n)),
         "content_sha256": "0" * 64, "idempotency_key": f"key-{n}", "sink": "smtp", "state": "sent",
         "not_before": SENT, "expires_at": SENT + timedelta(hours=8)}
        for n in numbers
    ]  # fmt: skip
    attempts = [
        {"touch_id": touch_id(n), "number": 1, "claim_id": "c", "worker": "w", "sink": "smtp", "outcome": "sent",
         "code": "250", "provider_id": f"Q{n:06d}", "at": SENT}
        for n in numbers
    ]  # fmt: skip
    with writing(engine) as connection:
        connection.execute(sa.insert(tables.batches), [batch])
        connection.execute(sa.insert(tables.touches), touches)
        connection.execute(sa.insert(tables.attempts), attempts)


def rows(engine: sa.Engine, table: sa.Table) -> list[dict[str, object]]:
    with reading(engine) as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(table))]


def count(engine: sa.Engine, table: sa.Table) -> int:
    with reading(engine) as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
