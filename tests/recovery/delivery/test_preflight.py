"""The rules of mailbox providers for bulk senders (M-01, M-02, M-10): counted by domain and day, kept for good."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.mail import SenderDns
from recovery.delivery.preflight import (
    BULK,
    Posting,
    Provider,
    count_providers,
    forecast,
    objection,
    provider_of,
    unmet_rules,
)

DAY = date(2026, 6, 1)
GOOD = SenderDns(spf=True, dkim_bits=1_024, dkim_domain="mail.acme.example", dmarc="none", tls=True, ptr=True,
                 by="ann", on=DAY)  # fmt: skip


def registered(host: str) -> str | None:
    return ".".join(host.split(".")[-2:]) if host else None


def unmet(dns: SenderDns | None) -> tuple[str, ...]:
    return unmet_rules(dns, domain="acme.example", registered=registered)


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("ann@gmail.com", Provider.GMAIL),
        ("Ann@GoogleMail.com.", Provider.GMAIL),
        ("ann@outlook.com", Provider.MICROSOFT),
        ("ann@hotmail.co.uk", Provider.MICROSOFT),
        ("ann@live.fr", Provider.MICROSOFT),
        ("ann@msn.com", Provider.MICROSOFT),
        ("ann@gmail.com.evil.example", None),
        ("ann@notgmail.com", None),
        ("ann@acme.example", None),
        ("gmail.com", Provider.GMAIL),
        ("", None),
    ],
)
def test_personal_mailboxes_are_known_by_their_domain(address: str, provider: Provider | None) -> None:
    assert provider_of(address) is provider


def test_nobody_else_is_counted() -> None:
    found = count_providers(["a@gmail.com", "b@gmail.com", None, "", "c@acme.example", "d@outlook.com"])
    assert found == {Provider.GMAIL: 2, Provider.MICROSOFT: 1}


@given(
    st.lists(
        st.tuples(st.integers(-3, 3), st.sampled_from(["acme.example", "other.example"]), st.integers(0, 6_000),
                  st.booleans()),
        max_size=8,
    ),
    st.sampled_from(list(Provider)),
)  # fmt: skip
def test_a_domain_that_ever_sent_so_much_on_a_day_stays_a_bulk_sender(
    batches: list[tuple[int, str, int, bool]], provider: Provider
) -> None:
    postings = [Posting(DAY + timedelta(days=d), domain, {provider: n}, left) for d, domain, n, left in batches]
    found = forecast(postings, day=DAY, domain="acme.example")

    def sent(day: int) -> int:  # counted without the code under test
        return sum(n for d, domain, n, left in batches if d == day and domain == "acme.example" and (left or day == 0))

    assert found.counts.get(provider, 0) == sent(0)
    assert (provider in found.bulk) == any(sent(day) >= BULK[provider] for day in range(-3, 1))


def test_5000_bind_at_gmail_and_more_than_5000_at_microsoft() -> None:
    def is_bulk(provider: Provider, count: int) -> bool:
        return bool(forecast([Posting(DAY, "a.example", {provider: count})], day=DAY, domain="a.example").bulk)

    assert (is_bulk(Provider.GMAIL, 4_999), is_bulk(Provider.GMAIL, 5_000)) == (False, True)
    assert (is_bulk(Provider.MICROSOFT, 5_000), is_bulk(Provider.MICROSOFT, 5_001)) == (False, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spf": False}, "no SPF"),
        ({"dkim_bits": 1_023}, "no DKIM signature of 1,024 bits"),
        ({"dkim_domain": "esp.example"}, "not aligned with acme.example"),
        ({"dkim_domain": ""}, "not aligned"),
        ({"dmarc": ""}, "no DMARC"),
        ({"tls": False}, "not handed over encrypted"),
        ({"ptr": False}, "no PTR"),
    ],
)
def test_each_rule_that_is_not_met_stops_a_bulk_sender_and_nobody_else(change: dict[str, object], words: str) -> None:
    missing = unmet(GOOD.model_copy(update=change))
    assert len(missing) == 1
    assert words in missing[0]
    many = forecast([Posting(DAY, "acme.example", {Provider.GMAIL: 5_000})], day=DAY, domain="acme.example")
    few = forecast([Posting(DAY, "acme.example", {Provider.GMAIL: 4_999})], day=DAY, domain="acme.example")
    assert words in (objection(many, missing) or "")
    assert "bulk sender for Gmail" in (objection(many, missing) or "")
    assert objection(few, missing) is None
    assert objection(many, unmet(GOOD)) is None


def test_what_nobody_declares_is_not_met() -> None:
    assert unmet(GOOD) == ()
    assert "nobody declares" in unmet(None)[0]
    with pytest.raises(ValidationError):
        SenderDns.model_validate({"spf": True})  # who looked, and when
    with pytest.raises(ValidationError):
        SenderDns.model_validate(GOOD.model_dump() | {"spff": True})
