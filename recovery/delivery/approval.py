"""Approval binds to the hash of a batch's content; without one nothing leaves."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from contracts.errors import PermanentError
from contracts.words import Arm
from recovery.batch import BatchHead, DigestLine, batch_digest
from recovery.delivery.control import move_batch
from recovery.delivery.exposure import NO_FIGURE
from recovery.delivery.words import TouchState
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import reading, writing
from recovery.ledger.store import BatchRecord, BatchState

_CONFIDENCE: Final = 0.95
_PAGE: Final = 10_000
# What a touch and its assignment must agree on; `not_before` may have moved on.
_COMMON: Final = (
    "batch_id", "person_id", "sender_id", "channel", "playbook", "step", "cycle", "content_sha256", "expires_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """Messages that a human read, and how many of them were not fit to be sent."""

    size: int
    defects: int

    def bound(self, confidence: float = _CONFIDENCE) -> float:
        """Upper bound of the share of defects in the batch (Clopper and Pearson 1934, one-sided, exact)."""
        from scipy.stats import beta

        if not 0 <= self.defects <= self.size or self.size == 0:
            raise PermanentError("A sample has at least one message and no more defects than messages.")
        if self.defects == self.size:
            return 1.0
        return float(beta.ppf(confidence, self.defects + 1, self.size - self.defects))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Below all of them a batch is approved by itself; above, only a human can.

    Attributes:
        touches: most touches.
        cost: most cost, reporting currency.
        exposure: most worst-case exposure by currency, see `recovery.delivery.exposure`; no currency that is not named
            passes.
        defect_rate: highest bound at which a sample approves.
    """

    touches: int
    cost: float
    exposure: Mapping[str, float]
    defect_rate: float = 0.05


def passes_by_itself(thresholds: Thresholds, *, touches: int, cost: float, exposure: Mapping[str, float]) -> str | None:
    """Why a batch needs a human, or None.

    Args:
        thresholds: what passes without one.
        touches: to be made.
        cost: of sending, reporting currency.
        exposure: worst-case legal exposure by currency.
    """
    for name, value, most in (("touches", touches, thresholds.touches), ("cost", cost, thresholds.cost)):
        if value > most:
            return f"{name} {value:,.0f} above {most:,.0f}"
    for currency, value in sorted(exposure.items()):
        if currency not in thresholds.exposure:
            unnamed = "no figure is on record for a country" if currency == NO_FIGURE else f"{value:,.0f} {currency}"
            return f"worst-case exposure ({unnamed}) in a currency without a threshold"
        if value > thresholds.exposure[currency]:
            return f"worst-case exposure {value:,.0f} {currency} above {thresholds.exposure[currency]:,.0f}"
    return None


def approve(
    engine: sa.Engine,
    batch_id: str,
    *,
    sha256: str,
    by: str,
    method: str,
    now: datetime,
    sample: Sample | None = None,
    most_defects: float = 0.05,
    rules: str = "",
    model: str = "",
) -> None:
    """Let a batch be sent, exactly as it is.

    Args:
        engine: of the ledger.
        batch_id: the batch.
        sha256: what the approver saw, whole or its first 16 digits or more.
        by: who.
        method: `automatic`, `whole` or `sample`.
        now: naive UTC.
        sample: what was read, for the method `sample`.
        most_defects: highest bound at which a sample approves.
        rules, model: fingerprints in force now; empty is not compared.

    Raises:
        PermanentError: the content, the rules or the model changed, the sample is too bad or too small, or the batch
            does not wait for approval.
    """
    bound = sample.bound() if sample else None
    if bound is not None and bound > most_defects:
        raise PermanentError(
            f"Up to {bound:.1%} of the batch may be defective (95 % confidence); the limit is {most_defects:.1%}.",
            where=batch_id,
            remedy="Read more messages, or all of them and approve the batch whole, or mend the words and plan again.",
        )
    batch = verify_content(engine, batch_id, rules=rules, model=model)
    if sample is not None and sample.size > batch.planned:
        raise PermanentError(
            f"A sample of {sample.size:,} cannot come from {batch.planned:,} messages.",
            where=batch_id,
            remedy="`recovery approve BATCH --show N` draws the sample; give the number that was read.",
        )
    if len(sha256) < 16 or not batch.sha256.startswith(sha256.lower()):
        raise PermanentError(
            "The batch is not the one that was looked at.",
            where=f"{batch_id}, sha256 {batch.sha256}",
            remedy="Look at the plan again and approve the hash that it shows.",
        )
    with writing(engine, "approve") as connection:
        _decide(connection, batch, "approved", method, by, now, sample, bound)
        if not move_batch(connection, batch_id, BatchState.APPROVED, reason=f"approved by {by} ({method})", now=now):
            raise _not_waiting(batch)
        touch = tables.touches
        connection.execute(
            sa.update(touch)
            .where(touch.c.batch_id == batch_id, touch.c.state == TouchState.PLANNED.value)
            .values(state=TouchState.APPROVED.value)
        )


def _not_waiting(batch: BatchRecord) -> PermanentError:
    return PermanentError(
        f"The batch is {batch.state.value} and does not wait for approval.",
        where=batch.batch_id,
        remedy="`recovery batches` shows where each batch stands.",
    )


