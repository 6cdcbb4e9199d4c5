"""What an erasure looks for, kept until it is through: a run that was stopped half-way can be finished.

Once rows and links are gone nothing leads from an address to the other words of a person any more. They stand in the
erasable table meanwhile, and go last.
"""

from __future__ import annotations

import json
from datetime import datetime

import sqlalchemy as sa

from recovery.addresses import normalise_address
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading, writing
from recovery.rights.ledger_texts import ERASURE
from recovery.rights.matching import Identifiers


def keep_words(engine: sa.Engine, request_id: str, people: Identifiers, *, now: datetime) -> None:
    """Write down who an erasure is about; a second time changes nothing."""
    content = tables.contents
    sets = {
        name: sorted(getattr(people, name))
        for name in ("person_ids", "current_ids", "emails", "phones", "numbers", "names", "touch_ids")
    }
    records = [[*key, *sorted(ids)] for key, ids in sorted(people.records.items())]
    row = {
        "kind": ERASURE,
        "ref_id": request_id,
        "extra": json.dumps({**sets, "records": records, "shared": people.shared}, ensure_ascii=False),
        "created_at": now,
    }
    with writing(engine) as connection:
        query = sa.select(content.c.ref_id).where(content.c.kind == ERASURE, content.c.ref_id == request_id)
        if connection.execute(query).first() is None:
            connection.execute(sa.insert(content), [row])


def unfinished_erasure(engine: sa.Engine, who: str) -> tuple[str, Identifiers] | None:
    """Open erasure of this person id, e-mail address or `+` number: its request and whom it is about."""
    content = tables.contents
    with reading(engine) as connection:
        query = sa.select(content.c.ref_id, content.c.extra).where(content.c.kind == ERASURE)
        rows = connection.execute(query.order_by(content.c.created_at)).all()
    for row in rows:
        people = _people(row.extra)
        if who.strip() in people.person_ids or normalise_address(who) in people.emails | people.numbers:
            return row.ref_id, people
    return None


def forget_words(engine: sa.Engine, request_id: str) -> None:
    """The erasure is through; SQLite overwrites what stood there."""
    content = tables.contents
    with writing(engine) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        connection.execute(sa.delete(content).where(content.c.kind == ERASURE, content.c.ref_id == request_id))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("vacuum contents")
            return
        connection.rollback()
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _people(text: str) -> Identifiers:
    kept = json.loads(text)
    records = {(source, kind): frozenset(ids) for source, kind, *ids in kept.pop("records")}
    shared = kept.pop("shared")
    return Identifiers(**{name: frozenset(values) for name, values in kept.items()}, records=records, shared=shared)
