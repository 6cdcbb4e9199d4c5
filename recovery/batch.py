"""A batch: the touches that one day releases, named by the hash of its content and never changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from contracts.words import Arm
from recovery.drafting import Draft
from recovery.ledger import ASSIGNMENTS_SCHEMA


@dataclass(frozen=True)
class Touch:
    """One intended contact; a held-out one has the same channel, hour and words and is never made.

    Attributes:
        touch_id: fixed by person, playbook, step and dormancy spell.
        draft: the rendered words.
        not_before, expires_at: when it may happen, naive UTC.
        propensity: P(contacted) under the policy that chose it.
    """

    touch_id: str
    person_id: str
    account_id: str | None
    source: str
    crm: str
    record_object: str
    record_id: str
    draft: Draft
    not_before: datetime
    expires_at: datetime
    playbook: str
    step: int
    cycle: int
    arm: str
    propensity: float
    rank: int

    @property
    def is_held_out(self) -> bool:
        """Whether the contact is not made, for comparison."""
        return self.arm == Arm.HELD_OUT.value


@dataclass(frozen=True)
class Batch:
    """All touches of one day and sender, in order of touch_id."""

    as_of: date
    sender_id: str
    policy_version: str
    model: str
    touches: tuple[Touch, ...]
    sha256: str

    @property
    def batch_id(self) -> str:
        """Day and the first 16 hex digits of the content's hash."""
        return f"{self.as_of.isoformat()}-{self.sha256[:16]}"

    @property
    def planned(self) -> tuple[Touch, ...]:
        """Touches to be made."""
        return tuple(touch for touch in self.touches if not touch.is_held_out)

    @property
    def held_out(self) -> int:
        """Touches that are not made."""
        return len(self.touches) - len(self.planned)


def make_batch(touches: Sequence[Touch], *, as_of: date, sender_id: str, policy_version: str, model: str) -> Batch:
    """Order the touches and name the batch by its content: recipients, words, windows, arms, policy, model."""
    ordered = tuple(sorted(touches, key=lambda touch: touch.touch_id))
    content = [
        as_of.isoformat(),
        sender_id,
        policy_version,
        model,
        [
            [
                touch.touch_id,
                touch.arm,
                touch.draft.channel.value,
                touch.draft.content_sha256,
                touch.not_before.isoformat(),
                touch.expires_at.isoformat(),
                touch.propensity,
                touch.rank,
            ]
            for touch in ordered
        ],
    ]
    digest = hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()
    return Batch(as_of, sender_id, policy_version, model, ordered, digest)


def assignments_of(batch: Batch) -> pa.Table:
    """Rows of the ledger, one per touch, held-out ones included: ids and hashes, no address, no words."""
    rows = [
        {
            "assignment_id": touch.touch_id,
            "batch_id": batch.batch_id,
            "as_of_date": batch.as_of,
            "person_id": touch.person_id,
            "account_id": touch.account_id,
            "sender_id": batch.sender_id,
            "channel": touch.draft.channel.value,
            "playbook": touch.playbook,
            "step": touch.step,
            "cycle": touch.cycle,
            "arm": touch.arm,
            "propensity": touch.propensity,
            "rank": touch.rank,
            "policy_version": batch.policy_version,
            "not_before": touch.not_before,
            "expires_at": touch.expires_at,
            "content_sha256": touch.draft.content_sha256,
        }
        for touch in batch.touches
    ]
    return pa.Table.from_pylist(rows, schema=ASSIGNMENTS_SCHEMA)
