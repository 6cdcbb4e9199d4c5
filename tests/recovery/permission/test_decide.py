"""Permission: the table of countries, the refusals, and the rules that hold for any history."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.words import Basis, Channel, SkipReason, SuppressionReason
from recovery.permission import (
    UNLOCK,
    WORDS,
    ContactFacts,
    Fact,
    PermissionPolicy,
    Recipient,
    Stance,
    Status,
    decide,
    load_rules,
    merge,
)
from recovery.permission.decide import add_months

RULES = load_rules()
NOW = datetime(2026, 6, 1, 5, tzinfo=UTC)
LAW = PermissionPolicy()


def fact(basis: str, *, days: int = 30, channel: str = "all", **more: object) -> Fact:
    since = (NOW - timedelta(days=days)).date()
    return Fact(channel, Stance.ALLOWED, basis, since=since, **more)  # type: ignore[arg-type]


def refused(basis: str, channel: str = "email") -> Fact:
    return Fact(channel, Stance.REFUSED, basis, since=date(2026, 1, 1))


def contact(country: str | None = "US", *facts: Fact, **more: object) -> ContactFacts:
    values: dict[str, object] = {
        "countries": frozenset([country] if country else []),
        "zones": frozenset(["America/New_York"]),
        "has_address": True,
        "has_opt_out_source": True,
        "facts": frozenset(facts),
    }
    return ContactFacts(**(values | more))  # type: ignore[arg-type]


def ask(facts: ContactFacts, channel: Channel = Channel.EMAIL, policy: PermissionPolicy = LAW) -> SkipReason | str:
    found = decide(facts, channel, NOW, policy, RULES)
    return found.reason if found.reason is not None else "yes"


JOB = PermissionPolicy(is_job_related=True)
TABLE = [
    # country, facts, recipient, policy, answer for e-mail
    ("US", [fact("relationship", days=900)], 0, LAW, "yes"),
    ("US", [fact("opt_out_column")], 0, LAW, SkipReason.CONSENT_REQUIRED),
    ("CA", [fact("relationship")], 2, JOB, SkipReason.CONSENT_REQUIRED),
    ("CA", [fact("inquiry", days=170)], 0, LAW, "yes"),
    ("CA", [fact("inquiry", days=190)], 0, LAW, SkipReason.BASIS_EXPIRED),
    ("CA", [fact("purchase", days=700)], 0, LAW, "yes"),
    ("CA", [fact("purchase", days=740)], 0, LAW, SkipReason.BASIS_EXPIRED),
    ("CA", [fact("express_consent", days=3000)], 0, LAW, "yes"),
    ("GB", [fact("relationship")], 2, LAW, "yes"),
    ("GB", [fact("relationship")], 1, LAW, SkipReason.CONSENT_REQUIRED),
    ("GB", [fact("relationship")], 0, LAW, SkipReason.CONSENT_REQUIRED),
    ("GB", [fact("soft_opt_in")], 0, LAW, SkipReason.CONSENT_REQUIRED),
    ("GB", [fact("soft_opt_in", collected_during="negotiation", is_optout_offered=True)], 0, LAW, "yes"),
    ("GB", [fact("soft_opt_in", collected_during="sale")], 0, LAW, SkipReason.CONSENT_REQUIRED),
    ("FR", [fact("relationship")], 1, JOB, "yes"),
    ("FR", [fact("relationship")], 1, LAW, SkipReason.CONSENT_REQUIRED),
    ("IE", [fact("relationship")], 0, JOB, SkipReason.CONSENT_REQUIRED),
    ("FI", [fact("relationship")], 2, JOB, "yes"),
    *((c, [fact("relationship"), fact("purchase")], 2, JOB, SkipReason.CONSENT_REQUIRED)
      for c in ("DE", "NL", "IT", "BE", "DK", "AT", "RO", "ES", "NO", "CH", "JP", "BR")),
    ("DE", [fact("express_consent")], 0, LAW, "yes"),
    ("DE", [fact("soft_opt_in", collected_during="sale", is_optout_offered=True)], 0, LAW, "yes"),
    ("AU", [fact("relationship", days=300)], 0, LAW, "yes"),
    ("AU", [fact("relationship", days=400)], 0, LAW, SkipReason.BASIS_EXPIRED),
    ("JP", [fact("written_consent")], 0, LAW, "yes"),
]  # fmt: skip


@pytest.mark.parametrize(("country", "facts", "recipient", "policy", "answer"), TABLE)
def test_email_by_country(
    country: str, facts: list[Fact], recipient: int, policy: PermissionPolicy, answer: object
) -> None:
    assert ask(contact(country, *facts, recipient=Recipient(recipient)), policy=policy) == answer


@pytest.mark.parametrize("country", ["US", "CA", "GB", "DE", "FR", "AU", "JP"])
def test_texts_need_consent_everywhere_and_written_consent_in_the_us(country: str) -> None:
    assert ask(contact(country, fact("relationship"), fact("inquiry")), Channel.SMS) == SkipReason.CONSENT_REQUIRED
    express = ask(contact(country, fact("express_consent")), Channel.SMS)
    assert express == (SkipReason.CONSENT_REQUIRED if country == "US" else "yes")
    assert ask(contact(country, fact("written_consent", has_full_record=True)), Channel.SMS) == "yes"


def test_a_call_in_the_us_needs_a_live_relationship() -> None:
    assert ask(contact("US", fact("inquiry", days=80)), Channel.CALL) == "yes"
    assert ask(contact("US", fact("inquiry", days=100)), Channel.CALL) == SkipReason.BASIS_EXPIRED
    assert ask(contact("US", fact("purchase", days=500)), Channel.CALL) == "yes"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"has_address": False}, SkipReason.NO_ADDRESS),
        ({"has_opt_out_source": False}, SkipReason.PERMISSION_UNKNOWN),
        ({"countries": frozenset()}, SkipReason.COUNTRY_UNKNOWN),
        ({"zones": frozenset()}, SkipReason.TIME_ZONE_UNKNOWN),
        ({"zones": frozenset(["Mars/Olympus"])}, SkipReason.TIME_ZONE_UNKNOWN),
        ({"zones": frozenset(["America/New_York", "../etc/passwd"])}, SkipReason.TIME_ZONE_UNKNOWN),
        ({"dormant_days": 366}, SkipReason.TOO_LONG_DORMANT),
        ({"has_country_conflict": True}, SkipReason.COUNTRY_CONFLICT),
        ({"countries": frozenset(["US", "DE"])}, SkipReason.COUNTRY_CONFLICT),
        ({"facts": frozenset()}, SkipReason.CONSENT_REQUIRED),
        ({"facts": frozenset([fact("express_consent", expires_at=date(2026, 5, 31))])}, SkipReason.BASIS_EXPIRED),
        ({"facts": frozenset([fact("relationship", days=-3)])}, SkipReason.BASIS_EXPIRED),
    ],
)
def test_what_is_missing_is_refused(changes: dict[str, object], reason: SkipReason) -> None:
    assert ask(contact("US", fact("relationship"))) == "yes"
    assert ask(contact(**({"country": "US", "facts": frozenset([fact("relationship")])} | changes))) == reason


def test_a_conflict_of_countries_is_solved_by_consent() -> None:
    both = frozenset(["US", "DE"])
    assert ask(contact("US", fact("express_consent"), countries=both)) == "yes"


def test_explicit_policy_demands_recorded_consent() -> None:
    explicit = PermissionPolicy(mode="explicit")
    assert ask(contact("US", fact("relationship")), policy=explicit) == SkipReason.CONSENT_REQUIRED
    assert ask(contact("US", fact("express_consent")), policy=explicit) == "yes"


@pytest.mark.parametrize(
    ("basis", "reason"),
    [
        ("opt_out", SkipReason.OPTED_OUT),
        ("objection", SkipReason.OBJECTED),
        ("complaint", SkipReason.COMPLAINED),
        ("hard_bounce", SkipReason.HARD_BOUNCED),
        ("do_not_contact", SkipReason.DO_NOT_CONTACT),
        ("a word nobody knows", SkipReason.DO_NOT_CONTACT),
    ],
)
def test_a_refusal_wins_over_any_consent(basis: str, reason: SkipReason) -> None:
    assert ask(contact("US", fact("written_consent", days=0), refused(basis))) == reason


def test_refusals_reach_the_channels_they_must() -> None:
    stop = contact("US", fact("written_consent", has_full_record=True), refused("opt_out", "sms"))
    assert ask(stop, Channel.CALL) == SkipReason.OPTED_OUT
    assert ask(stop, Channel.EMAIL) == "yes"
    objector = contact("US", fact("written_consent"), refused("objection", "email"))
    assert {ask(objector, c) for c in (Channel.EMAIL, Channel.SMS, Channel.CALL, Channel.CRM_TASK)} == {
        SkipReason.OBJECTED
    }


def test_a_task_needs_no_permission_but_a_person_who_did_not_object() -> None:
    assert ask(contact("DE", has_address=False), Channel.CRM_TASK) == "yes"


def test_the_ground_that_ends_is_told() -> None:
    found = decide(contact("CA", fact("inquiry", days=170)), Channel.EMAIL, NOW, LAW, RULES)
    assert found.status is Status.DEFERRED
    assert found.basis == "inquiry"
    assert found.expires_at is not None
    assert 0 < (found.expires_at - NOW).days < 20


def test_open_and_closed_hours() -> None:
    lead = contact("US", fact("relationship"))
    answers = [decide(lead, Channel.EMAIL, NOW.replace(hour=h), LAW, RULES).status for h in (12, 13, 20, 21)]
    assert answers == [Status.DEFERRED, Status.ALLOWED, Status.ALLOWED, Status.DEFERRED]


def test_every_reason_has_words_and_a_remedy() -> None:
    assert set(WORDS) == set(UNLOCK) == set(SkipReason)


def test_every_rule_cites_its_source() -> None:
    for packs in RULES.packs.values():
        for pack in packs:
            assert all(rule.cites and rule.words for rule in (pack.email, pack.sms, pack.call, pack.audience))
            assert pack.valid_from <= pack.read_on


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2024, 11, 30), 3, date(2025, 2, 28)),
        (date(2024, 12, 15), 12, date(2025, 12, 15)),
        (date(2024, 6, 30), 6, date(2024, 12, 30)),
    ],
)
def test_months_end_where_the_month_ends(day: date, months: int, expected: date) -> None:
    assert add_months(day, months) == expected


facts_ = st.builds(
    Fact,
    channel=st.sampled_from(["email", "sms", "call", "all"]),
    stance=st.sampled_from(Stance),
    basis=st.sampled_from([*Basis, *SuppressionReason]),
    since=st.none() | st.dates(date(2023, 1, 1), date(2026, 6, 2)),
    expires_at=st.none() | st.dates(date(2025, 1, 1), date(2027, 1, 1)),
    collected_during=st.sampled_from([None, "sale", "fair"]),
    is_optout_offered=st.sampled_from([None, True, False]),
    has_full_record=st.booleans(),
)
contacts = st.builds(
    ContactFacts,
    countries=st.frozensets(st.sampled_from(["US", "CA", "GB", "DE", "FR", "AU", "JP"]), max_size=2),
    has_country_conflict=st.booleans(),
    states=st.frozensets(st.sampled_from(["TX", "FL", "AL"]), max_size=2),
    is_state_known=st.booleans(),
    zones=st.frozensets(st.sampled_from(["America/New_York", "Asia/Tokyo", "Pacific/Apia"]), max_size=2),
    has_address=st.booleans(),
    has_opt_out_source=st.booleans(),
    recipient=st.sampled_from(Recipient),
    dormant_days=st.integers(0, 800),
    facts=st.frozensets(facts_, max_size=5),
)
channels = st.sampled_from(Channel)


@settings(max_examples=80, deadline=None)
@given(contacts, channels)
def test_nobody_who_refused_a_channel_is_ever_allowed(facts: ContactFacts, channel: Channel) -> None:
    said_no = any(
        f.stance is Stance.REFUSED and (f.channel in (channel.value, "all") or f.basis in ("objection", "complaint"))
        for f in facts.facts
    )
    found = decide(facts, channel, NOW, LAW, RULES)
    if said_no and channel is not Channel.CRM_TASK:
        assert found.status is Status.REFUSED
    assert (found.reason is None) == (found.status is not Status.REFUSED)
    assert bool(found.unlock) == (found.status is Status.REFUSED)


@settings(max_examples=80, deadline=None)
@given(contacts, contacts, channels)
def test_merging_never_lifts_a_refusal(one: ContactFacts, other: ContactFacts, channel: Channel) -> None:
    lasting = {
        SkipReason.OPTED_OUT,
        SkipReason.OBJECTED,
        SkipReason.COMPLAINED,
        SkipReason.HARD_BOUNCED,
        SkipReason.DO_NOT_CONTACT,
        SkipReason.PERMISSION_UNKNOWN,
    }
    merged = decide(merge(one, other), channel, NOW, LAW, RULES)
    for part in (one, other):
        if decide(part, channel, NOW, LAW, RULES).reason in lasting:
            assert merged.status is Status.REFUSED


@settings(max_examples=60, deadline=None)
@given(contacts, contacts, contacts)
def test_the_order_of_merges_is_irrelevant(a: ContactFacts, b: ContactFacts, c: ContactFacts) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a


@settings(max_examples=60, deadline=None)
@given(contacts, channels, facts_)
def test_another_refusal_never_helps(facts: ContactFacts, channel: Channel, more: Fact) -> None:
    no = Fact(more.channel, Stance.REFUSED, more.basis)
    worse = merge(facts, ContactFacts(facts=frozenset([no]), has_opt_out_source=True, recipient=Recipient.CORPORATE))
    if decide(facts, channel, NOW, LAW, RULES).status is Status.REFUSED:
        assert decide(worse, channel, NOW, LAW, RULES).status is Status.REFUSED
