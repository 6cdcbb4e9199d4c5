"""The decision: pure, from facts and clock, the strictest of everything known."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final, Literal

from contracts.words import Basis, Channel, SkipReason
from recovery.permission.facts import ContactFacts, Fact, Stance
from recovery.permission.hours import Window, zone_of
from recovery.permission.packs import ChannelRule, Ground
from recovery.permission.refusals import refusal_of
from recovery.permission.rules import ELSEWHERE, RuleBook
from recovery.permission.words import UNLOCK

_CONSENT: Final = frozenset({Basis.EXPRESS_CONSENT, Basis.WRITTEN_CONSENT})
_FAR: Final = datetime.max.replace(tzinfo=UTC)
# Longest time between a revocation and its only confirmation (47 CFR 64.1200(a)(12)).
CONFIRMATION_WITHIN: Final = timedelta(minutes=5)


class Status(StrEnum):
    """Answer to the question whether a contact may happen now."""

    ALLOWED = "allowed"
    DEFERRED = "deferred"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class PermissionPolicy:
    """What the operator decides on top of the law.

    Attributes:
        mode: `explicit` demands recorded consent everywhere.
        max_dormancy_days: an e-mail does not go to somebody silent for longer.
        is_job_related: the words concern the recipient's work.
        is_voice_artificial: a call is spoken by a machine, AI included (FCC 24-17), so that it needs what a text needs.
        registrations: what the operator has recorded, such as `tx_registration`.
    """

    mode: Literal["law", "explicit"] = "law"
    max_dormancy_days: int = 365
    is_job_related: bool = False
    is_voice_artificial: bool = False
    registrations: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class Decision:
    """Answer with its ground.

    Attributes:
        status: allowed, deferred (the window is closed now) or refused.
        reason: why refused; None otherwise.
        unlock: what would unlock a refusal, one sentence.
        basis: the ground used; None when refused.
        expires_at: when the ground ends, UTC; None = open end.
        window: when the contact may happen; None when refused.
        rules: names of the rules that gave the answer.
    """

    status: Status
    reason: SkipReason | None = None
    unlock: str = ""
    basis: str | None = None
    expires_at: datetime | None = None
    window: Window | None = None
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Granted:
    """A ground that holds: its basis, its end (UTC, None = open) and the rule that accepts it."""

    basis: str
    ends: datetime | None
    rule: str


def decide(facts: ContactFacts, channel: Channel, now: datetime, policy: PermissionPolicy, rules: RuleBook) -> Decision:
    """Decide whether one person may be contacted through one channel.

    Fails closed: without address, opt-out data, country, time zone or a ground that the country accepts the
    answer is no. Any refusal of any merged record wins; countries that disagree take the strictest rule. Every
    message is commercial, whatever the batch's size or the words' purpose (15 U.S.C. 7702(2)).

    Args:
        facts: what is known, as seen by the channel.
        channel: email, sms, call, audience or crm_task; a task needs no permission but is not made for objectors.
        now: aware UTC.
        policy: the operator's own limits.
        rules: the countries' rules.
    """
    today = now.date()
    refusal = refusal_of(facts, channel, today, rules)
    if refusal is not None:
        return _refused(refusal)
    if channel is Channel.CRM_TASK:
        return _with_window(facts, "call", now, rules, Granted("none_needed", None, "task"))
    reason = _missing(facts, channel, policy)
    if reason is not None:
        return _refused(reason)
    for bar in rules.place_rules(_places(facts, rules), channel.value, today):
        if bar.unless_recorded and not (bar.unless_recorded & policy.registrations):
            return _refused(SkipReason.REGISTRATION_REQUIRED, bar.rule)
    ground = find_ground(facts, channel, today, policy, rules)
    if not isinstance(ground, Granted):
        return _refused(*ground)
    return _with_window(facts, channel.value, now, rules, ground)


def may_confirm_revocation(revoked_at: datetime, *, now: datetime, confirmations: int) -> bool:
    """Whether the one text that confirms a revocation may go out: once, and within five minutes of it.

    It may say nothing but that the wish is granted (47 CFR 64.1200(a)(12)).
    """
    return confirmations == 0 and timedelta(0) <= now - revoked_at <= CONFIRMATION_WITHIN


def reachable_until(
    facts: ContactFacts, channel: Channel, now: datetime, policy: PermissionPolicy, rules: RuleBook
) -> datetime | None:
    """When the longest ground of a channel ends, UTC; `datetime.max` for an open end, None when refused today."""
    decision = decide(facts, channel, now, policy, rules)
    return None if decision.status is Status.REFUSED else decision.expires_at or _FAR


def _refused(reason: SkipReason, *rules: str) -> Decision:
    return Decision(Status.REFUSED, reason=reason, unlock=UNLOCK[reason], rules=rules)


def _places(facts: ContactFacts, rules: RuleBook) -> tuple[str, ...]:
    return rules.places_of(facts.countries, facts.states, is_state_known=facts.is_state_known)


def _missing(facts: ContactFacts, channel: Channel, policy: PermissionPolicy) -> SkipReason | None:
    if not facts.has_address:
        return SkipReason.NO_ADDRESS
    if not facts.has_opt_out_source:
        return SkipReason.PERMISSION_UNKNOWN
    if not facts.countries:
        return SkipReason.COUNTRY_UNKNOWN
    if channel is not Channel.AUDIENCE and (not facts.zones or any(zone_of(zone) is None for zone in facts.zones)):
        return SkipReason.TIME_ZONE_UNKNOWN
    if channel is Channel.EMAIL and facts.dormant_days > policy.max_dormancy_days:
        return SkipReason.TOO_LONG_DORMANT
    return None


def find_ground(
    facts: ContactFacts, channel: Channel, today: date, policy: PermissionPolicy, rules: RuleBook
) -> Granted | tuple[SkipReason, str]:
    """The ground that every country of the person accepts, or why there is none and the rule that says so."""
    is_conflict = facts.has_country_conflict or len(facts.countries) > 1
    countries = (*sorted(facts.countries), ELSEWHERE) if is_conflict else tuple(facts.countries)
    # A machine's voice needs prior express written consent, as a text does.
    name = "sms" if channel is Channel.CALL and policy.is_voice_artificial else channel.value
    granted: list[Granted] = []
    refused: list[tuple[SkipReason, str]] = []
    for country in countries:
        answer = _by_rule(facts, rules.rule(country, name, today), channel, today, policy)
        if isinstance(answer, Granted):
            granted.append(answer)
        else:
            refused.append(answer)
    if refused:
        return (SkipReason.COUNTRY_CONFLICT, refused[0][1]) if is_conflict else refused[0]
    # Every country must be content: the ground that ends first counts.
    return min(granted, key=lambda answer: (answer.ends or _FAR, answer.basis))


def _by_rule(
    facts: ContactFacts, rule: ChannelRule, channel: Channel, today: date, policy: PermissionPolicy
) -> Granted | tuple[SkipReason, str]:
    best: Granted | None = None
    failed: set[SkipReason] = set()
    for ground in rule.grounds:
        if facts.recipient < ground.least_recipient:
            continue
        if ground.content == "job_related" and not policy.is_job_related:
            continue
        for fact in facts.facts:
            if not _speaks(fact, ground, channel, policy):
                continue
            if ground.needs_full_record and not fact.has_full_record:
                failed.add(SkipReason.CONSENT_INCOMPLETE)
                continue
            end = _end(fact, ground)
            if (end is not None and end <= today) or (fact.since is not None and fact.since > today):
                failed.add(SkipReason.BASIS_EXPIRED)
                continue
            if fact.basis == Basis.ABSENT_FROM_NATIONAL_LIST and _is_listed_since(facts, fact):
                continue
            ends = None if end is None else datetime.combine(end, time(), tzinfo=UTC)
            best = _longer(best, Granted(fact.basis, ends, rule.rule))
    if best is not None:
        return best
    for reason in (SkipReason.BASIS_EXPIRED, SkipReason.CONSENT_INCOMPLETE):
        if reason in failed:
            return reason, rule.rule
    is_call = channel is Channel.CALL and rule.regime == "mixed" and policy.mode == "law"
    return SkipReason.CALL_GROUND_REQUIRED if is_call else SkipReason.CONSENT_REQUIRED, rule.rule


def _speaks(fact: Fact, ground: Ground, channel: Channel, policy: PermissionPolicy) -> bool:
    if fact.stance is not Stance.ALLOWED or fact.channel not in (channel.value, "all"):
        return False
    if channel.value in fact.not_for:
        return False
    if fact.basis not in ground.basis or (policy.mode == "explicit" and fact.basis not in _CONSENT):
        return False
    if ground.has_term and fact.since is None:
        return False
    if ground.needs_collection_facts:
        return fact.collected_during in ("sale", "negotiation") and fact.is_optout_offered is True
    return True


def _is_listed_since(facts: ContactFacts, absent: Fact) -> bool:
    """Whether a scrub that is not older found the number on the national list; of two of one day the worse counts."""
    return any(
        fact.basis == Basis.ON_NATIONAL_LIST
        and (fact.since is None or absent.since is None or fact.since >= absent.since)
        for fact in facts.facts
    )


def _end(fact: Fact, ground: Ground) -> date | None:
    end = fact.expires_at
    if fact.since is not None and ground.within_months is not None:
        term = add_months(fact.since, ground.within_months)
        end = term if end is None else min(end, term)
    if fact.since is not None and ground.within_days is not None:
        term = fact.since + timedelta(days=ground.within_days)
        end = term if end is None else min(end, term)
    return end


@lru_cache(maxsize=65536)
def add_months(day: date, months: int) -> date:
    """The same day of the month `months` later; the last day where the month is shorter."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + timedelta(days=day.day - 1), following - timedelta(days=1))


