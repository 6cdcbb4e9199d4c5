"""The ledger's verbs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

import pyarrow as pa
import sqlalchemy as sa

from contracts.errors import PermanentError
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.bulk import (
    ASSIGNMENTS_SCHEMA,
    CONTENTS_SCHEMA,
    LINKS_SCHEMA,
    TOUCHES_SCHEMA,
    as_stored,
    insert_rows,
    read_rows,
)
from recovery.ledger.engine import make_engine, migrate, reading, writing

_LINK_ORDER: Final = ("record_key", "since", "person_id")
# Rows of `contents` that belong to a touch: its words, and what it was planned on.
_KINDS_OF_TOUCHES: Final = ("touch", "permission")


class BatchState(StrEnum):
    """How far a batch came.

    `recorded`: written down, waits for approval. `emitted`: in the outbox as files, for good. `approved`: may be sent.
    `running`: a worker has begun. `paused`: by hand. `stopped`: by a breaker. Final are `finished`, `rejected`.
    """

    RECORDED = "recorded"
    EMITTED = "emitted"
    APPROVED = "approved"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    REJECTED = "rejected"


class RecordOutcome(StrEnum):
    """What `record_batch` did."""

    RECORDED = "recorded"
    ALREADY = "already"
    REPLACED = "replaced"
    KEPT_FIRST = "kept_first"


@dataclass(frozen=True)
class BatchRecord:
    """One batch.

    Attributes:
        batch_id: identifier derived from `sha256`.
        sha256: hash of the content.
        as_of_date: day of the decision.
        sender_id: who sends.
        state: see `BatchState`.
        planned: touches to be made.
        held_out: touches that are not made.
        path: folder below the outbox.
        created_at: when it was first written down, naive UTC; not part of the content.
        policy_version, model, rules: fingerprints that went into the content.
        facts: JSON that the plan shows: cost, exposure, expected result.
        state_reason, state_at: why and when it came into its state.
        canary_passed_at: when the first slice was found to be well received.
    """

    batch_id: str
    sha256: str
    as_of_date: date
    sender_id: str
    state: BatchState
    planned: int
    held_out: int
    path: str
    created_at: datetime
    policy_version: str = ""
    model: str = ""
    rules: str = ""
    facts: str = "{}"
    state_reason: str = ""
    state_at: datetime | None = None
    canary_passed_at: datetime | None = None


class Ledger:
    """Open ledger. Every verb is one transaction; close it or use it in a `with` block.

    Args:
        engine: SQLAlchemy engine whose tables are at the newest revision.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @property
    def engine(self) -> sa.Engine:
        """For the verbs of `recovery.delivery`, which work on the same database."""
        return self._engine

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def read_links(self, *, since_before: datetime | None = None) -> pa.Table:
        """Links record -> person, ordered by record_key, since, person_id.

        Args:
            since_before: only links with `since` strictly before this moment (naive UTC).
        """
        where, values = ("since < :moment", {"moment": since_before}) if since_before else ("", {})
        return self._read("person_links", LINKS_SCHEMA, _LINK_ORDER, where, values)

    def append_links(self, links: pa.Table) -> int:
        """Add links (columns of `LINKS_SCHEMA`, any order); known ones are left alone. Returns the new ones."""
        rows = links.select(LINKS_SCHEMA.names).cast(LINKS_SCHEMA)
        if rows.num_rows == 0:
            return 0
        with writing(self._engine) as connection:
            return insert_rows(connection, table="person_links", rows=rows, skip_existing=True)

    def read_assignments(self, *, before: date | None = None, since: date | None = None) -> pa.Table:
        """Assignments ordered by assignment_id.

        Args:
            before: only those of as-of dates strictly before.
            since: only those of as-of dates from here on.
        """
        conditions: list[str] = []
        values: dict[str, object] = {}
        if before is not None:
            conditions.append("as_of_date < :before")
            values["before"] = before
        if since is not None:
            conditions.append("as_of_date >= :since")
            values["since"] = since
        return self._read("assignments", ASSIGNMENTS_SCHEMA, ("assignment_id",), " and ".join(conditions), values)

    def _read(
        self, table: str, schema: pa.Schema, order: tuple[str, ...], where: str, values: Mapping[str, object]
    ) -> pa.Table:
        if self.dialect == "sqlite":  # stored as text
            values = {name: as_stored(value) for name, value in values.items()}
        with reading(self._engine) as connection:
            return read_rows(connection, table=table, schema=schema, order=order, where=where, values=values)

    def batch_of(self, *, as_of: date, sender_id: str) -> BatchRecord | None:
        """The batch of one day and sender, or None."""
        with reading(self._engine) as connection:
            return _find(connection, as_of, sender_id)

    def batches(self) -> tuple[BatchRecord, ...]:
        """All batches by day and sender."""
        query = sa.select(tables.batches).order_by(tables.batches.c.as_of_date, tables.batches.c.sender_id)
        with reading(self._engine) as connection:
            return tuple(_record(row) for row in connection.execute(query))

    def record_batch(
        self,
        batch: BatchRecord,
        assignments: pa.Table,
        *,
        touches: pa.Table | None = None,
        contents: pa.Table | None = None,
        replace_recorded: bool = False,
    ) -> tuple[RecordOutcome, BatchRecord]:
        """Write a batch, its assignments, touches and words down, in one transaction.

        The same batch a second time changes nothing. Another batch of the same day and sender is refused and
        the first one is kept, unless `replace_recorded` and the first one was never emitted.

        Args:
            batch: the batch; its state must be `recorded`.
            assignments: columns of `ASSIGNMENTS_SCHEMA`, one row per touch, held-out ones included.
            touches: columns of `TOUCHES_SCHEMA`, one row per assignment; None for a batch that is never delivered.
            contents: columns of `CONTENTS_SCHEMA`, words and addresses by touch_id.
            replace_recorded: the caller knows that nothing of a merely recorded batch has left the house.

        Returns:
            What was done, and the batch that now stands for that day.

        Raises:
            PermanentError: somebody would get a step of a playbook for the second time in one dormancy spell.
        """
        rows = {"assignments": assignments.select(ASSIGNMENTS_SCHEMA.names).cast(ASSIGNMENTS_SCHEMA)}
        if touches is not None:
            rows["touches"] = touches.select(TOUCHES_SCHEMA.names).cast(TOUCHES_SCHEMA)
        if contents is not None:
            rows["contents"] = contents.select(CONTENTS_SCHEMA.names).cast(CONTENTS_SCHEMA)
        try:
            with writing(self._engine, "record_batch") as connection:
                return _record_batch(connection, batch, rows, replace_recorded)
        except sa.exc.IntegrityError as error:
            raise PermanentError(
                "Somebody in the batch already has this step of this playbook in this dormancy spell.",
                where=f"batch {batch.batch_id}",
                remedy="Run the day again: the plan leaves out whoever the ledger already knows.",
            ) from error

    def mark_emitted(self, batch_id: str, *, sink: str = "outbox", now: datetime | None = None) -> None:
        """The batch is in the outbox for good; marking twice changes nothing.

        Its approved touches of that sink are sent. A batch that other sinks still have to deliver stays approved.

        Args:
            batch_id: the batch.
            sink: name of the outbox in `touches`.
            now: naive UTC; the batch's own moment if not given.
        """
        with writing(self._engine, "mark_emitted") as connection:
            _mark_emitted(connection, batch_id, sink, now)