def _decide(
    connection: sa.Connection,
    batch: BatchRecord,
    decision: str,
    method: str,
    by: str,
    now: datetime,
    sample: Sample | None,
    bound: float | None,
) -> None:
    if batch.state is not BatchState.RECORDED:
        raise _not_waiting(batch)
    row = {
        "approval_id": uuid.uuid4().hex,
        "batch_id": batch.batch_id,
        "sha256": batch.sha256,
        "decision": decision,
        "method": method,
        "decided_by": by,
        "decided_at": now,
        "sample_size": sample.size if sample else None,
        "sample_defects": sample.defects if sample else None,
        "defect_bound": bound,
    }
    connection.execute(sa.insert(tables.approvals).values(**row))
    entry = {"sha256": batch.sha256, "method": method, "by": by, "bound": bound}
    append_audit(connection, [AuditEntry(f"batch_{decision}_by", batch.batch_id, entry)], at=now)


def verify_content(engine: sa.Engine, batch_id: str, *, rules: str = "", model: str = "") -> BatchRecord:
    """Recompute a batch's hash from what the ledger holds, and compare fingerprints.

    Raises:
        PermanentError: recipients, words, windows, rules or model are not those of the batch.
    """
    with reading(engine) as connection:
        batch = _read_batch(connection, batch_id)
        head = BatchHead(batch.as_of_date, batch.sender_id, batch.policy_version, batch.model, batch.rules)
        if batch_digest(head, _lines(connection, batch_id)) != batch.sha256 or _differs(connection, batch_id):
            raise _changed(batch, "Recipients, words or windows")
    for name, now_in_force, of_batch in (("The rules", rules, batch.rules), ("The model", model, batch.model)):
        if now_in_force and now_in_force != of_batch:
            raise _changed(batch, name)
    return batch


def _read_batch(connection: sa.Connection, batch_id: str) -> BatchRecord:
    row = connection.execute(sa.select(tables.batches).where(tables.batches.c.batch_id == batch_id)).one_or_none()
    if row is None:
        raise PermanentError("There is no such batch.", where=batch_id, remedy="`recovery batches` names them.")
    return BatchRecord(**{**row._mapping, "state": BatchState(row.state)})


def _changed(batch: BatchRecord, what: str) -> PermanentError:
    return PermanentError(
        f"{what} changed since the batch was made.",
        where=batch.batch_id,
        remedy=f"Cancel it (`recovery batches --cancel {batch.batch_id}`) and plan again.",
    )


def _lines(connection: sa.Connection, batch_id: str) -> Iterator[DigestLine]:
    row = tables.assignments.c
    query = (
        sa.select(
            row.assignment_id, row.arm, row.channel, row.content_sha256, row.not_before, row.expires_at,
            row.propensity, row.rank,
        )
        .where(row.batch_id == batch_id)
    )  # fmt: skip
    bytewise = row.assignment_id.collate("C") if connection.dialect.name == "postgresql" else row.assignment_id
    yield from connection.execution_options(yield_per=_PAGE).execute(query.order_by(bytewise))


def _differs(connection: sa.Connection, batch_id: str) -> bool:
    """Whether a touch says something else than its assignment, is missing, or has no assignment."""
    touch, row = tables.touches, tables.assignments
    same = (row.c[name] == touch.c[name] for name in _COMMON)
    is_held_out = sa.and_(row.c.arm == Arm.HELD_OUT.value, touch.c.state != TouchState.SKIPPED.value)
    matching = sa.select(sa.func.count()).select_from(
        row.join(touch, touch.c.touch_id == row.c.assignment_id)
    ).where(*same, row.c.batch_id == batch_id, touch.c.not_before >= row.c.not_before, ~is_held_out)  # fmt: skip
    counts = [
        matching,
        sa.select(sa.func.count()).where(row.c.batch_id == batch_id),
        sa.select(sa.func.count()).where(touch.c.batch_id == batch_id),
    ]
    return len({connection.execute(query).scalar_one() for query in counts}) > 1


def draw_sample(engine: sa.Engine, batch_id: str, size: int) -> tuple[str, ...]:
    """Touches to be read before a batch is approved by sample: drawn by the batch's hash, the same at every call.

    Raises:
        PermanentError: there is no such batch, or it does not wait for approval.
    """
    touch = tables.touches
    with reading(engine) as connection:
        batch = _read_batch(connection, batch_id)
        if batch.state is not BatchState.RECORDED:
            raise _not_waiting(batch)
        names: Sequence[str] = (
            connection.execute(
                sa.select(touch.c.touch_id).where(
                    touch.c.batch_id == batch_id, touch.c.state == TouchState.PLANNED.value
                )
            )
            .scalars()
            .all()
        )
    return tuple(sorted(names, key=lambda name: hashlib.sha256(f"{batch.sha256}{name}".encode()).digest())[:size])


@dataclass(frozen=True, slots=True)
class Message:
    """One message to be read; personal, so neither logged nor stored."""

    touch_id: str
    address: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)


def read_messages(engine: sa.Engine, touch_ids: Sequence[str]) -> tuple[Message, ...]:
    """Messages of touches, in the given order."""
    row = tables.contents.c
    query = sa.select(row.ref_id, row.address, row.subject, row.text).where(
        row.kind == "touch", row.ref_id.in_(touch_ids)
    )
    with reading(engine) as connection:
        found = {
            hit.ref_id: Message(hit.ref_id, hit.address, hit.subject, hit.text) for hit in connection.execute(query)
        }
    return tuple(found[touch_id] for touch_id in touch_ids if touch_id in found)
