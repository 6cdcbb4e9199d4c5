"""The lines of the law that concern deciding, each by its number."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest

from contracts.words import Basis, Channel, SkipReason
from recovery.permission import (
    UNLOCK,
    ContactFacts,
    Fact,
    PermissionPolicy,
    Recipient,
    Stance,
    Status,
    decide,
    load_rules,
    may_confirm_revocation,
    merge,
    reachable_until,
)

R, RULES = SkipReason, load_rules()
NOW = datetime(2026, 7, 1, 15, tzinfo=UTC)  # Wednesday, 11:00 in New York
LAW = PermissionPolicy()
MARKETING = (Channel.EMAIL, Channel.SMS, Channel.CALL, Channel.AUDIENCE)


def yes(basis: str, *, days: int = 30, channel: str = "all", **more: Any) -> Fact:
    return Fact(channel, Stance.ALLOWED, basis, since=(NOW - timedelta(days=days)).date(), **more)


def no(basis: str, channel: str = "email", **more: Any) -> Fact:
    return Fact(channel, Stance.REFUSED, basis, **{"since": date(2026, 1, 1)} | more)


FULL = yes("written_consent", has_full_record=True)


def person(*facts: Fact, country: str = "US", **more: Any) -> ContactFacts:
    values: dict[str, Any] = {
        "countries": frozenset([country]), "states": frozenset(["NY"]), "is_state_known": True,
        "zones": frozenset(["America/New_York"]), "has_address": True, "has_opt_out_source": True,
        "facts": frozenset(facts),
    }  # fmt: skip
    return ContactFacts(**values | more)


def ask(facts: ContactFacts, channel: Channel = Channel.EMAIL, *, now: datetime = NOW, **limits: Any) -> object:
    found = decide(facts, channel, now, PermissionPolicy(**limits), RULES)
    return found.reason if found.reason is not None else found.status.value


def test_c_01_every_message_is_commercial_whatever_the_batch() -> None:
    assert ask(person(no("opt_out"), FULL)) == R.OPTED_OUT
    assert not {name for name in PermissionPolicy.__slots__ if "class" in name or "transactional" in name}


def test_c_02_and_c_08_an_opt_out_holds_at_once_and_has_no_end() -> None:
    old = no("opt_out", since=date(1999, 1, 1), expires_at=date(2000, 1, 1))
    for days in (0, 3650):
        assert ask(person(old, FULL), now=NOW + timedelta(days=days)) == R.OPTED_OUT


def test_c_09_whoever_refused_anything_is_in_no_audience() -> None:
    for channel in ("email", "sms", "call", "all"):
        assert ask(person(no("opt_out", channel), yes("relationship")), Channel.AUDIENCE) == R.OPTED_OUT
    assert ask(person(yes("relationship")), Channel.AUDIENCE) == "allowed"


def test_c_10_a_follow_up_on_a_quote_is_decided_like_any_other() -> None:
    assert ask(person(yes("inquiry"), no("opt_out"))) == R.OPTED_OUT


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.CALL])
def test_t_01_between_8_and_21_in_every_zone_also_when_clocks_change(channel: Channel) -> None:
    """07:59:59 and 21:00:00 are outside on every clock of the world, on days of 23, 24 and 25 hours."""
    for name in sorted(available_timezones()):
        zone, facts = ZoneInfo(name), person(replace(FULL, since=date(2025, 1, 1)), zones=frozenset([name]))
        for day in ((2026, 3, 8), (2026, 3, 29), (2026, 6, 3), (2026, 10, 25), (2026, 11, 1)):
            for clock, expected in (((7, 59, 59), "deferred"), ((8, 0, 0), "allowed"), ((20, 59, 59), "allowed"),
                                    ((21, 0, 0), "deferred")):  # fmt: skip
                moment = datetime(*day, *clock, tzinfo=zone).astimezone(UTC)
                if moment.astimezone(zone).replace(tzinfo=None) != datetime(*day, *clock):
                    continue  # the clock never showed that time
                assert ask(facts, channel, now=moment) == expected, (name, day, clock)


def test_t_01_a_deferral_ends_when_the_window_opens() -> None:
    night = datetime(2026, 7, 2, 2, tzinfo=UTC)
    found = decide(person(FULL), Channel.SMS, night, LAW, RULES)
    assert found.status is Status.DEFERRED
    assert found.window is not None
    assert ask(person(FULL), Channel.SMS, now=found.window.opens) == "allowed"
    assert ask(person(FULL), Channel.SMS, now=found.window.opens - timedelta(seconds=1)) == "deferred"


def at(hour: float, day: int = 1, zone: str = "America/New_York") -> datetime:
    return (datetime(2026, 7, day, tzinfo=ZoneInfo(zone)) + timedelta(hours=hour)).astimezone(UTC)


@pytest.mark.parametrize(
    ("state", "hour", "day", "answer"),
    [
        ("FL", 7.99, 1, "deferred"), ("FL", 8, 1, "allowed"), ("FL", 20, 1, "deferred"),
        ("OK", 20, 1, "deferred"), ("OR", 20, 1, "deferred"), ("MD", 20, 1, "deferred"), ("MD", 8, 1, "allowed"),
        ("CT", 8.5, 1, "deferred"), ("CT", 9, 1, "allowed"), ("KY", 9.5, 1, "deferred"), ("KY", 20.5, 1, "allowed"),
        ("NV", 8.5, 1, "deferred"), ("RI", 17.9, 1, "allowed"), ("RI", 18, 1, "deferred"), ("RI", 12, 5, "deferred"),
        ("AL", 12, 5, "deferred"), ("LA", 12, 5, "deferred"), ("MS", 12, 5, "deferred"), ("GA", 12, 5, "allowed"),
        ("NY", 8, 1, "allowed"), ("NY", 20.9, 1, "allowed"),
    ],
)  # fmt: skip
def test_t_02_the_states_own_hours(state: str, hour: float, day: int, answer: str) -> None:
    facts = person(FULL, states=frozenset([state]))
    assert ask(facts, Channel.SMS, now=at(hour, day)) == answer
    assert ask(facts, Channel.CALL, now=at(hour, day)) == answer


def test_t_02_texas_is_closed_until_a_registration_is_recorded_texts_included() -> None:
    texan = person(FULL, states=frozenset(["TX"]))
    for channel in (Channel.SMS, Channel.CALL):
        assert ask(texan, channel) == R.REGISTRATION_REQUIRED
        for record in ("tx_registration", "tx_exemption"):
            assert ask(texan, channel, registrations=frozenset([record])) == "allowed"
    sunday = {"registrations": frozenset(["tx_registration"])}
    assert ask(texan, Channel.SMS, now=at(11.9, 5), **sunday) == "deferred"
    assert ask(texan, Channel.SMS, now=at(12, 5), **sunday) == "allowed"
    assert ask(texan, Channel.EMAIL) == "allowed"


def test_t_02_an_unknown_state_has_the_narrowest_hours() -> None:
    unknown = person(FULL, states=frozenset(), is_state_known=False)
    for hour, day, answer in (
        (9.9, 1, "deferred"),
        (10, 1, "allowed"),
        (17.9, 1, "allowed"),
        (18, 1, "deferred"),
        (12, 5, "deferred"),
        (12, 3, "deferred"),
    ):  # fmt: skip  Sunday; Independence Day observed
        assert ask(unknown, Channel.CALL, now=at(hour, day)) == answer, (hour, day)
    by_area_code = person(FULL, states=frozenset(["GA"]), is_state_known=False)
    assert ask(by_area_code, Channel.CALL, now=at(9, 1)) == "deferred"  # an area code alone tells no state


def test_t_02_states_that_disagree_are_open_when_both_are() -> None:
    both = person(FULL, states=frozenset(["CT", "KY"]))
    answers = [ask(both, Channel.CALL, now=at(hour)) for hour in (9.5, 10, 19.9, 20)]
    assert answers == ["deferred", "allowed", "allowed", "deferred"]
    assert ask(person(FULL, states=frozenset(["GA", "TX"])), Channel.SMS) == R.REGISTRATION_REQUIRED


def test_t_03_consent_does_not_open_closed_hours() -> None:
    assert ask(person(FULL), Channel.SMS, now=at(22)) == "deferred"


def test_t_04_a_text_needs_written_consent_with_its_whole_record() -> None:
    for facts in ((), (yes("express_consent"),), (yes("inquiry"), yes("purchase"))):
        assert ask(person(*facts), Channel.SMS) == R.CONSENT_REQUIRED
    assert ask(person(yes("written_consent")), Channel.SMS) == R.CONSENT_INCOMPLETE
    assert ask(person(FULL), Channel.SMS) == "allowed"


def test_t_05_and_c4_a_machines_voice_needs_what_a_text_needs() -> None:
    assert ask(person(yes("inquiry")), Channel.CALL) == "allowed"
    assert ask(person(yes("inquiry")), Channel.CALL, is_voice_artificial=True) == R.CONSENT_REQUIRED
    assert ask(person(FULL), Channel.CALL, is_voice_artificial=True) == "allowed"


def test_t_07_and_t_10_a_stop_closes_every_phone_channel() -> None:
    stopped = person(no("opt_out", "sms"), FULL)
    assert [ask(stopped, channel) for channel in (Channel.SMS, Channel.CALL)] == [R.OPTED_OUT] * 2
    assert ask(stopped) == "allowed"


@pytest.mark.parametrize(
    ("seconds", "confirmations", "may"), [(-1, 0, False), (0, 0, True), (300, 0, True), (301, 0, False), (5, 1, False)]
)
def test_t_09_one_confirmation_within_five_minutes(seconds: int, confirmations: int, may: bool) -> None:
    now = NOW + timedelta(seconds=seconds)
    assert may_confirm_revocation(NOW, now=now, confirmations=confirmations) is may


def test_t_11_a_human_call_needs_a_business_line_a_scrub_or_a_live_relationship() -> None:
    assert ask(person(yes("relationship")), Channel.CALL) == R.CALL_GROUND_REQUIRED
    assert ask(person(yes("business_line", days=3000)), Channel.CALL) == "allowed"
    assert ask(person(yes("absent_from_national_list", days=30)), Channel.CALL) == "allowed"
    assert ask(person(yes("absent_from_national_list", days=31)), Channel.CALL) == R.BASIS_EXPIRED
    assert ask(person(yes("inquiry", days=89)), Channel.CALL) == "allowed"
    assert ask(person(yes("inquiry", days=92)), Channel.CALL) == R.BASIS_EXPIRED
    assert ask(person(yes("purchase", days=540)), Channel.CALL) == "allowed"
    assert ask(person(yes("purchase", days=550)), Channel.CALL) == R.BASIS_EXPIRED
    assert ask(person(yes("business_line"), no("do_not_contact", "call")), Channel.CALL) == R.DO_NOT_CONTACT


def test_t_11_a_newer_scrub_that_finds_the_number_counts() -> None:
    absent, listed = yes("absent_from_national_list", days=20), yes("on_national_list", days=10)
    assert ask(person(absent, listed), Channel.CALL) == R.CALL_GROUND_REQUIRED
    assert ask(person(absent, yes("on_national_list", days=20)), Channel.CALL) == R.CALL_GROUND_REQUIRED
    assert ask(person(absent, yes("on_national_list", days=25)), Channel.CALL) == "allowed"
    assert ask(person(absent, listed, yes("inquiry")), Channel.CALL) == "allowed"  # a live relationship beats the list


def test_t_11_and_c5_a_relationship_never_replaces_consent_to_texts() -> None:
    everything = (yes("inquiry"), yes("purchase"), yes("business_line"), yes("absent_from_national_list"))
    assert ask(person(*everything), Channel.SMS) == R.CONSENT_REQUIRED


def test_g_01_an_objection_closes_every_channel_and_tasks() -> None:
    for basis, reason in (("objection", R.OBJECTED), ("complaint", R.COMPLAINED), ("restriction", R.RESTRICTED)):
        objector = person(no(basis), FULL)
        assert {ask(objector, channel) for channel in (*MARKETING, Channel.CRM_TASK)} == {reason}


def test_g_04_nobody_is_asked_for_permission_again() -> None:
    for reason in (R.OPTED_OUT, R.OBJECTED, R.COMPLAINED):
        assert "of their own accord" in UNLOCK[reason]
    assert ask(person(no("opt_out", "all"), yes("unconfirmed_consent"))) == R.OPTED_OUT


def test_g_07_soft_opt_in_needs_how_it_was_collected() -> None:
    def soft(**facts: Any) -> object:
        return ask(person(yes("soft_opt_in", **facts), country="GB"), now=NOW)

    assert soft(collected_during="negotiation", is_optout_offered=True) == "allowed"
    assert soft(collected_during="negotiation") == R.CONSENT_REQUIRED
    assert soft(is_optout_offered=True) == R.CONSENT_REQUIRED
    assert soft(collected_during="negotiation", is_optout_offered=False) == R.CONSENT_REQUIRED


def test_g_08_corporate_subscribers_in_the_uk_and_nobody_in_germany() -> None:
    kinds = [Recipient.UNKNOWN, Recipient.WORK, Recipient.CORPORATE]
    british = [ask(person(yes("relationship"), country="GB", recipient=kind)) for kind in kinds]
    assert british == [R.CONSENT_REQUIRED, R.CONSENT_REQUIRED, "allowed"]
    german = [ask(person(yes("relationship"), country="DE", recipient=kind), is_job_related=True) for kind in kinds]
    assert german == [R.CONSENT_REQUIRED] * 3


def test_g_11_an_unconfirmed_consent_allows_nothing() -> None:
    for country in (*RULES.packs, "JP"):
        for channel in MARKETING:
            facts = person(yes("unconfirmed_consent"), country=country)
            assert decide(facts, channel, NOW, LAW, RULES).status is Status.REFUSED
    grounds = [g for p in RULES.packs.values() for one in p for c in MARKETING for g in getattr(one, c.value).grounds]
    assert all(Basis.UNCONFIRMED_CONSENT not in ground.basis for ground in grounds)


def test_k_01_canada_six_months_after_an_inquiry_and_two_years_after_a_purchase() -> None:
    def until(basis: str, since: date) -> datetime | None:
        fact = Fact("all", Stance.ALLOWED, basis, since=since)
        return reachable_until(person(fact, country="CA"), Channel.EMAIL, NOW, LAW, RULES)

    assert until("inquiry", date(2026, 1, 2)) == datetime(2026, 7, 2, tzinfo=UTC)
    assert until("inquiry", date(2026, 1, 1)) is None
    assert until("purchase", date(2024, 7, 2)) == datetime(2026, 7, 2, tzinfo=UTC)
    assert until("purchase", date(2024, 7, 1)) is None
    assert until("express_consent", date(2015, 1, 1)) == datetime.max.replace(tzinfo=UTC)


def test_k_07_an_opt_out_of_sale_closes_audiences_alone() -> None:
    californian = person(no("sale_opt_out", "all"), yes("relationship"), states=frozenset(["CA"]))
    assert ask(californian, Channel.AUDIENCE) == R.SALE_OPT_OUT
    assert ask(californian) == "allowed"


def test_section_0_audiences_need_consent_in_the_eea_and_the_uk() -> None:
    for country in ("DE", "FR", "NO", "GB", "CA", "JP"):
        assert ask(person(yes("relationship"), country=country), Channel.AUDIENCE) == R.CONSENT_REQUIRED
        assert ask(person(yes("express_consent"), country=country), Channel.AUDIENCE) == "allowed"


def test_section_0_a_column_that_is_present_and_blank_means_not_opted_out() -> None:
    assert ask(person(yes("relationship"))) == "allowed"
    assert ask(person(yes("relationship"), has_opt_out_source=False)) == R.PERMISSION_UNKNOWN
    merged = merge(person(yes("relationship")), person(yes("relationship"), has_opt_out_source=False))
    assert ask(merged) == R.PERMISSION_UNKNOWN


def test_c1_not_now_waits_for_its_date_where_the_law_lets_it_and_never_after_a_second_time() -> None:
    first = no("not_now", "all", since=date(2026, 6, 1), expires_at=date(2026, 9, 1))
    later = datetime(2026, 9, 1, 15, tzinfo=UTC)
    assert ask(person(first, yes("relationship"))) == R.NOT_NOW
    assert ask(person(first, yes("relationship")), now=later) == "allowed"
    assert ask(person(first, FULL, country="DE"), now=later) == R.OBJECTED
    again = no("not_now", "all", since=date(2026, 6, 20), expires_at=date(2026, 7, 1))
    assert ask(person(first, again, yes("relationship")), now=later) == R.OBJECTED
    undated = no("not_now", "all")
    assert ask(person(undated, yes("relationship")), now=later) == R.NOT_NOW


def test_w6_a_bad_or_missing_zone_is_counted_and_never_sent() -> None:
    for zones in ((), ("",), ("Mars/Olympus",), ("America/New_York", "No/Where")):
        for channel in (Channel.EMAIL, Channel.SMS, Channel.CALL):
            assert ask(person(FULL, zones=frozenset(zones)), channel) == R.TIME_ZONE_UNKNOWN
    apart = person(FULL, zones=frozenset(["America/Los_Angeles", "Asia/Tokyo"]))
    assert ask(apart) == R.NO_PERMITTED_HOUR
