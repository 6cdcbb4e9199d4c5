"""A batch: the touches that one day releases, named by the hash of its content and never changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

import pyarrow as pa

from contracts.words import Arm, Channel
from recovery.drafting import Draft
from recovery.ledger import ASSIGNMENTS_SCHEMA, CONTENTS_SCHEMA, TOUCHES_SCHEMA


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
    """All touches of one day and sender, in order of touch_id.

    Attributes:
        as_of: day of the decision.
        sender_id: who sends.
        policy_version: of the plan.
        model: fingerprint of the scores.
        rules: fingerprint of the permission rules.
        touches: what leaves and what is held out.
        sha256: hash of all that.
    """

    as_of: date
    sender_id: str
    policy_version: str
    model: str
    rules: str
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


def make_batch(
    touches: Sequence[Touch], *, as_of: date, sender_id: str, policy_version: str, model: str, rules: str = ""
) -> Batch:
    """Order the touches and name the batch by its content: recipients, words, windows, arms, policy, model, rules."""
    ordered = tuple(sorted(touches, key=lambda touch: touch.touch_id))
    head = BatchHead(as_of, sender_id, policy_version, model, rules)
    return Batch(as_of, sender_id, policy_version, model, rules, ordered, batch_digest(head, map(_line, ordered)))


@dataclass(frozen=True)
class BatchHead:
    """What a batch's hash covers besides its touches."""

    as_of: date
    sender_id: str
    policy_version: str
    model: str
    rules: str


# touch_id, arm, channel, content_sha256, not_before, expires_at, propensity, rank
DigestLine = tuple[str, str, str, str, datetime, datetime, float, int]


def _line(touch: Touch) -> DigestLine:
    return (
        touch.touch_id,
        touch.arm,
        touch.draft.channel.value,
        touch.draft.content_sha256,
        touch.not_before,
        touch.expires_at,
        touch.propensity,
        touch.rank,
    )


def batch_digest(head: BatchHead, lines: Iterable[DigestLine]) -> str:
    """SHA-256 over the head and one line per touch in order of touch_id; holds one line at a time."""
    digest = hashlib.sha256()
    names = [head.as_of.isoformat(), head.sender_id, head.policy_version, head.model, head.rules]
    digest.update(json.dumps(names, separators=(",", ":")).encode())
    for touch_id, arm, channel, content, opens, closes, propensity, rank in lines:
        line = [touch_id, arm, channel, content, opens.isoformat(), closes.isoformat(), propensity, rank]
        digest.update(b"\n" + json.dumps(line, separators=(",", ":")).encode())
    return digest.hexdigest()


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


def touches_of(
    batch: Batch,
    *,
    sinks: Mapping[Channel, str],
    address_hash: Callable[[str], str],
    recorded_at: datetime,
    retry_budget: int = 5,
) -> pa.Table:
    """The delivery's rows, one per assignment; held-out ones are settled from the start.

    Args:
        batch: the batch.
        sinks: name of the sink per channel.
        address_hash: keyed hash of a mailbox or number.
        recorded_at: naive UTC.
        retry_budget: tries per touch.
    """
    rows = [
        {
            "touch_id": touch.touch_id,
            "batch_id": batch.batch_id,
            "person_id": touch.person_id,
            "account_id": touch.account_id,
            "sender_id": batch.sender_id,
            "channel": touch.draft.channel.value,
            "playbook": touch.playbook,
            "step": touch.step,
            "cycle": touch.cycle,
            "rank": touch.rank,
            "address_hash": address_hash(touch.draft.to_address) if touch.draft.to_address else None,
            "content_sha256": touch.draft.content_sha256,
            "idempotency_key": touch.touch_id,
            "sink": sinks[touch.draft.channel],
            "state": "skipped" if touch.is_held_out else "planned",
            "reason": "held_out" if touch.is_held_out else "",
            "not_before": touch.not_before,
            "expires_at": touch.expires_at,
            "retry_budget": retry_budget,
            "settled_at": recorded_at if touch.is_held_out else None,
        }
        for touch in batch.touches
    ]
    return pa.Table.from_pylist(rows, schema=TOUCHES_SCHEMA)


def contents_of(
    batch: Batch,
    *,
    unsubscribe_link: Callable[[str], str],
    created_at: datetime,
    contexts: Mapping[str, str] = MappingProxyType({}),
) -> pa.Table:
    """Rows of the erasable table: address and words of every touch that is to be made, and what it was planned on.

    Args:
        batch: the batch.
        unsubscribe_link: the link of a touch.
        created_at: naive UTC.
        contexts: facts of the plan by touch_id (`recovery.permission.context`), for the re-check.
    """
    rows = [
        {
            "kind": "touch",
            "ref_id": touch.touch_id,
            "person_id": touch.person_id,
            "address": touch.draft.to_address,
            "subject": touch.draft.subject,
            "text": touch.draft.text,
            "html": touch.draft.html,
            "extra": json.dumps(_extra(touch, unsubscribe_link), sort_keys=True),
            "created_at": created_at,
        }
        for touch in batch.planned
    ]
    blank = dict.fromkeys(("address", "subject", "text", "html"), "")
    rows += [
        {
            **blank,
            "kind": "permission",
            "ref_id": touch.touch_id,
            "person_id": touch.person_id,
            "extra": contexts[touch.touch_id],
            "created_at": created_at,
        }
        for touch in batch.planned
        if touch.touch_id in contexts
    ]
    return pa.Table.from_pylist(rows, schema=CONTENTS_SCHEMA)


def _extra(touch: Touch, unsubscribe_link: Callable[[str], str]) -> dict[str, str]:
    known = {"source": touch.source, "crm": touch.crm, "object": touch.record_object, "record": touch.record_id}
    if touch.draft.channel is Channel.EMAIL:
        known["unsubscribe_url"] = unsubscribe_link(touch.touch_id)
    return known
