"""The decision: pure, from facts and clock, the strictest of everything known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, Literal

from contracts.words import Basis, Channel, SkipReason, SuppressionReason
from recovery.permission.facts import ContactFacts, Fact, Stance
from recovery.permission.hours import Window, next_window, zone_of
from recovery.permission.rules import ELSEWHERE, ChannelRule, Ground, RuleBook
from recovery.permission.words import UNLOCK

_CONSENT: Final = frozenset({Basis.EXPRESS_CONSENT, Basis.WRITTEN_CONSENT})
_PHONE: Final = frozenset({"sms", "call"})
# Worst first: the first that applies is the reason.
_REFUSALS: Final[tuple[tuple[str, SkipReason], ...]] = (
    (SuppressionReason.OBJECTION, SkipReason.OBJECTED),
    (SuppressionReason.COMPLAINT, SkipReason.COMPLAINED),
    (SuppressionReason.DO_NOT_CONTACT, SkipReason.DO_NOT_CONTACT),
    (SuppressionReason.OPT_OUT, SkipReason.OPTED_OUT),
    (SuppressionReason.HARD_BOUNCE, SkipReason.HARD_BOUNCED),
)
_KNOWN_REFUSALS: Final = dict(_REFUSALS)
# An objection speaks to the sender, not to a channel: it closes them all.
_EVERYWHERE: Final = frozenset({SuppressionReason.OBJECTION, SuppressionReason.COMPLAINT})


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
    """

    mode: Literal["law", "explicit"] = "law"
    max_dormancy_days: int = 365
    is_job_related: bool = False


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
    """

    status: Status
    reason: SkipReason | None = None
    unlock: str = ""
    basis: str | None = None
    expires_at: datetime | None = None
    window: Window | None = None


def decide(facts: ContactFacts, channel: Channel, now: datetime, policy: PermissionPolicy, rules: RuleBook) -> Decision:
    """Decide whether one person may be contacted through one channel.

    Fails closed: without address, opt-out data, country, time zone or a ground that the country accepts the
    answer is no. Any refusal of any merged record wins; countries that disagree take the strictest rule.

    Args:
        facts: what is known, as seen by the channel.
        channel: email, sms, call or crm_task; a task needs no permission but is not made for objectors.
        now: aware UTC.
        policy: the operator's own limits.
        rules: the countries' rules.
    """
    refusal = _refusal(facts, channel)
    if refusal is not None:
        return _refused(refusal)
    if channel is Channel.CRM_TASK:
        return _with_window(facts, "call", now, rules, basis="none_needed", expires=None)
    reason = _missing(facts, channel, policy)
    if reason is not None:
        return _refused(reason)
    ground = _ground(facts, channel, now.date(), policy, rules)
    if isinstance(ground, SkipReason):
        return _refused(ground)
    basis, expires = ground
    return _with_window(facts, channel.value, now, rules, basis=basis, expires=expires)


def _refused(reason: SkipReason) -> Decision:
    return Decision(Status.REFUSED, reason=reason, unlock=UNLOCK[reason])


def _refusal(facts: ContactFacts, channel: Channel) -> SkipReason | None:
    found: set[SkipReason] = set()
    for fact in facts.facts:
        if fact.stance is not Stance.REFUSED:
            continue
        if channel is Channel.CRM_TASK:
            applies = fact.basis in _EVERYWHERE or (
                fact.basis == SuppressionReason.DO_NOT_CONTACT and fact.channel == "all"
            )
        else:
            same = fact.channel in (channel.value, "all") or (fact.channel in _PHONE and channel.value in _PHONE)
            applies = same or fact.basis in _EVERYWHERE
        if applies:  # a word that is not known here still refuses
            found.add(_KNOWN_REFUSALS.get(fact.basis, SkipReason.DO_NOT_CONTACT))
    if not found:
        return None
    return next(reason for _, reason in _REFUSALS if reason in found)


def _missing(facts: ContactFacts, channel: Channel, policy: PermissionPolicy) -> SkipReason | None:
    if not facts.has_address:
        return SkipReason.NO_ADDRESS
    if not facts.has_opt_out_source:
        return SkipReason.PERMISSION_UNKNOWN
    if not facts.countries:
        return SkipReason.COUNTRY_UNKNOWN
    if not facts.zones or any(zone_of(zone) is None for zone in facts.zones):
        return SkipReason.TIME_ZONE_UNKNOWN
    if channel is Channel.EMAIL and facts.dormant_days > policy.max_dormancy_days:
        return SkipReason.TOO_LONG_DORMANT
    return None


def _ground(
    facts: ContactFacts, channel: Channel, today: date, policy: PermissionPolicy, rules: RuleBook
) -> tuple[str, datetime | None] | SkipReason:
    is_conflict = facts.has_country_conflict or len(facts.countries) > 1
    countries = (*sorted(facts.countries), ELSEWHERE) if is_conflict else tuple(facts.countries)
    answers = [_by_rule(facts, rules.rule(c, channel.value, today), channel, today, policy) for c in countries]
    refused = [answer for answer in answers if isinstance(answer, SkipReason)]
    if refused:
        return SkipReason.COUNTRY_CONFLICT if is_conflict else refused[0]
    granted = [answer for answer in answers if not isinstance(answer, SkipReason)]
    # Every country must be content: the ground that ends first counts.
    return min(granted, key=lambda answer: (answer[1] or datetime.max.replace(tzinfo=UTC), answer[0]))


def _by_rule(
    facts: ContactFacts, rule: ChannelRule, channel: Channel, today: date, policy: PermissionPolicy
) -> tuple[str, datetime | None] | SkipReason:
    if facts.states & rule.barred_states.keys():
        return SkipReason.CHANNEL_DISABLED
    best: tuple[str, datetime | None] | None = None
    has_lapsed = False
    for ground in rule.grounds:
        if facts.recipient < ground.least_recipient:
            continue
        if ground.content == "job_related" and not policy.is_job_related:
            continue
        for fact in facts.facts:
            if not _speaks(fact, ground, channel, policy):
                continue
            end = _end(fact, ground)
            if (end is not None and end <= today) or (fact.since is not None and fact.since > today):
                has_lapsed = True
                continue
            ends = None if end is None else datetime.combine(end, time(), tzinfo=UTC)
            best = _longer(best, (fact.basis, ends))
    if best is not None:
        return best
    return SkipReason.BASIS_EXPIRED if has_lapsed else SkipReason.CONSENT_REQUIRED


def _speaks(fact: Fact, ground: Ground, channel: Channel, policy: PermissionPolicy) -> bool:
    if fact.stance is not Stance.ALLOWED or fact.channel not in (channel.value, "all"):
        return False
    if fact.basis not in ground.basis or (policy.mode == "explicit" and fact.basis not in _CONSENT):
        return False
    if ground.within_months is not None and fact.since is None:
        return False
    if ground.needs_collection_facts:
        return fact.collected_during in ("sale", "negotiation") and fact.is_optout_offered is True
    return True


def _end(fact: Fact, ground: Ground) -> date | None:
    ends = [fact.expires_at] if fact.expires_at is not None else []
    if ground.within_months is not None and fact.since is not None:
        ends.append(add_months(fact.since, ground.within_months))
    return min(ends, default=None)


def add_months(day: date, months: int) -> date:
    """The same day of the month `months` later; the last day where the month is shorter."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + timedelta(days=day.day - 1), following - timedelta(days=1))


def _longer(one: tuple[str, datetime | None] | None, other: tuple[str, datetime | None]) -> tuple[str, datetime | None]:
    """The ground that lasts longer; on a tie the first by name, so that the order of facts is irrelevant."""
    if one is None:
        return other
    far = datetime.max.replace(tzinfo=UTC)
    return min(one, other, key=lambda answer: (-(answer[1] or far).timestamp(), answer[0]))


def _with_window(
    facts: ContactFacts, channel: str, now: datetime, rules: RuleBook, *, basis: str, expires: datetime | None
) -> Decision:
    window = next_window(facts.zones, rules.hours[channel], now)
    if window is None:
        return _refused(SkipReason.TIME_ZONE_UNKNOWN)
    if expires is not None and expires <= max(window.opens, now):
        return _refused(SkipReason.BASIS_EXPIRED)
    status = Status.ALLOWED if window.opens <= now < window.closes else Status.DEFERRED
    return Decision(status, basis=basis, expires_at=expires, window=window)
