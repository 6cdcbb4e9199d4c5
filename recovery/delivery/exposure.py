"""Worst-case legal exposure of a batch: what every message could cost if all of them were unlawful."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts.words import Channel

NO_FIGURE: Final = "XXX"  # ISO 4217: no currency
_EEA: Final = frozenset(
    (
        "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IS", "IE", "IT", "LV", "LI",
        "LT", "LU", "MT", "NL", "NO", "PL", "PT", "RO", "SK", "SI", "ES", "SE",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """Exposure under one law.

    Attributes:
        law: short name and source.
        messages: how many fall under it.
        amount: most that they could cost, in `currency`.
        currency: ISO 4217; `XXX` (no currency) where no figure is on record.
        is_cap: a ceiling for the whole infringement, whatever the number of messages.
    """

    law: str
    messages: int
    amount: float
    currency: str
    is_cap: bool


@dataclass(frozen=True, slots=True)
class _Law:
    name: str
    amount: float
    currency: str
    is_cap: bool = False


_CAN_SPAM: Final = _Law("CAN-SPAM, per e-mail (15 U.S.C. 7706; 16 CFR 1.98)", 53_088, "USD")
_TCPA: Final = _Law("TCPA, per wilful text or call (47 U.S.C. 227(b)(3))", 1_500, "USD")
_UTR: Final = _Law("Canadian call rules, per violation of a corporation (S.C. 1993, c. 38, s. 72.01)", 15_000, "CAD")
_CASL: Final = _Law("CASL, per violation of an organisation (S.C. 2010, c. 23, s. 20)", 10_000_000, "CAD")
_PECR: Final = _Law("PECR and UK GDPR, or 4 % of turnover (DPA 2018, s. 157)", 17_500_000, "GBP", is_cap=True)
_SPAM_ACT: Final = _Law("Spam Act 2003, s. 25, per day: 10,000 penalty units of A$330", 3_300_000, "AUD", is_cap=True)
_DNCR: Final = _Law(
    "Do Not Call Register Act 2006, s. 25, per day: 10,000 penalty units of A$330", 3_300_000, "AUD", is_cap=True
)
_UNKNOWN: Final = _Law("no figure on record for the country", 0, NO_FIGURE)
_GDPR: Final = _Law("GDPR, or 4 % of turnover (Art. 83(5))", 20_000_000, "EUR", is_cap=True)


def exposure(messages: Mapping[tuple[str | None, Channel], int]) -> tuple[Line, ...]:
    """Lines by law, the largest number of messages first.

    Args:
        messages: touches to be made by country (ISO 3166, None unknown) and channel; tasks for people cost nothing.
    """
    counted: dict[_Law, int] = {}
    for (country, channel), count in messages.items():
        law = _law(country, channel)
        if law is not None and count:
            counted[law] = counted.get(law, 0) + count
    lines = [
        Line(law.name, count, law.amount if law.is_cap else law.amount * count, law.currency, law.is_cap)
        for law, count in counted.items()
    ]
    return tuple(sorted(lines, key=lambda line: (-line.messages, line.law)))


def _law(country: str | None, channel: Channel) -> _Law | None:
    if channel in (Channel.CRM_TASK, Channel.AUDIENCE):
        return None
    if country == "US":
        return _CAN_SPAM if channel is Channel.EMAIL else _TCPA
    if country == "CA":
        return _CASL if channel in (Channel.EMAIL, Channel.SMS) else _UTR
    if country == "GB":
        return _PECR
    if country == "AU":
        return _SPAM_ACT if channel in (Channel.EMAIL, Channel.SMS) else _DNCR
    return _GDPR if country in _EEA else _UNKNOWN
