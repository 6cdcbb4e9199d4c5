"""A decision in sentences that a compliance officer can read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from contracts.words import Basis, Channel, SkipReason, SuppressionReason
from recovery.permission.decide import Decision, PermissionPolicy, Status, decide
from recovery.permission.facts import ContactFacts, Fact, Recipient, Stance
from recovery.permission.hours import zone_of
from recovery.permission.packs import PlaceRule
from recovery.permission.refusals import closes
from recovery.permission.rules import RuleBook
from recovery.permission.words import WORDS

_HOW: Final = {
    "Q": "quoted from the law's text",
    "S": "read in a secondary source",
    "V": "read in a vendor's document",
    "K": "known, not verified",
}
_SAID: Final[dict[str, str]] = {
    SuppressionReason.OPT_OUT: "Opted out",
    SuppressionReason.OBJECTION: "Objected to marketing",
    SuppressionReason.COMPLAINT: "Complained",
    SuppressionReason.HARD_BOUNCE: "The address bounced for good",
    SuppressionReason.DO_NOT_CONTACT: "On the do-not-contact list",
    SuppressionReason.RESTRICTION: "Asked for restriction of processing",
    SuppressionReason.NOT_NOW: "Asked to be left alone for now",
    SuppressionReason.SALE_OPT_OUT: "Opted out of sale and sharing",
    Basis.EXPRESS_CONSENT: "Gave express consent",
    Basis.WRITTEN_CONSENT: "Gave written consent",
    Basis.INQUIRY: "Inquired",
    Basis.PURCHASE: "Purchased",
    Basis.SOFT_OPT_IN: "Soft opt-in as a customer",
    Basis.RELATIONSHIP: "Is an own relationship",
    Basis.BUSINESS_LINE: "The number is a business line",
    Basis.ABSENT_FROM_NATIONAL_LIST: "A scrub found the number absent from the national list",
    Basis.ON_NATIONAL_LIST: "A scrub found the number on the national list",
    Basis.UNCONFIRMED_CONSENT: "Consent was asked for and not confirmed",
}
_RECIPIENTS: Final = {
    Recipient.UNKNOWN: "a private or unknown address",
    Recipient.WORK: "a work address",
    Recipient.CORPORATE: "a corporate address",
}
_NAMES: Final = {
    Channel.EMAIL: "e-mail",
    Channel.SMS: "text message",
    Channel.CALL: "call",
    Channel.CRM_TASK: "task for a colleague",
    Channel.AUDIENCE: "advertising audience",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One channel's answer and why.

    Attributes:
        channel: which one.
        decision: the answer.
        because: sentences, the most general first; no address.
    """

    channel: Channel
    decision: Decision
    because: tuple[str, ...]

    @property
    def answer(self) -> str:
        """The answer in one sentence."""
        name = _NAMES[self.channel].capitalize()
        decision = self.decision
        if decision.status is Status.REFUSED:
            why = WORDS[decision.reason or SkipReason.CONSENT_REQUIRED]
            return f"{name}: refused, because: {why}. What would unlock it: {decision.unlock}"
        until = f" The ground ends on {decision.expires_at:%d %B %Y}." if decision.expires_at else ""
        ground = _ground_words(decision.basis)
        if decision.status is Status.ALLOWED:
            return f"{name}: allowed, on the ground: {ground}.{until}"
        opens = "" if decision.window is None else f" until {decision.window.opens:%d %B %Y, %H:%M} UTC"
        return f"{name}: deferred{opens}, outside the permitted hours; permitted on the ground: {ground}.{until}"


def tell(facts: ContactFacts, channel: Channel, now: datetime, policy: PermissionPolicy, rules: RuleBook) -> Told:
    """Decide and say why.

    Args:
        facts: as known at the moment that is asked about.
        channel: which one.
        now: that moment, aware UTC.
        policy: the operator's own limits.
        rules: dated ones; those in force at the moment are used.
    """
    decision = decide(facts, channel, now, policy, rules)
    because = [_place(facts), *_clocks(facts, now), *_law(facts, channel, now, rules)]
    if policy.mode == "explicit":
        because.append("The house asks for recorded consent everywhere, whatever the law allows.")
    because += [_statement(fact, channel) for fact in sorted(facts.facts, key=_order)]
    if not facts.facts:
        because.append("Nothing is recorded for or against contact.")
    return Told(channel, decision, tuple(because))


