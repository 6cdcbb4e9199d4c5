"""What is known about a person when permission is asked. Merging people is the union of what is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum


class Stance(StrEnum):
    """Whether a fact speaks for or against contact."""

    ALLOWED = "allowed"
    REFUSED = "refused"


class Recipient(IntEnum):
    """Who holds the address, from the best protected to the least."""

    UNKNOWN = 0
    WORK = 1
    CORPORATE = 2


@dataclass(frozen=True, slots=True)
class Fact:
    """One standing statement about permission: what `history.standing` leaves of a person's past.

    Attributes:
        channel: `email`, `sms`, `call`, `audience` or `all`.
        stance: for or against.
        basis: value of `contracts.words.Basis` or `SuppressionReason`.
        source: who says so.
        evidence: in which words or column.
        since: first day of validity; None = unknown.
        expires_at: first day on which it is void; None = no fixed end.
        collected_during: `sale`, `negotiation` or other words; None = unknown.
        is_optout_offered: whether an opt-out was offered when the address was collected; None = unknown.
        has_full_record: number, seller, version of the disclosure, moment, source and IP or URL are all on record
            (47 CFR 64.1200(f)(9)); anything less is no written consent.
        not_for: channels that it does not speak for any more: of a refusal those that a later consent of the
            person's own accord has reopened, of a ground those that were refused after it.
    """

    channel: str
    stance: Stance
    basis: str
    source: str = ""
    evidence: str = ""
    since: date | None = None
    expires_at: date | None = None
    collected_during: str | None = None
    is_optout_offered: bool | None = None
    has_full_record: bool = False
    not_for: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """One person as seen by one channel.

    Attributes:
        countries: ISO codes that the records state; several are a conflict.
        has_country_conflict: sources of one record disagree about the country.
        states: subdivisions that anything names (address, area code), upper case; several narrow the hours.
        is_state_known: an address names the state; an area code alone does not.
        zones: IANA time zones; several narrow the window to their intersection.
        has_address: the channel's address is known and well-formed.
        has_opt_out_source: every source of the person would show an opt-out (column or suppression list).
        recipient: kind of address holder.
        dormant_days: days without inbound activity.
        facts: standing statements, in any order.
    """

    countries: frozenset[str] = frozenset()
    has_country_conflict: bool = False
    states: frozenset[str] = frozenset()
    is_state_known: bool = False
    zones: frozenset[str] = frozenset()
    has_address: bool = False
    has_opt_out_source: bool = False
    recipient: Recipient = Recipient.UNKNOWN
    dormant_days: int = 0
    facts: frozenset[Fact] = frozenset()


def merge(one: ContactFacts, other: ContactFacts) -> ContactFacts:
    """Facts of two records that turn out to be one person; commutative, associative, idempotent.

    Refusals of either part stand, whatever the other part allows.
    """
    return ContactFacts(
        countries=one.countries | other.countries,
        has_country_conflict=one.has_country_conflict or other.has_country_conflict,
        states=one.states | other.states,
        is_state_known=one.is_state_known and other.is_state_known,
        zones=one.zones | other.zones,
        has_address=one.has_address or other.has_address,
        has_opt_out_source=one.has_opt_out_source and other.has_opt_out_source,
        recipient=min(one.recipient, other.recipient),
        dormant_days=max(one.dormant_days, other.dormant_days),
        facts=one.facts | other.facts,
    )
