"""The same question once more, a moment before a touch leaves: permission, hours, frequency, rules, as they are now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from contracts.errors import PermanentError
from contracts.words import Basis, Channel, SkipReason
from recovery.cadence import Cap, Contact, Hit, Proposal, admit
from recovery.delivery.words import ALLOWED, ClaimedTouch, Verdict, deferred, refused
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading
from recovery.permission.book import Known, read_known, restriction_statement
from recovery.permission.context import CONTEXT, Context, load_context
from recovery.permission.decide import Decision, PermissionPolicy, Status, decide
from recovery.permission.facts import ContactFacts, Stance
from recovery.permission.history import standing
from recovery.permission.rules import RuleBook
from recovery.permission.sets import read_sets

_CONSENT: Final = frozenset({Basis.EXPRESS_CONSENT, Basis.WRITTEN_CONSENT})
_MADE: Final = ("sent", "unknown")
_NEIGHBOUR: Final = (
    "touch_id", "person_id", "account_id", "address_hash", "channel", "rank", "state", "claim_id", "not_before",
    "settled_at",
)  # fmt: skip
_RANKLESS: Final = float("inf")


@dataclass(frozen=True)
class Recheck:
    """Decides claimed touches from the ledger as it is now; call it with touches and a moment (naive UTC).

    Attributes:
        engine: of the ledger.
        rules: rules of today; a batch that was approved under others is refused.
        policy: the operator's own limits.
        caps: the house's frequency caps; those of the law come from the rules.
    """

    engine: sa.Engine
    rules: RuleBook
    policy: PermissionPolicy
    caps: tuple[Cap, ...] = ()

    def __call__(self, touches: Sequence[ClaimedTouch], now: datetime) -> Mapping[str, Verdict]:
        """One verdict per touch, whatever their number in a dozen queries.

        Args:
            touches: claimed ones.
            now: naive UTC.
        """
        if not touches:
            return {}
        with reading(self.engine) as connection:
            contexts = read_contexts(connection, [touch.touch_id for touch in touches])
            known = read_known(
                connection,
                keys={key for touch in touches for key in keys_of(touch.address_hash, contexts.get(touch.touch_id))},
                people={touch.person_id for touch in touches},
            )
            changed = self._changed_batches(connection, {touch.batch_id for touch in touches})
            verdicts: dict[str, Verdict] = {}
            passed: list[tuple[ClaimedTouch, Context]] = []
            for touch in touches:
                context = contexts.get(touch.touch_id)
                if touch.batch_id in changed:
                    verdicts[touch.touch_id] = refused(SkipReason.RULES_CHANGED.value)
                elif context is None:
                    verdicts[touch.touch_id] = refused(SkipReason.PERMISSION_UNKNOWN.value)
                else:
                    verdict = self._permit(touch, context, known, now)
                    verdicts[touch.touch_id] = verdict
                    if verdict is ALLOWED:
                        passed.append((touch, context))
            return verdicts | self._pace(connection, passed, known, now)

    def _permit(self, touch: ClaimedTouch, context: Context, known: Known, now: datetime) -> Verdict:
        facts = facts_now(touch.person_id, touch.channel, touch.address_hash, context, known, now)
        policy = replace(self.policy, is_job_related=context.is_job_related)
        return verdict_of(decide(facts, touch.channel, now.replace(tzinfo=UTC), policy, self.rules), touch.expires_at)

    def _changed_batches(self, connection: sa.Connection, batches: Collection[str]) -> frozenset[str]:
        """Batches that were approved under other rules than those of today."""
        rows = read_sets(connection, tables.batches, {"batch_id": batches}, columns=("batch_id", "rules"))
        return frozenset(row.batch_id for row in rows if row.rules not in ("", self.rules.sha256))

    def _pace(
        self, connection: sa.Connection, passed: Sequence[tuple[ClaimedTouch, Context]], known: Known, now: datetime
    ) -> dict[str, Verdict]:
        """Verdicts of the touches for which a frequency cap leaves no room."""
        if not passed:
            return {}
        legal = {touch.touch_id: self._legal_caps(touch, context, now) for touch, context in passed}
        every = [*self.caps, *(cap for caps in legal.values() for cap in caps)]
        if not every:
            return {}
        longest = max(cap.within for cap in every)
        mine = {touch.touch_id: touch for touch, _ in passed}
        rows = _neighbours(connection, mine.values(), known, now=now, longest=longest)
        held = {row.claim_id for row in rows if row.touch_id in mine}
        past, planned = [], []
        for row in rows:
            units = _units(row.person_id, row.account_id, row.address_hash, known)
            if row.touch_id in mine:
                planned.append(
                    Proposal(row.touch_id, now, row.channel, units, _priority(row.rank), legal[row.touch_id])
                )
            elif row.state in _MADE:
                past.append(Contact(row.settled_at or now, row.channel, units))
            elif row.state == "claimed" and row.claim_id not in held:
                # In another worker's hands: it may be on its way already.
                past.append(Contact(now, row.channel, units))
            else:
                planned.append(
                    Proposal(row.touch_id, max(row.not_before, now), row.channel, units, _priority(row.rank))
                )
        hits = admit(planned, past, self.caps)
        return {
            touch_id: _paced(hit, mine[touch_id].expires_at)
            for touch_id, hit in hits.items()
            if hit is not None and touch_id in mine
        }

    def _legal_caps(self, touch: ClaimedTouch, context: Context, now: datetime) -> tuple[Cap, ...]:
        facts = context.facts
        places = self.rules.places_of(facts.countries, facts.states, is_state_known=facts.is_state_known)
        return tuple(
            Cap(rule.rule, "person", frozenset(rule.channels), rule.cap.most, timedelta(hours=rule.cap.within_hours))
            for rule in self.rules.place_rules(places, touch.channel.value, now.date())
            if rule.cap is not None
        )


def read_contexts(connection: sa.Connection, touch_ids: Sequence[str]) -> dict[str, Context]:
    """What each touch was planned on; a touch whose context is missing or unreadable is absent."""
    sets = {"ref_id": touch_ids}
    rows = read_sets(connection, tables.contents, sets, where=f"kind = '{CONTEXT}'", columns=("ref_id", "extra"))
    found = {row.ref_id: _context(row.extra) for row in rows}
    return {touch_id: context for touch_id, context in found.items() if context is not None}


@lru_cache(maxsize=4096)
def _context(text: str) -> Context | None:
    try:
        return load_context(text)
    except PermanentError:  # counted as permission_unknown by the caller
        return None


def keys_of(address_hash: str | None, context: Context | None) -> frozenset[str]:
    """Every address that a refusal may have been recorded under."""
    own = frozenset([address_hash] if address_hash else [])
    return own if context is None else own | context.address_hashes


def facts_now(
    person_id: str, channel: Channel, address_hash: str | None, context: Context, known: Known, now: datetime
) -> ContactFacts:
    """The facts of the plan together with what the ledger says now.

    Any refusal of any address or merged half counts. A ground counts only for the address that is used: consent is
    keyed to the number (47 CFR 64.1200(f)(9)), so for texts a consent of the plan alone does not suffice.
    """
    statements = known.of(person_id, keys_of(address_hash, context))
    if not statements and not known.restricted and channel is not Channel.SMS:
        return context.facts
    family = known.families.get(person_id, frozenset([person_id]))
    statements += [restriction_statement(member, at=now) for member in sorted(family & known.restricted)]
    usable = {address_hash, *(f"person:{member}" for member in family)}
    found = standing(statements)
    own = standing(statement for statement in statements if statement.key in usable)
    grounds = frozenset(fact for fact in own if fact.stance is Stance.ALLOWED)
    refusals = frozenset(fact for fact in found if fact.stance is Stance.REFUSED)
    planned = context.facts.facts
    if channel is Channel.SMS:
        planned = frozenset(f for f in planned if f.stance is Stance.REFUSED or f.basis not in _CONSENT)
    return replace(context.facts, facts=planned | grounds | refusals)


def verdict_of(decision: Decision, expires_at: datetime) -> Verdict:
    """A decision as the worker understands it; a window that opens after the touch expires is a refusal."""
    if decision.status is Status.REFUSED:
        return refused((decision.reason or SkipReason.CONSENT_REQUIRED).value)
    if decision.status is Status.ALLOWED or decision.window is None:
        return ALLOWED
    opens = decision.window.opens.replace(tzinfo=None)
    if opens >= expires_at:
        return refused(SkipReason.NO_PERMITTED_HOUR.value)
    return deferred(opens, "quiet_hours")


def _paced(hit: Hit, expires_at: datetime) -> Verdict:
    if hit.free_at is not None and hit.free_at < expires_at:
        return deferred(hit.free_at, SkipReason.FREQUENCY_CAP.value)
    return refused(SkipReason.FREQUENCY_CAP.value)


def _priority(rank: int | None) -> float:
    return rank if rank is not None and rank > 0 else _RANKLESS


def _units(person_id: str, account_id: str | None, address_hash: str | None, known: Known) -> dict[str, str]:
    family = known.families.get(person_id)
    units = {"person": min(family) if family else person_id}
    if account_id:
        units["account"] = account_id
    if address_hash:
        units["address"] = address_hash
    return units


def _neighbours(
    connection: sa.Connection, touches: Collection[ClaimedTouch], known: Known, *, now: datetime, longest: timedelta
) -> list[Any]:
    """Touches of the same people, accounts and addresses that were made, or may be, around now."""
    people = {member for touch in touches for member in known.families.get(touch.person_id, (touch.person_id,))}
    moments = {"now": now, "first": now - longest, "last": now + longest}
    is_open = "state in ('planned', 'approved', 'claimed') and not_before < :last and expires_at > :now"
    sets: dict[str, Collection[str]] = {
        "person_id": people,
        "account_id": {touch.account_id for touch in touches if touch.account_id},
    }
    where = f"({is_open}) or (state in ('sent', 'unknown') and settled_at > :first)"
    found = read_sets(connection, tables.touches, sets, where=where, columns=_NEIGHBOUR, moments=moments)
    # Of an address only open touches have an index; what was sent to it counts through its people.
    sets = {"address_hash": {touch.address_hash for touch in touches if touch.address_hash}}
    waits = "state in ('planned', 'approved') and not_before < :last and expires_at > :now"
    del moments["first"]
    found += read_sets(connection, tables.touches, sets, where=waits, columns=_NEIGHBOUR, moments=moments)
    return list({row.touch_id: row for row in found}.values())
