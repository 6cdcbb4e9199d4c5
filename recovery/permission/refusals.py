"""Refusals: which statement closes which channel, and which of several is told."""

from __future__ import annotations

from datetime import date
from typing import Final

from contracts.words import Channel, SkipReason, SuppressionReason
from recovery.permission.facts import ContactFacts, Fact, Stance
from recovery.permission.rules import RuleBook

S = SuppressionReason
# Worst first: the first that applies is the reason.
_REFUSALS: Final[tuple[tuple[str, SkipReason], ...]] = (
    (S.RESTRICTION, SkipReason.RESTRICTED),
    (S.OBJECTION, SkipReason.OBJECTED),
    (S.COMPLAINT, SkipReason.COMPLAINED),
    (S.DO_NOT_CONTACT, SkipReason.DO_NOT_CONTACT),
    (S.OPT_OUT, SkipReason.OPTED_OUT),
    (S.SALE_OPT_OUT, SkipReason.SALE_OPT_OUT),
    (S.NOT_NOW, SkipReason.NOT_NOW),
    (S.HARD_BOUNCE, SkipReason.HARD_BOUNCED),
)
_KNOWN: Final = dict(_REFUSALS)
_WORST_FIRST: Final = tuple(reason for _, reason in _REFUSALS)
# These speak to the sender, not to a channel: they close them all.
EVERYWHERE: Final[frozenset[str]] = frozenset({S.OBJECTION, S.COMPLAINT, S.RESTRICTION, S.NOT_NOW})
_PHONE: Final = frozenset({"sms", "call"})


def refusal_of(facts: ContactFacts, channel: Channel, today: date, rules: RuleBook) -> SkipReason | None:
    """The worst refusal that closes a channel today, or None.

    A refusal has no end date (15 U.S.C. 7704(a)(4)(B)); only "not now" ends on the day that the person named, and
    only where every country's rules let it: elsewhere, and at the second time, it is an objection.
    """
    found: set[SkipReason] = set()
    for fact in facts.facts:
        if fact.stance is Stance.REFUSED and closes(fact, channel):
            # A word that is not known here still refuses.
            found.add(_KNOWN.get(fact.basis, SkipReason.DO_NOT_CONTACT))
    if not found:
        return None
    if SkipReason.NOT_NOW in found:
        found.discard(SkipReason.NOT_NOW)
        found |= _not_now(facts, today, rules)
    return next((reason for reason in _WORST_FIRST if reason in found), None)


def closes(fact: Fact, channel: Channel) -> bool:
    """Whether a refusal reaches a channel.

    STOP to a text closes calls too (DA 26-12 waives the wider reading only until 31 Jan 2027). An address that
    refused any channel is in no audience (15 U.S.C. 7704(a)(4)(A)(iv)). A task is made for a human, so only what
    speaks to the sender as a whole closes it.
    """
    if channel.value in fact.not_for:
        return False
    if fact.basis == S.SALE_OPT_OUT:
        return channel is Channel.AUDIENCE
    if fact.basis in EVERYWHERE or channel is Channel.AUDIENCE:
        return True
    if channel is Channel.CRM_TASK:
        return fact.basis not in (S.OPT_OUT, S.HARD_BOUNCE) and fact.channel == "all"
    return fact.channel in (channel.value, "all") or (fact.channel in _PHONE and channel.value in _PHONE)


def _not_now(facts: ContactFacts, today: date, rules: RuleBook) -> set[SkipReason]:
    said = [fact for fact in facts.facts if fact.stance is Stance.REFUSED and fact.basis == S.NOT_NOW]
    times = {fact.since for fact in said}
    may_return = bool(facts.countries) and all(rules.pack(c, today).may_return_after_not_now for c in facts.countries)
    if len(times) > 1 or not may_return or facts.has_country_conflict:
        return {SkipReason.OBJECTED}
    waits = any(fact.expires_at is None or today < fact.expires_at for fact in said)
    return {SkipReason.NOT_NOW} if waits else set()