def _ground_words(basis: str | None) -> str:
    return {"none_needed": "none is needed"}.get(basis or "", (basis or "none").replace("_", " "))


def _place(facts: ContactFacts) -> str:
    countries = " and ".join(sorted(facts.countries)) or "unknown"
    states = f", state {' and '.join(sorted(facts.states))}" if facts.states else ""
    doubt = " Sources disagree, so the strictest rule counts." if facts.has_country_conflict else ""
    unsure = " No address names the state." if "US" in facts.countries and not facts.is_state_known else ""
    return f"Country {countries}{states}; {_RECIPIENTS[facts.recipient]}.{doubt}{unsure}"


def _clocks(facts: ContactFacts, now: datetime) -> list[str]:
    told = []
    for name in sorted(facts.zones):
        zone = zone_of(name)
        shown = f"{now.astimezone(zone):%A, %d %B %Y, %H:%M}" if zone else "unknown: there is no such zone"
        told.append(f"Clock of {name}: {shown}.")
    return told or ["The time zone is not known."]


def _law(facts: ContactFacts, channel: Channel, now: datetime, rules: RuleBook) -> list[str]:
    if channel is Channel.CRM_TASK:
        return ["A task needs no permission, but none is made for whoever objected."]
    told = []
    for country in sorted(facts.countries):
        pack, rule = rules.pack(country, now.date()), rules.rule(country, channel.value, now.date())
        told.append(
            f"Rule {rule.rule} for {pack.name}, in force since {pack.valid_from:%d %B %Y}: {rule.words} "
            f"({'; '.join(rule.cites)}; {_HOW[pack.how_read]}.)"
        )
    places = rules.places_of(facts.countries, facts.states, is_state_known=facts.is_state_known)
    return told + [_place_rule(rule) for rule in rules.place_rules(places, channel.value, now.date())]


def _place_rule(rule: PlaceRule) -> str:
    return f"Rule {rule.rule}: {rule.words} ({'; '.join(rule.cites)}; {_HOW[rule.how_read]}.)"


def _statement(fact: Fact, channel: Channel) -> str:
    said = _SAID.get(fact.basis, f"'{fact.basis}'")
    when = f" on {fact.since:%d %B %Y}" if fact.since else ", date unknown"
    where = "every channel" if fact.channel == "all" else fact.channel
    source = f", says {fact.source}" if fact.source else ""
    words = f": {fact.evidence}" if fact.evidence else ""
    end = f" It ends on {fact.expires_at:%d %B %Y}." if fact.expires_at else ""
    effect = ""
    if fact.stance is Stance.REFUSED:
        effect = " It closes this channel." if closes(fact, channel) else " It does not reach this channel."
    if channel.value in fact.not_for:
        lifted = "a later consent of the person's own accord lifted it"
        effect = f" For this channel {lifted if fact.stance is Stance.REFUSED else 'a later refusal ended it'}."
    return f"{said}{when}, for {where}{source}{words}.{end}{effect}"


def _order(fact: Fact) -> tuple[bool, str, str, str, str]:
    return (fact.stance is Stance.ALLOWED, str(fact.since), fact.basis, fact.channel, fact.source)


def as_json(told: Told) -> dict[str, object]:
    """The same for machines; times are ISO 8601 in UTC."""
    decision = told.decision
    window = decision.window
    return {
        "channel": told.channel.value,
        "status": decision.status.value,
        "reason": decision.reason.value if decision.reason else None,
        "unlock": decision.unlock or None,
        "basis": decision.basis,
        "expires_at": _iso(decision.expires_at),
        "window": None if window is None else {"opens": _iso(window.opens), "closes": _iso(window.closes)},
        "rules": list(decision.rules),
        "answer": told.answer,
        "because": list(told.because),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