def _longer(one: Granted | None, other: Granted) -> Granted:
    """The ground that lasts longer; on a tie the first by name, so that the order of facts is irrelevant."""
    if one is None:
        return other
    mine, theirs = one.ends or _FAR, other.ends or _FAR
    if mine != theirs:
        return one if mine > theirs else other
    return one if one.basis <= other.basis else other


def _with_window(facts: ContactFacts, channel: str, now: datetime, rules: RuleBook, ground: Granted) -> Decision:
    if channel == Channel.AUDIENCE:  # nobody's clock is disturbed by a list
        window: Window | None = Window(now, ground.ends or _FAR)
    elif not facts.zones:
        return _refused(SkipReason.TIME_ZONE_UNKNOWN)
    else:
        window = rules.window(facts.zones, _places(facts, rules), channel, now)
    if window is None:
        unknown = any(zone_of(zone) is None for zone in facts.zones)
        return _refused(SkipReason.TIME_ZONE_UNKNOWN if unknown else SkipReason.NO_PERMITTED_HOUR)
    if ground.ends is not None and ground.ends <= max(window.opens, now):
        return _refused(SkipReason.BASIS_EXPIRED, ground.rule)
    status = Status.ALLOWED if window.opens <= now < window.closes else Status.DEFERRED
    return Decision(status, basis=ground.basis, expires_at=ground.ends, window=window, rules=(ground.rule,))
