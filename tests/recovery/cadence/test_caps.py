"""Frequency caps over random histories: never more than the cap in any window, the best first, none by default 0."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import SettingError
from recovery.cadence import Cap, Contact, Proposal, admit, parse_caps

NOW = datetime(2026, 6, 1, 12)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def cap(most: int, within: timedelta = DAY, *, scope: str = "person", channels: tuple[str, ...] = ()) -> Cap:
    return Cap("test", scope, frozenset(channels), most, within)  # type: ignore[arg-type]


def want(name: str, *, at: datetime = NOW, priority: float = 1, channel: str = "email", **units: str) -> Proposal:
    return Proposal(name, at, channel, {"person": "p"} | units, priority)


def made(hours_ago: float, channel: str = "email", **units: str) -> Contact:
    return Contact(NOW - timedelta(hours=hours_ago), channel, {"person": "p"} | units)


def test_a_cap_of_nothing_lets_nothing_through() -> None:
    hit = admit([want("a")], [], (cap(0),))["a"]
    assert hit is not None
    assert hit.free_at is None
    assert admit([want("a")], [], ())["a"] is None


@pytest.mark.parametrize(("hours", "passes"), [(23.999, False), (24, True), (24.001, True)])
def test_the_window_ends_exactly_when_it_ends(hours: float, passes: bool) -> None:
    assert (admit([want("a")], [made(hours)], (cap(1),))["a"] is None) is passes


def test_sent_and_planned_count_together_and_the_best_goes_first() -> None:
    late_but_better = [want("first come", priority=5), want("best", priority=1), want("second", priority=2)]
    found = admit(late_but_better, [made(3)], (cap(2),))
    assert [name for name, hit in found.items() if hit is None] == ["best"]
    hit = found["first come"]
    assert hit is not None
    assert hit.free_at == NOW - 3 * HOUR + DAY


def test_later_planned_contacts_bind_an_earlier_one() -> None:
    planned = want("better", at=NOW + 6 * HOUR, priority=1)
    hit = admit([want("now", priority=2), planned], [], (cap(1),))["now"]
    assert hit is not None
    assert hit.free_at == NOW + 6 * HOUR + DAY


def test_caps_count_their_channels_and_their_unit() -> None:
    calls = cap(1, channels=("sms", "call"))
    assert admit([want("a")], [made(1, "sms")], (calls,))["a"] is None
    assert admit([want("a", channel="call")], [made(1, "sms")], (calls,))["a"] is not None
    house = cap(1, scope="account")
    assert admit([want("a", account="x")], [made(1, account="y")], (house,))["a"] is None
    assert admit([want("a", account="x")], [made(1, account="x")], (house,))["a"] is not None
    assert admit([want("a")], [made(1)], (house,))["a"] is None  # no account, no account cap


def test_a_proposals_own_caps_bind_it_alone() -> None:
    florida = Proposal("a", NOW, "sms", {"person": "p"}, 1, (cap(3, channels=("sms", "call")),))
    three = [made(1, "sms"), made(2, "call"), made(3, "sms")]
    assert admit([florida], three, ())["a"] is not None
    assert admit([florida], three[:2], ())["a"] is None
    assert admit([want("b", channel="sms")], three, ())["b"] is None


moments = st.integers(0, 400).map(lambda hours: NOW + hours * HOUR)
channels = st.sampled_from(["email", "sms", "call"])
units = st.fixed_dictionaries({"person": st.sampled_from("ab"), "account": st.sampled_from("xy")})
caps_ = st.lists(
    st.builds(
        Cap,
        name=st.just("c"),
        scope=st.sampled_from(["person", "account"]),
        channels=st.frozensets(channels, max_size=2),
        most=st.integers(0, 3),
        within=st.integers(1, 100).map(lambda hours: hours * HOUR),
    ),
    max_size=3,
).map(tuple)
wishes = st.lists(st.tuples(moments, channels, units, st.integers(1, 5)), max_size=12)


@settings(max_examples=80, deadline=None)
@given(wishes, caps_, st.randoms(use_true_random=False))
def test_no_window_of_any_history_holds_more_than_its_cap(
    wanted: list[tuple[datetime, str, dict[str, str], int]], caps: tuple[Cap, ...], rng: random.Random
) -> None:
    proposals = [Proposal(f"t{n}", at, channel, unit, rank) for n, (at, channel, unit, rank) in enumerate(wanted)]
    found = admit(proposals, [], caps)
    rng.shuffle(proposals)
    assert admit(proposals, [], caps) == found  # whoever asks first
    passed = [p for p in proposals if found[p.id] is None]
    for cap_ in caps:
        for start in passed:
            mine = [
                p for p in passed
                if p.units[cap_.scope] == start.units[cap_.scope] and cap_.binds(p.channel)
                and start.at <= p.at < start.at + cap_.within
            ]  # fmt: skip
            assert len(mine) <= max(cap_.most, not cap_.binds(start.channel))
    for proposal in proposals:  # who was left out had better or earlier ones in the way
        hit = found[proposal.id]
        if hit is not None and hit.cap.most > 0:
            better = [p for p in passed if (p.priority, p.at, p.id) < (proposal.priority, proposal.at, proposal.id)]
            assert len(better) >= hit.cap.most


@settings(max_examples=60, deadline=None)
@given(wishes, caps_, moments)
def test_the_moment_that_is_promised_as_free_is_free(
    wanted: list[tuple[datetime, str, dict[str, str], int]], caps: tuple[Cap, ...], at: datetime
) -> None:
    past = [Contact(moment, channel, unit) for moment, channel, unit, _ in wanted]
    for one in caps:
        hit = admit([want("a", at=at, person="a", account="x")], past, (one,))["a"]
        if hit is not None and hit.free_at is not None:
            assert hit.free_at > at
            assert admit([want("a", at=hit.free_at, person="a", account="x")], past, (one,))["a"] is None


def test_caps_are_read_from_settings() -> None:
    found = parse_caps({"person.email": "2/14d", "account": "6/36h", "person": "0/1d"})
    assert [(c.name, c.scope, sorted(c.channels), c.most, c.within) for c in found] == [
        ("account", "account", [], 6, 36 * HOUR),
        ("person", "person", [], 0, DAY),
        ("person.email", "person", ["email"], 2, 14 * DAY),
    ]


@pytest.mark.parametrize(
    ("name", "text"), [("town", "1/1d"), ("person.fax", "1/1d"), ("person", "1"), ("person", "-1/1d")]
)
def test_a_malformed_cap_is_told(name: str, text: str) -> None:
    with pytest.raises(SettingError, match="no frequency cap"):
        parse_caps({name: text})
