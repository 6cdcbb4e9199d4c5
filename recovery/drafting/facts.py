"""The only facts about a person that words may use, each cleaned; a doubtful value counts as unknown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# Letters, marks, digits and the punctuation of names; no markup, no addresses, no control characters.
_PLAIN: Final = re.compile(r"[\w .,'’&()/+\-–·]+", re.UNICODE)
_LINK: Final = re.compile(r"(?i)(?:https?:|www\.|\w\.(?:com|net|org|io|ru|cn|info|biz|co|xyz|top|app|dev)\b|[/\\]{2})")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class SenderFacts:
    """Who writes. All four are required before anybody is contacted.

    Attributes:
        name: name of the organisation or person.
        postal_address: valid physical address.
        from_address: mailbox of the From header.
        unsubscribe_url: HTTPS page; a token is appended as parameter `t`.
    """

    name: str
    postal_address: str
    from_address: str
    unsubscribe_url: str

    @property
    def is_complete(self) -> bool:
        """Every field is filled, the mailbox is well-formed and the page is HTTPS."""
        texts = (self.name, self.postal_address.replace("\n", " "))  # an address may have several lines
        return (
            all(text.strip() and not _has_control(text) for text in texts)
            and is_mailbox(self.from_address)
            and re.fullmatch(r"https://[^\s<>\"']+", self.unsubscribe_url) is not None
        )

    def unsubscribe_link(self, token: str) -> str:
        """The page with an opaque token (`recovery.tokens`)."""
        separator = "&" if "?" in self.unsubscribe_url else "?"
        return f"{self.unsubscribe_url}{separator}t={token}"


@dataclass(frozen=True, slots=True)
class LeadFacts:
    """What a template may say about a person; None where unknown or doubtful."""

    first_name: str | None
    job_title: str | None
    company_name: str | None
    industry: str | None
    city: str | None
    persona: str
    priority: str


def lead_facts(row: Mapping[str, Any], *, persona: str) -> LeadFacts:
    """Facts of one person from a row of `marts.dim_people` and its score."""
    return LeadFacts(
        first_name=plain(row.get("first_name"), longest=40, words=3),
        job_title=plain(row.get("job_title"), longest=60, words=8),
        company_name=plain(row.get("company_name"), longest=60, words=8),
        industry=plain(row.get("industry"), longest=40, words=5),
        city=plain(row.get("city"), longest=40, words=5),
        persona=persona,
        priority=str(row.get("tier") or "medium"),
    )


def plain(value: Any, *, longest: int, words: int) -> str | None:
    """The value as one line of plain text, or None when it is empty, too long, or holds anything doubtful."""
    if not isinstance(value, str) or _has_control(value):
        return None
    text = " ".join(unicodedata.normalize("NFC", value).split())
    if not text or len(text) > longest or len(text.split()) > words:
        return None
    if not _PLAIN.fullmatch(text) or _LINK.search(text) or not any(c.isalpha() for c in text):
        return None
    return text


def is_mailbox(address: Any) -> bool:
    """Whether the text is one plain ASCII mailbox that can stand in a header."""
    return isinstance(address, str) and _ADDRESS.fullmatch(address) is not None and ".." not in address


def _has_control(text: str) -> bool:
    return any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Co", "Cs") for c in text)
