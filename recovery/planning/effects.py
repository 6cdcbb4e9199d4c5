"""What a contact changes for each person: the measured difference where contact was drawn at random, else a constant.

Channels are compared only where the same drawn campaigns used them all; otherwise every channel of a person has the
same difference, and cost alone decides between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.words import Channel

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Differences:
    """Change of the chance by channel, in the order of people.

    Attributes:
        by_channel: P(reactivated | contact) - P(reactivated | no contact), shape (people,) each.
        is_measured: people whose difference rests on drawn contacts.
        is_left_alone: people of groups whom every measured channel surely harms, re-tests excepted.
        measured: channels with evidence.
    """

    by_channel: Mapping[Channel, Floats]
    is_measured: Bools
    is_left_alone: Bools
    measured: tuple[Channel, ...]


def differences(
    effects: pd.DataFrame | None,
    people: pd.Series[str],
    channels: Iterable[Channel],
    p: Floats,
    *,
    cautious_uplift: float,
    compare_channels: bool,
) -> Differences:
    """Differences of everybody through every channel.

    Args:
        effects: columns person_id, channel, p_no_contact, p_contact, is_harmed, is_retest; None without evidence.
        people: person ids in the plan's order.
        channels: to value.
        p: chance handled as usual, shape (people,).
        cautious_uplift: share of p taken as caused by a contact where nothing is measured.
        compare_channels: whether the measured channels were drawn against each other.
    """
    wanted = tuple(channels)
    constant = cautious_uplift * p
    found = {channel: _of_channel(effects, people, channel) for channel in Channel}
    known = {channel: one for channel, one in found.items() if one is not None}
    if not known:
        nobody = np.zeros(len(people), dtype=bool)
        return Differences(dict.fromkeys(wanted, constant), nobody, nobody, ())
    stacked = np.stack([one for one, _ in known.values()])
    seen = ~np.isnan(stacked)
    count = seen.sum(axis=0)
    common = np.where(count > 0, np.where(seen, stacked, 0.0).sum(axis=0) / np.maximum(count, 1), constant)
    by_channel = {}
    for channel in wanted:
        own = known[channel][0] if channel in known and compare_channels else common
        by_channel[channel] = np.where(np.isnan(own), common, own)
    alone = np.logical_and.reduce([harmed for _, harmed in known.values()])
    # A person of a harmed group that is drawn for the re-test is valued like anybody without evidence.
    retest = _retested(effects, people)
    by_channel = {channel: np.where(retest, constant, change) for channel, change in by_channel.items()}
    by_channel = {channel: np.where(alone, np.minimum(change, 0.0), change) for channel, change in by_channel.items()}
    return Differences(by_channel, (count > 0) & ~retest, alone, tuple(known))


def _of_channel(effects: pd.DataFrame | None, people: pd.Series[str], channel: Channel) -> tuple[Floats, Bools] | None:
    """Difference (NaN where unknown) and whether the person is to be left alone; None without a row."""
    if effects is None or not len(effects):
        return None
    rows = effects[effects["channel"] == channel.value].drop_duplicates("person_id").set_index("person_id")
    if rows.empty:
        return None
    aligned = rows.reindex(people.to_numpy())
    change = (aligned["p_contact"] - aligned["p_no_contact"]).to_numpy(dtype=np.float64)
    harmed = _true(aligned["is_harmed"]) & ~_true(aligned["is_retest"])
    return change, harmed


def _retested(effects: pd.DataFrame | None, people: pd.Series[str]) -> Bools:
    if effects is None:
        return np.zeros(len(people), dtype=bool)
    drawn = effects.loc[_true(effects["is_retest"]), "person_id"]
    return people.isin(drawn).to_numpy(dtype=bool)


def _true(column: pd.Series[bool]) -> Bools:
    return column.astype("object").where(column.notna(), False).to_numpy(dtype=bool)


def effect_words(found: Differences) -> str:
    """One clause on what the effect of a contact rests on."""
    if not found.measured:
        return "the effect of a contact is a cautious constant share of p, not incremental evidence"
    names = ", ".join(channel.value for channel in found.measured)
    return (
        f"the effect of a contact is the difference that contacts drawn at random made ({names}); "
        "channels that were not drawn are taken to do the same"
    )
