"""From everything that was ever said about an address to what stands now.

The state machine of permission: a refusal holds for ever (15 U.S.C. 7704(a)(4)(B)), whoever recorded it and however
often the opposite is imported. Only a later consent that the person gave of their own accord reopens a channel, and
only that channel. Everything is a function of the set of statements: their order, and repetitions, change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from contracts.words import Basis, Channel, SuppressionReason
from recovery.permission.facts import Fact, Stance
from recovery.permission.refusals import closes

_CONSENT: Final = frozenset({Basis.EXPRESS_CONSENT.value, Basis.WRITTEN_CONSENT.value})
# No consent mends a dead mailbox, and a restriction is lifted on request only.
_NEVER_LIFTED: Final = frozenset({SuppressionReason.HARD_BOUNCE.value, SuppressionReason.RESTRICTION.value})
# These say nothing about a business relationship.
_ENDS_NOTHING: Final = frozenset(
    {SuppressionReason.HARD_BOUNCE.value, SuppressionReason.SALE_OPT_OUT.value, SuppressionReason.NOT_NOW.value}
)
_CHANNELS: Final = (Channel.EMAIL, Channel.SMS, Channel.CALL, Channel.AUDIENCE)


@dataclass(frozen=True, slots=True)
class Statement:
    """One row of the ledger about permission.

    Attributes:
        key: keyed hash of the address or number, or `person:<id>` where no address is concerned.
        channel: a `Channel` or `all`.
        stance: for or against.
        basis: value of `Basis` or `SuppressionReason`.
        source, evidence: who says so, in which words or column.
        since: when it was said, naive UTC; None = unknown.
        expires_at: when it ends of itself, naive UTC.
        recorded_at: when the ledger learned of it, naive UTC.
        is_lead_originated: the person said it to us (form, reply, click, call), nobody on their behalf.
        collected_during, is_optout_offered, has_full_record: see `Fact`.
    """

    key: str
    channel: str
    stance: Stance
    basis: str
    source: str
    evidence: str
    since: datetime | None
    expires_at: datetime | None
    recorded_at: datetime
    is_lead_originated: bool = False
    collected_during: str | None = None
    is_optout_offered: bool | None = None
    has_full_record: bool = False

    @property
    def refused_at(self) -> datetime:
        """When a refusal counts from: the moment of the words, else of the record."""
        return self.since or self.recorded_at

    @property
    def granted_at(self) -> datetime | None:
        """When a consent counts from: nobody consents after the record of it, and an undated consent proves nothing."""
        return None if self.since is None else min(self.since, self.recorded_at)


def standing(statements: Iterable[Statement]) -> frozenset[Fact]:
    """Facts that stand after all statements about one or several keys; each key is judged by itself.

    A ground that is not later than a refusal of its channel is gone for good, also when consent reopens the channel:
    a do-not-call request ends a business relationship (47 CFR 64.1200(f)(5)(ii)).
    """
    by_key: dict[str, list[Statement]] = {}
    for statement in statements:
        by_key.setdefault(statement.key, []).append(statement)
    found: set[Fact] = set()
    for mine in by_key.values():
        refusals = [s for s in mine if s.stance is Stance.REFUSED]
        grants = [s for s in mine if s.stance is Stance.ALLOWED]
        consents = [s for s in grants if s.is_lead_originated and s.basis in _CONSENT and s.channel != "all"]
        found |= {_fact(s, _lifted(s, consents)) for s in refusals}
        found |= {_fact(s, _ended(s, refusals)) for s in grants}
    return frozenset(found)


def _lifted(refusal: Statement, consents: list[Statement]) -> frozenset[str]:
    if refusal.basis in _NEVER_LIFTED:
        return frozenset()
    return frozenset(
        consent.channel
        for consent in consents
        if consent.granted_at is not None and consent.granted_at > refusal.refused_at
    )


def _ended(grant: Statement, refusals: list[Statement]) -> frozenset[str]:
    """Channels that were refused at the moment of the grant or after it."""
    said = grant.granted_at
    later = [
        _fact(refusal)
        for refusal in refusals
        if (said is None or refusal.refused_at >= said) and refusal.basis not in _ENDS_NOTHING
    ]
    return frozenset(channel.value for channel in _CHANNELS if any(closes(fact, channel) for fact in later))


def _fact(statement: Statement, not_for: frozenset[str] = frozenset()) -> Fact:
    return Fact(
        channel=statement.channel,
        stance=statement.stance,
        basis=statement.basis,
        source=statement.source,
        evidence=statement.evidence,
        since=_day(statement.since),
        expires_at=_day(statement.expires_at),
        collected_during=statement.collected_during,
        is_optout_offered=statement.is_optout_offered,
        has_full_record=statement.has_full_record,
        not_for=not_for,
    )


def _day(moment: datetime | None) -> date | None:
    """A moment rounded down: a ground ends rather too early than too late."""
    return None if moment is None else moment.date()
