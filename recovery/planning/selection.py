"""Choosing under capacity: the best first, a share at random, and the probability of each choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contracts.words import Channel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Candidates:
    """People who may be contacted, row by row.

    Attributes:
        value: expected value by channel; NaN where the channel is not open or not worth it.
        cost: by channel.
        account: code of the account, a code of its own for each person without one.
        draw: number in [0, 1) that breaks ties and makes the random choice.
    """

    value: Mapping[Channel, Floats]
    cost: Mapping[Channel, float]
    account: Ints
    draw: Floats


@dataclass(frozen=True)
class Selection:
    """Who was chosen.

    Attributes:
        channel: index into `channels`, -1 for nobody.
        channels: order of the channels.
        is_explored: chosen at random.
        probability: P(chosen today), 1 for the greedy part; for the rest the chance of the random draw.
        is_capped: left out because the account was full.
    """

    channel: Ints
    channels: tuple[Channel, ...]
    is_explored: Bools
    probability: Floats
    is_capped: Bools


def choose(
    candidates: Candidates, *, capacity: Mapping[Channel, int], account_cap: int, explore_share: float
) -> Selection:
    """Greedy by expected value, then a random share of each channel's capacity.

    The random part of channel c has e = round(explore_share * capacity) places. Its pool holds whoever is open for
    c and still unchosen, at most as many of an account as the cap leaves (drawn at random); its N members
    have probability e / N each. A person of an account with r places left and m candidates is therefore
    chosen with probability min(1, r / m) * min(1, e / N). The greedy part has probability 1.
    """
    channels = tuple(candidates.value)
    count = len(candidates.account)
    chosen = np.full(count, -1, dtype=np.int64)
    places = [capacity.get(channel, 0) for channel in channels]
    random_places = [int(places_ * explore_share + 0.5) for places_ in places]
    used = _greedy(
        candidates, channels, [p - r for p, r in zip(places, random_places, strict=True)], account_cap, chosen
    )
    explored = np.zeros(count, dtype=bool)
    probability = (chosen >= 0).astype(np.float64)
    capped = np.zeros(count, dtype=bool)
    for index, channel in enumerate(channels):
        is_open = ~np.isnan(candidates.value[channel]) & (chosen < 0)
        _explore(candidates, is_open, random_places[index], account_cap, used, probability, capped)
        picked = _picked(candidates, is_open & ~capped, random_places[index], account_cap, used)
        chosen[picked] = index
        explored[picked] = True
        np.add.at(used, candidates.account[picked], 1)
    return Selection(chosen, channels, explored, probability, capped & (chosen < 0))


def _greedy(
    candidates: Candidates, channels: tuple[Channel, ...], places: list[int], account_cap: int, chosen: Ints
) -> Ints:
    """Fill `chosen` in order of value (then lower cost, then the draw); returns places used per account."""
    used = np.zeros(int(candidates.account.max(initial=-1)) + 1, dtype=np.int64)
    rows, kinds, values, costs = [], [], [], []
    for index, channel in enumerate(channels):
        row = np.flatnonzero(~np.isnan(candidates.value[channel]))
        rows.append(row)
        kinds.append(np.full(len(row), index))
        values.append(candidates.value[channel][row])
        costs.append(np.full(len(row), candidates.cost.get(channel, 0.0)))
    if not rows:
        return used
    row, kind = np.concatenate(rows), np.concatenate(kinds)
    order = np.lexsort((kind, candidates.draw[row], np.concatenate(costs), -np.concatenate(values)))
    left, counts = list(places), [0] * len(used)
    taken = bytearray(len(chosen))
    for person, channel_, account in zip(
        row[order].tolist(), kind[order].tolist(), candidates.account[row[order]].tolist(), strict=True
    ):
        if left[channel_] <= 0 or taken[person] or counts[account] >= account_cap:
            continue
        taken[person] = 1
        chosen[person] = channel_
        counts[account] += 1
        left[channel_] -= 1
        if not any(left):
            break
    return np.asarray(counts, dtype=np.int64)


def _rank_in_account(candidates: Candidates, pool: Ints) -> tuple[Ints, Ints]:
    """For each member of the pool: its place within its account by draw, and the account's members."""
    account = candidates.account[pool]
    order = np.lexsort((candidates.draw[pool], account))
    ordered = account[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.empty(0, np.int64)
    sizes = np.diff(np.r_[starts, len(ordered)])
    place, members = np.empty(len(pool), np.int64), np.empty(len(pool), np.int64)
    place[order] = np.arange(len(ordered)) - np.repeat(starts, sizes)
    members[order] = np.repeat(sizes, sizes)
    return place, members


def _explore(
    candidates: Candidates,
    is_open: Bools,
    places: int,
    account_cap: int,
    used: Ints,
    probability: Floats,
    capped: Bools,
) -> None:
    """Write the chance of the random draw for everybody open, and mark whom the account cap leaves out."""
    pool = np.flatnonzero(is_open)
    if len(pool) == 0:
        return
    room = np.maximum(account_cap - used[candidates.account[pool]], 0)
    place, members = _rank_in_account(candidates, pool)
    reduced = int((place < room).sum())
    share = min(1.0, places / reduced) if reduced else 0.0
    probability[pool] = np.minimum(1.0, room / members) * share
    capped[pool] = place >= room


def _picked(candidates: Candidates, pool_mask: Bools, places: int, account_cap: int, used: Ints) -> Ints:
    """The members of the pool with the smallest second draw."""
    pool = np.flatnonzero(pool_mask)
    room = account_cap - used[candidates.account[pool]]
    pool = pool[room > 0]
    # The draw ordered people within accounts; its low digits are a second, independent number.
    second = (candidates.draw[pool] * (1 << 26)) % 1.0
    order = np.lexsort((pool, second))
    return pool[order[:places]]
