"""What stands after everything that was said: no order, repetition or import loosens anything."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.words import Basis, Channel, SkipReason, SuppressionReason
from recovery.permission import ContactFacts, PermissionPolicy, Stance, Status, decide, load_rules, merge
from recovery.permission.context import Context, dump_context, load_context
from recovery.permission.history import Statement, standing
from recovery.permission.refusals import EVERYWHERE

RULES = load_rules()
NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)
START = datetime(2025, 1, 1)
LAW = PermissionPolicy()


def said(basis: str, day: int, *, channel: str = "email", stance: Stance = Stance.ALLOWED, **more: Any) -> Statement:
    values: dict[str, Any] = {
        "key": "k:1", "channel": channel, "stance": stance, "basis": basis, "source": "web", "evidence": "",
        "since": START + timedelta(days=day), "expires_at": None, "recorded_at": START + timedelta(days=day),
    }  # fmt: skip
    return Statement(**(values | more))


def no(basis: str, day: int, **more: Any) -> Statement:
    return said(basis, day, stance=Stance.REFUSED, **more)


def yes(day: int, basis: str = "express_consent", **more: Any) -> Statement:
    return said(basis, day, **({"is_lead_originated": True} | more))


def ask(statements: list[Statement], channel: Channel = Channel.EMAIL, country: str = "US") -> SkipReason | str:
    facts = ContactFacts(
        countries=frozenset([country]),
        states=frozenset(["NY"]),
        is_state_known=True,
        zones=frozenset(["America/New_York"]),
        has_address=True,
        has_opt_out_source=True,
        facts=standing(statements),
    )
    found = decide(facts, channel, NOW, LAW, RULES)
    return found.reason if found.reason is not None else "yes"


def test_only_a_later_consent_of_the_persons_own_accord_reopens_and_only_its_channel() -> None:
    out = no("opt_out", 10)
    assert ask([yes(1), out]) == SkipReason.OPTED_OUT
    assert ask([out, yes(20, is_lead_originated=False)]) == SkipReason.OPTED_OUT  # an import
    assert ask([out, yes(10)]) == SkipReason.OPTED_OUT  # the same moment
    assert ask([out, yes(20, basis="unconfirmed_consent")]) == SkipReason.OPTED_OUT
    assert ask([out, yes(20, channel="all")]) == SkipReason.OPTED_OUT  # per channel
    assert ask([out, yes(20)]) == "yes"
    assert ask([out, yes(20), no("opt_out", 30)]) == SkipReason.OPTED_OUT
    everything = no("objection", 10, channel="all")
    assert ask([everything, yes(20)]) == "yes"
    assert ask([everything, yes(20)], Channel.CALL) == SkipReason.OBJECTED


def test_a_consent_from_the_future_lifts_nothing_that_comes_after_its_record() -> None:
    forged = yes(20, since=START + timedelta(days=400))
    assert ask([forged, no("opt_out", 30)]) == SkipReason.OPTED_OUT
    assert ask([no("opt_out", 10), yes(20, since=None)]) == SkipReason.OPTED_OUT


def test_a_dead_mailbox_and_a_restriction_are_not_reopened_by_consent() -> None:
    assert ask([no("hard_bounce", 10), yes(20)]) == SkipReason.HARD_BOUNCED
    assert ask([no("restriction", 10, channel="all"), yes(20)]) == SkipReason.RESTRICTED


def test_an_undated_refusal_counts_from_its_record() -> None:
    undated = no("opt_out", 30, since=None)
    assert ask([yes(20), undated]) == SkipReason.OPTED_OUT
    assert ask([undated, yes(40)]) == "yes"


def test_a_refusal_ends_the_grounds_before_it_also_when_consent_reopens_the_channel() -> None:
    inquiry = said("inquiry", 480, channel="all")
    stop = no("opt_out", 490, channel="sms")
    written = yes(500, channel="call")
    assert ask([inquiry], Channel.CALL) == "yes"
    assert ask([inquiry, stop, written], Channel.CALL) == "yes"  # by the consent
    facts = standing([inquiry, stop, written])
    ground = next(fact for fact in facts if fact.basis == "inquiry")
    assert ground.not_for >= {"call", "sms"}
    assert "email" not in ground.not_for
    assert ask([inquiry, stop], country="CA") == "yes"  # a STOP by text leaves the e-mail's ground


def test_each_address_is_judged_by_itself() -> None:
    assert ask([no("opt_out", 10, key="k:1"), yes(20, key="k:2")]) == SkipReason.OPTED_OUT


moments = st.integers(0, 500).map(lambda day: START + timedelta(days=day))
statements_ = st.builds(
    Statement,
    key=st.sampled_from(["k:1", "k:2"]),
    channel=st.sampled_from(["email", "sms", "call", "all"]),
    stance=st.sampled_from(Stance),
    basis=st.sampled_from([*(b.value for b in Basis), *(r.value for r in SuppressionReason)]),
    source=st.just("s"),
    evidence=st.just(""),
    since=st.none() | moments,
    expires_at=st.none() | moments,
    recorded_at=moments,
    is_lead_originated=st.booleans(),
    has_full_record=st.booleans(),
)
histories = st.lists(statements_, max_size=7)


@settings(max_examples=60, deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(history: list[Statement], rng: random.Random) -> None:
    shuffled = history * 2
    rng.shuffle(shuffled)
    assert standing(shuffled) == standing(history)


@settings(max_examples=80, deadline=None)
@given(histories, statements_, st.sampled_from(Channel))
def test_an_import_never_loosens(history: list[Statement], more: Statement, channel: Channel) -> None:
    """Whatever an import adds, a channel that was refused by the person stays refused."""
    imported = Statement(**{name: getattr(more, name) for name in more.__slots__} | {"is_lead_originated": False})
    before, after = ask(history, channel), ask([*history, imported], channel)
    closed = {SkipReason.OPTED_OUT, SkipReason.OBJECTED, SkipReason.COMPLAINED, SkipReason.DO_NOT_CONTACT,
              SkipReason.HARD_BOUNCED, SkipReason.RESTRICTED, SkipReason.SALE_OPT_OUT}  # fmt: skip
    if before in closed:
        assert after in closed


@settings(max_examples=80, deadline=None)
@given(histories, histories, st.sampled_from(Channel))
def test_a_merge_is_the_stricter_of_both_whatever_the_order(
    one: list[Statement], other: list[Statement], channel: Channel
) -> None:
    parts = [ContactFacts(countries=frozenset(["US"]), facts=standing(part)) for part in (one, other)]
    merged = merge(*parts)
    assert merged == merge(*reversed(parts))
    for part in parts:
        for fact in part.facts:
            refuses = fact.stance is Stance.REFUSED and channel.value not in fact.not_for and fact.basis != "not_now"
            if refuses and fact.basis in EVERYWHERE:
                assert decide(merged, channel, NOW, LAW, RULES).status is Status.REFUSED


def test_the_facts_of_a_touch_survive_their_writing() -> None:
    facts = standing([no("opt_out", 3, channel="sms"), yes(5, channel="sms"), said("inquiry", 2, channel="all")])
    contact = ContactFacts(frozenset(["US"]), states=frozenset(["TX"]), zones=frozenset(["UTC"]), facts=facts)
    context = Context(contact, frozenset(["k:1", "k:2"]), is_job_related=True, rules_sha256="ab")
    text = dump_context(context)
    assert load_context(text) == context
    assert dump_context(load_context(text)) == text
