"""What mailbox providers ask of whoever sends much: a forecast per day, and what is missing of their rules.

Gmail counts everything that one registered domain and its subdomains send to personal mailboxes; 5,000 a day once make
a bulk sender for good (support.google.com/a/answer/14229414). Microsoft asks the same authentication of domains above
5,000 a day.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from contracts.mail import SenderDns

_LEAST_DKIM_BITS: Final = 1_024


class Provider(StrEnum):
    """Mailbox providers with rules for bulk senders."""

    GMAIL = "gmail"
    MICROSOFT = "microsoft"


NAMES: Final[Mapping[Provider, str]] = {Provider.GMAIL: "Gmail", Provider.MICROSOFT: "Microsoft"}
# From so many a day on the rules bind: "5,000 or more" at Gmail, "over 5,000" at Microsoft.
BULK: Final[Mapping[Provider, int]] = {Provider.GMAIL: 5_000, Provider.MICROSOFT: 5_001}
_DOMAINS: Final[Mapping[Provider, re.Pattern[str]]] = {
    Provider.GMAIL: re.compile(r"(?:gmail|googlemail)\.com"),
    Provider.MICROSOFT: re.compile(r"(?:(?:outlook|hotmail|live)\.(?:com?\.)?[a-z]{2,3}|msn\.com)"),
}


def provider_of(address: str) -> Provider | None:
    """Whose personal mailbox an address is; None for everybody else, companies at these providers included."""
    domain = address.rpartition("@")[2].strip().lower().rstrip(".")
    return next((provider for provider, form in _DOMAINS.items() if form.fullmatch(domain)), None)


def count_providers(addresses: Iterable[str | None]) -> dict[Provider, int]:
    """Mailboxes by provider; those of nobody else."""
    found = Counter(provider_of(address) for address in addresses if address)
    return {provider: found[provider] for provider in Provider if found[provider]}


@dataclass(frozen=True, slots=True)
class Posting:
    """What one batch brings to the providers.

    Attributes:
        day: when it leaves.
        domain: registered domain of the From address.
        counts: mailboxes by provider.
        has_left: it was sent, wholly or in part.
    """

    day: date
    domain: str
    counts: Mapping[Provider, int]
    has_left: bool = False


@dataclass(frozen=True, slots=True)
class Forecast:
    """Mail of one domain on one day.

    Attributes:
        day, domain: of whom and when.
        counts: mailboxes by provider, of all batches of the day.
        bulk: providers whose rules bind, for this day or since an earlier one.
    """

    day: date
    domain: str
    counts: Mapping[Provider, int]
    bulk: frozenset[Provider]


def forecast(postings: Sequence[Posting], *, day: date, domain: str) -> Forecast:
    """Add up what a domain sends on a day, and tell whether it is, or has ever been, a bulk sender.

    Args:
        postings: every batch that may leave or has left, of any day and domain.
        day: of the decision.
        domain: registered domain of the From address.
    """
    days: dict[date, Counter[Provider]] = {}
    for posting in postings:
        if posting.domain == domain and (posting.has_left or posting.day == day):
            days.setdefault(posting.day, Counter()).update(posting.counts)
    bulk = {
        provider
        for when, counts in days.items()
        for provider, most in BULK.items()
        if when <= day and counts[provider] >= most
    }
    return Forecast(day, domain, MappingProxyType(dict(days.get(day, Counter()))), frozenset(bulk))


def unmet_rules(dns: SenderDns | None, *, domain: str, registered: Callable[[str], str | None]) -> tuple[str, ...]:
    """What is missing for a bulk sender, in words; none when everything is declared.

    One-click unsubscribe, its visible link and the size of a message are checked on every message already.

    Args:
        dns: what the operator declares.
        domain: registered domain of the From address.
        registered: registered domain of a host name.
    """
    if dns is None:
        return ("nobody declares SPF, DKIM, DMARC, TLS and PTR of the sender",)
    is_signed = dns.dkim_bits >= _LEAST_DKIM_BITS
    tests = (
        (dns.spf, "no SPF record"),
        (is_signed, f"no DKIM signature of {_LEAST_DKIM_BITS:,} bits or more"),
        (not is_signed or registered(dns.dkim_domain) == domain, f"the DKIM domain is not aligned with {domain}"),
        (bool(dns.dmarc), "no DMARC record (p=none suffices)"),
        (dns.tls, "mail is not handed over encrypted"),
        (dns.ptr, "the sending address has no PTR record"),
    )
    return tuple(words for holds, words in tests if not holds)


def objection(found: Forecast, unmet: Sequence[str]) -> str | None:
    """Why mail of this day may not leave, or None."""
    if not found.bulk or not unmet:
        return None
    names = " and ".join(NAMES[provider] for provider in Provider if provider in found.bulk)
    return f"{found.domain} is a bulk sender for {names}, and their rules are not met: {'; '.join(unmet)}"
