"""Every entry of every rule file, just inside, on the boundary and just outside: generated from the files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contracts.words import Channel, SkipReason
from recovery.permission import ContactFacts, Fact, PermissionPolicy, Recipient, Stance, Status, decide, load_rules
from recovery.permission.decide import add_months
from recovery.permission.hours import holidays_of
from recovery.permission.packs import CHANNELS, Ground, Pack, PlaceRule
from recovery.permission.rules import ELSEWHERE
from recovery.permission.united_states import state_code

RULES = load_rules()
NOW = datetime(2026, 7, 1, 15, tzinfo=UTC)  # Wednesday, 11:00 in New York
TODAY, DAY, SECOND = NOW.date(), timedelta(days=1), timedelta(seconds=1)
ZONE = "America/New_York"
EVERYTHING = PermissionPolicy(is_job_related=True, registrations=frozenset({"tx_registration"}))
PLACES = [rule for rules in RULES.places.values() for rule in rules]
HOURS = [rule for rule in PLACES if rule.hours is not None]
PACKS = [(country, pack) for country, packs in RULES.packs.items() for pack in packs]


def person(country: str = "XX", *facts: Fact, **more: Any) -> ContactFacts:
    values: dict[str, Any] = {
        "countries": frozenset([country]), "states": frozenset(["GA"]), "is_state_known": True,
        "zones": frozenset([ZONE]), "has_address": True, "has_opt_out_source": True,
        "recipient": Recipient.CORPORATE, "facts": frozenset(facts),
    }  # fmt: skip
    return ContactFacts(**values | more)


def grounds() -> Iterator[tuple[str, str, str, Ground]]:
    for country, pack in PACKS:
        for channel in CHANNELS:
            for ground in getattr(pack, channel).grounds:
                for basis in sorted(ground.basis):
                    yield country, channel, basis, ground


def fact_for(ground: Ground, basis: str, since: date | None) -> Fact:
    return Fact(
        "all", Stance.ALLOWED, basis, since=since, collected_during="negotiation", is_optout_offered=True,
        has_full_record=True,
    )  # fmt: skip


def granted(country: str, channel: str, fact: Fact, policy: PermissionPolicy = EVERYTHING, **more: Any) -> bool:
    return decide(person(country, fact, **more), Channel(channel), NOW, policy, RULES).status is not Status.REFUSED


@pytest.mark.parametrize(("country", "channel", "basis", "ground"), list(grounds()))
def test_every_ground_holds_to_its_last_day_and_asks_for_each_of_its_conditions(
    country: str, channel: str, basis: str, ground: Ground
) -> None:
    fresh = fact_for(ground, basis, TODAY)
    assert granted(country, channel, fresh)
    assert not granted(country, channel, replace(fresh, since=TODAY + DAY))  # not yet
    assert not granted(country, channel, replace(fresh, expires_at=TODAY))
    assert granted(country, channel, replace(fresh, expires_at=TODAY + 30 * DAY))
    _check_term(country, channel, ground, fresh)
    others = [g for g in getattr(RULES.pack(country, TODAY), channel).grounds if basis in g.basis and g != ground]
    if others:  # another ground takes the same fact; its own case tells its conditions
        return
    if ground.recipient != "any":
        assert not granted(country, channel, fresh, recipient=Recipient(ground.least_recipient - 1))
    if ground.content == "job_related":
        assert not granted(country, channel, fresh, replace(EVERYTHING, is_job_related=False))
    if ground.needs_collection_facts:
        assert not granted(country, channel, replace(fresh, collected_during="fair"))
        assert not granted(country, channel, replace(fresh, is_optout_offered=None))
    if ground.needs_full_record:
        assert not granted(country, channel, replace(fresh, has_full_record=False))


def _check_term(country: str, channel: str, ground: Ground, fresh: Fact) -> None:
    if not ground.has_term:
        assert granted(country, channel, replace(fresh, since=date(2000, 1, 1)))
        return
    assert not granted(country, channel, replace(fresh, since=None))
    since = TODAY - timedelta(days=5 + (ground.within_days or 0) + 31 * (ground.within_months or 0))
    while _end(ground, since) <= TODAY:
        assert not granted(country, channel, replace(fresh, since=since)), since  # outside, up to the boundary
        since += DAY
    inside = replace(fresh, since=since)
    assert granted(country, channel, inside)
    assert granted(country, channel, replace(fresh, since=since + 3 * DAY))


def _end(ground: Ground, since: date) -> date:
    ends = []
    if ground.within_months is not None:
        ends.append(add_months(since, ground.within_months))
    if ground.within_days is not None:
        ends.append(since + timedelta(days=ground.within_days))
    return min(ends)


@pytest.mark.parametrize(("country", "pack"), PACKS)
def test_every_pack_begins_and_ends_on_its_day(country: str, pack: Pack) -> None:
    assert RULES.pack(country, pack.valid_from) is pack
    if country != ELSEWHERE:
        assert RULES.pack(country, pack.valid_from - DAY) is not pack
    if pack.valid_to is not None:
        assert RULES.pack(country, pack.valid_to) is not pack
    assert pack.valid_from <= pack.read_on


def where(rule: PlaceRule) -> ContactFacts:
    """A person in the place of a rule alone, as far as the place allows."""
    country, _, state = rule.place.partition("-")
    is_known = state not in ("", "?")
    states = frozenset([state]) if is_known else frozenset(["GA"] if rule.place == "US" else [])
    country = "BR" if country == ELSEWHERE else country
    return person(country, fact_for_all(), states=states, is_state_known=rule.place != "US-?")


def fact_for_all() -> Fact:
    return Fact("all", Stance.ALLOWED, "written_consent", since=date(1990, 1, 1), has_full_record=True)


@pytest.mark.parametrize("rule", HOURS, ids=lambda rule: rule.rule)
@pytest.mark.parametrize("channel", ["call", "sms"])
def test_hours_open_and_close_to_the_second_on_every_weekday(rule: PlaceRule, channel: str) -> None:
    assert rule.hours is not None
    assert channel in rule.channels
    facts, zone = where(rule), ZoneInfo(ZONE)
    monday = max(date(2026, 7, 6), rule.valid_from)
    for number, span in enumerate(rule.hours):
        day = monday + number * DAY
        midnight = datetime.combine(day, time(), zone)

        def status(minute: int, *, offset: timedelta = timedelta(0), start: datetime = midnight) -> Status:
            moment = (start + timedelta(minutes=minute) + offset).astimezone(UTC)
            return decide(facts, Channel(channel), moment, EVERYTHING, RULES).status

        if span is None:
            assert all(status(hour * 60) is Status.DEFERRED for hour in range(24)), day
            continue
        opens, closes = span
        assert status(opens, offset=-SECOND) is Status.DEFERRED
        assert status(opens) is Status.ALLOWED
        assert status(closes, offset=-SECOND) is Status.ALLOWED
        assert status(closes) is Status.DEFERRED


@pytest.mark.parametrize("rule", [rule for rule in HOURS if rule.holidays], ids=lambda rule: rule.rule)
def test_public_holidays_are_closed(rule: PlaceRule) -> None:
    assert rule.hours is not None
    facts, zone = where(rule), ZoneInfo(ZONE)
    for calendar in rule.holidays:
        for day in holidays_of(calendar, 2027):
            noon = datetime.combine(day, time(15), zone).astimezone(UTC)
            assert decide(facts, Channel.CALL, noon, EVERYTHING, RULES).status is Status.DEFERRED, (calendar, day)


@pytest.mark.parametrize("rule", PLACES, ids=lambda rule: rule.rule)
def test_a_rule_of_a_place_holds_from_its_day(rule: PlaceRule) -> None:
    channel = min(rule.channels)
    assert rule in RULES.place_rules((rule.place,), channel, rule.valid_from)
    assert rule not in RULES.place_rules((rule.place,), channel, rule.valid_from - DAY)
    if rule.place.startswith("US-") and rule.place != "US-?":
        assert state_code(rule.place) == rule.place[3:]


@pytest.mark.parametrize("rule", [rule for rule in PLACES if rule.unless_recorded], ids=lambda rule: rule.rule)
def test_a_bar_stands_until_one_of_its_records_is_there(rule: PlaceRule) -> None:
    for channel in rule.channels:
        bare = decide(where(rule), Channel(channel), NOW, PermissionPolicy(), RULES)
        assert bare.reason is SkipReason.REGISTRATION_REQUIRED
        assert bare.rules == (rule.rule,)
        for record in rule.unless_recorded:
            recorded = PermissionPolicy(registrations=frozenset([record]))
            assert decide(where(rule), Channel(channel), NOW, recorded, RULES).status is not Status.REFUSED
    assert decide(where(rule), Channel.EMAIL, NOW, PermissionPolicy(), RULES).status is not Status.REFUSED


def test_what_is_only_known_narrows_and_never_widens() -> None:
    """A rule that was not verified may only close hours that the verified federal rule leaves open."""
    federal = next(rule for rule in HOURS if rule.rule == "us.hours")
    assert federal.opening is not None
    for rule in HOURS:
        if rule.how_read == "K" and rule.place.startswith("US-"):
            assert rule.opening is not None
            assert federal.opening.and_(rule.opening).week == rule.opening.week, rule.rule


def test_names_of_rules_are_unique() -> None:
    names = [rule.rule for rule in PLACES]
    assert len(names) == len(set(names))
    assert len(RULES.packs) == 1 + 1 + 1 + 1 + 30 + 1  # US, CA, GB, AU, the EEA, everywhere else
