"""Frequency caps at planning: what is planned never meets a cap, and only what would meet one is left out."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.words import Channel
from recovery.cadence import Cap, Contact, Proposal, admit, parse_caps
from recovery.planning.pacing import Pace

AT = datetime(2026, 6, 1, 5)
PEOPLE = pd.DataFrame(
    {
        "person_id": [f"p{n}" for n in range(8)],
        "account_id": ["a", "a", "a", "b", "b", None, None, "c"],
        "email": [f"m{n % 6}@x.example" for n in range(8)],
        "phone_e164": [f"+1{n}" for n in range(7)] + [None],
    }
)
HASHES = {address: f"k:{address}" for column in ("email", "phone_e164") for address in PEOPLE[column].dropna()}
CHANNELS = (Channel.EMAIL, Channel.CALL)
units = st.fixed_dictionaries(
    {},
    optional={
        "person": st.sampled_from(list(PEOPLE["person_id"])),
        "account": st.sampled_from(["a", "b", "c"]),
        "address": st.sampled_from(sorted(HASHES.values())),
    },
)
contacts = st.lists(
    st.builds(
        Contact,
        at=st.integers(-30 * 24, 48).map(lambda hours: AT + timedelta(hours=hours)),
        channel=st.sampled_from(["email", "call"]),
        units=units,
    ),
    max_size=14,
)
caps = st.fixed_dictionaries(
    {},
    optional={
        name: st.builds("{}/{}d".format, st.integers(0, 3), st.integers(1, 30))
        for name in ("person", "person.email", "account", "account.call", "address")
    },
).map(parse_caps)


def proposal(row: int, channel: Channel) -> Proposal:
    person = PEOPLE.iloc[row]
    address = person["email"] if channel is Channel.EMAIL else person["phone_e164"]
    own = {"person": person["person_id"], "account": person["account_id"], "address": HASHES.get(address)}
    return Proposal(
        str(row), AT, channel.value, {name: unit for name, unit in own.items() if isinstance(unit, str)}, 0.0
    )


@settings(max_examples=150, deadline=None)
@given(past=contacts, limits=caps)
def test_a_channel_is_closed_exactly_where_one_more_contact_meets_a_cap(
    past: list[Contact], limits: tuple[Cap, ...]
) -> None:
    everybody = {channel: np.ones(len(PEOPLE), dtype=bool) for channel in CHANNELS}
    full = Pace(limits, tuple(past), HASHES).full(PEOPLE, everybody, at=AT)
    for channel in CHANNELS:
        alone = [admit([proposal(row, channel)], past, limits)[str(row)] is not None for row in range(len(PEOPLE))]
        assert full[channel].tolist() == alone


@settings(max_examples=150, deadline=None)
@given(past=contacts, limits=caps, order=st.permutations(range(8)), chosen=st.sets(st.integers(0, 7)))
def test_what_is_left_of_the_chosen_never_meets_a_cap_together(
    past: list[Contact], limits: tuple[Cap, ...], order: list[int], chosen: set[int]
) -> None:
    mask = np.array([row in chosen for row in range(8)])
    channel = np.array([CHANNELS[row % 2].value for row in range(8)], dtype=object)
    pace = Pace(limits, tuple(past), HASHES)
    over = pace.overflow(PEOPLE, channel, np.array(order), mask, at=AT)
    assert not (over & ~mask).any()
    left = [proposal(row, Channel(channel[row])) for row in np.flatnonzero(mask & ~over)]
    assert all(hit is None for hit in admit(left, past, limits).values())


def test_without_contacts_and_caps_nobody_is_looked_at() -> None:
    everybody = {Channel.EMAIL: np.ones(8, dtype=bool)}
    assert not Pace().full(PEOPLE, everybody, at=AT)[Channel.EMAIL].any()