def _find(connection: sa.Connection, as_of: date, sender_id: str) -> BatchRecord | None:
    query = sa.select(tables.batches).where(
        tables.batches.c.as_of_date == as_of, tables.batches.c.sender_id == sender_id
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _record(row)


def _record(row: sa.Row[tuple[object, ...]]) -> BatchRecord:
    values = dict(row._mapping)
    return BatchRecord(**{**values, "state": BatchState(values["state"])})


def _mark_emitted(connection: sa.Connection, batch_id: str, sink: str, now: datetime | None) -> None:
    touch, batch = tables.touches, tables.batches
    created: datetime | None = connection.execute(
        sa.select(batch.c.created_at).where(batch.c.batch_id == batch_id)
    ).scalar_one_or_none()
    if created is None:
        return
    at = now or created
    written = connection.execute(
        sa.update(touch)
        .where(touch.c.batch_id == batch_id, touch.c.state == "approved", touch.c.sink == sink)
        .values(state="sent", settled_at=at)
    ).rowcount
    others = sa.select(touch.c.touch_id).where(
        touch.c.batch_id == batch_id, touch.c.sink != sink, touch.c.state.in_(["planned", "approved", "claimed"])
    )
    if connection.execute(others.limit(1)).first() is None:
        connection.execute(
            sa.update(batch)
            .where(batch.c.batch_id == batch_id, batch.c.state.in_(["recorded", "approved"]))
            .values(state=BatchState.EMITTED.value, state_at=at)
        )
    if written:
        append_audit(connection, [AuditEntry("outbox_written", batch_id, {"touches": written})], at=at)


def _record_batch(
    connection: sa.Connection, batch: BatchRecord, rows: Mapping[str, pa.Table], replace_recorded: bool
) -> tuple[RecordOutcome, BatchRecord]:
    outcome = RecordOutcome.RECORDED
    known = _find(connection, batch.as_of_date, batch.sender_id)
    if known is not None:
        if known.batch_id == batch.batch_id:
            return RecordOutcome.ALREADY, known
        if known.state is not BatchState.RECORDED or not replace_recorded:
            return RecordOutcome.KEPT_FIRST, known
        _forget_batch(connection, known.batch_id)
        outcome = RecordOutcome.REPLACED
    connection.execute(sa.insert(tables.batches).values(**{**vars(batch), "state": batch.state.value}))
    for table, content in rows.items():
        insert_rows(connection, table=table, rows=content, skip_existing=False)
    entry = AuditEntry("batch_recorded", batch.batch_id, {"sha256": batch.sha256, "planned": batch.planned})
    append_audit(connection, [entry], at=batch.created_at)
    return outcome, batch


def _forget_batch(connection: sa.Connection, batch_id: str) -> None:
    touch = tables.touches
    own = sa.select(touch.c.touch_id).where(touch.c.batch_id == batch_id)
    content = tables.contents
    connection.execute(sa.delete(content).where(content.c.kind.in_(_KINDS_OF_TOUCHES), content.c.ref_id.in_(own)))
    for table in (touch, tables.assignments, tables.batches):
        connection.execute(sa.delete(table).where(table.c.batch_id == batch_id))


def open_ledger(url: str) -> Ledger:
    """Open the ledger at an SQLAlchemy URL; makes the folder and the tables when they are missing.

    Raises:
        SettingError: neither SQLite nor PostgreSQL.
        PassingError: the database does not answer or is busy.
        PermanentError: a newer release wrote it.
    """
    engine = make_engine(url)
    try:
        migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return Ledger(engine)
