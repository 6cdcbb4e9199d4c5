"""The plan of a day: one row and one reason per dormant person."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from contracts.words import Arm, Channel, SkipReason
from recovery.permission import RuleBook
from recovery.planning.effects import Differences, differences
from recovery.planning.history import Progress, progress_of
from recovery.planning.identifiers import draws, half_year, quarter
from recovery.planning.moments import GoodHours
from recovery.planning.pacing import Pace
from recovery.planning.permits import Permits, decide_all, initial_playbooks
from recovery.planning.playbooks import Playbook
from recovery.planning.policy import PlanPolicy, policy_version
from recovery.planning.rows import PLAN_SCHEMA, plan_facts, plan_table
from recovery.planning.selection import Candidates, Selection, choose
from recovery.planning.value import DealStatistics, amounts_of

__all__ = ["PLAN_SCHEMA", "Plan", "PlanInputs", "make_plan"]

Bools = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True)
class PlanInputs:
    """What a plan is made from.

    Attributes:
        people: dormant people, columns of `marts.dim_people` and `cycle` (number of the dormancy spell).
        scores: columns person_id, p, points, tier.
        permissions: columns of `marts.fct_permissions`.
        assignments: earlier ones, strictly before the day: person_id, as_of_date, playbook, step, cycle, arm.
        recent_addresses: addresses that were in a batch within the contact gap.
        deals: see `DealStatistics`.
        emitted: assignments of a batch of this day that has left already, or None.
        unwritable: people whose message cannot be written safely; their places stay empty.
        effects: what contacts drawn at random changed, see `effects.differences`; None without evidence.
        compare_channels: whether those channels were drawn against each other.
        pace: frequency caps and the contacts of earlier batches.
        good_hours: person_id -> surely good hour of Monday to Sunday on the person's clock, see `moments`.
    """

    people: pd.DataFrame
    scores: pd.DataFrame
    permissions: pd.DataFrame
    assignments: pd.DataFrame
    deals: DealStatistics
    recent_addresses: frozenset[str] = frozenset()
    emitted: pd.DataFrame | None = None
    unwritable: frozenset[str] = frozenset()
    effects: pd.DataFrame | None = None
    compare_channels: bool = False
    pace: Pace = field(default_factory=Pace)
    good_hours: GoodHours = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A plan: rows in order of person_id, and facts for people and the summary."""

    table: pa.Table
    facts: dict[str, Any]


class PlanState:
    """Working columns of a plan; a reason once given is never overwritten.

    Args:
        people: one row per person, in final order.
        progress: everybody's place in their playbook.
    """

    def __init__(self, people: pd.DataFrame, progress: Progress) -> None:
        count = len(people)
        self.people = people
        self.playbook: Objects = progress.playbook.copy()
        self.step = progress.step.copy()
        self.reason: Objects = np.full(count, None, dtype=object)
        self.channel: Objects = np.full(count, None, dtype=object)
        self.arm: Objects = np.full(count, None, dtype=object)
        self.value = np.full(count, np.nan)
        self.propensity = np.zeros(count)
        self.rank = np.full(count, -1, dtype=np.int64)
        self.value_basis: list[str] = [""] * count

    @property
    def is_open(self) -> Bools:
        """Rows without a reason to be skipped."""
        flags: Bools = pd.isna(self.reason)
        return flags

    def skip(self, rows: Bools, reason: SkipReason) -> None:
        """Give a reason to rows that have none yet."""
        self.reason[rows & self.is_open] = reason.value


def make_plan(inputs: PlanInputs, policy: PlanPolicy, *, playbooks: tuple[Playbook, ...], rules: RuleBook) -> Plan:
    """Decide for every dormant person: contacted, held out, or skipped for one reason.

    Reasons are given in this order: permission of the playbook's channels, missing score, a hold of the whole plan,
    recent plan, no step due or no room under the frequency caps, global holdout, value, account cap, capacity. Whoever
    is chosen and finds no room beside better ones of the same account is left out last.

    The arm is drawn once per dormancy spell, with the first step: whoever was held out then stays held out in later
    steps, and whoever was contacted stays contacted.

    The logged propensity is the probability that the policy contacts the person today through the row's channel:
    P(chosen) x (1 - batch_holdout), with P(chosen) as in `choose`; in later steps the draw is the one of the first.
    Held-out rows carry the same number, and people left out for capacity the chance that exploration would have
    drawn them.
    """
    people = inputs.people.drop_duplicates("person_id").sort_values("person_id", ignore_index=True)
    progress = progress_of(
        people,
        inputs.assignments,
        initial=initial_playbooks(people, playbooks),
        playbooks=playbooks,
        as_of=policy.as_of,
        touch_count=policy.touch_count,
    )
    state = PlanState(people, progress)
    permits = decide_all(people, inputs.permissions, policy=policy, progress=progress, playbooks=playbooks, rules=rules)
    channels = _channels(playbooks, policy)
    allowed = {channel: permits.is_allowed(channel) for channel in channels}
    scores = inputs.scores.drop_duplicates("person_id").set_index("person_id")
    scores = scores.reindex(people["person_id"].to_numpy())
    p = np.asarray(scores["p"], dtype=np.float64)
    _skip_by_permission(state, permits, allowed)
    state.skip(np.isnan(p), SkipReason.UNSCORED)
    changes = differences(
        inputs.effects,
        people["person_id"],
        channels,
        p,
        cautious_uplift=policy.cautious_uplift,
        compare_channels=inputs.compare_channels,
    )
    values = _values(state, changes, inputs.deals, policy, allowed)
    _rank(state, values)
    _skip_by_history(state, inputs, policy, progress, values)
    _select(state, inputs, policy, progress, values)
    _drop_unwritable(state, inputs.unwritable)
    version = policy_version(policy, playbooks, rules)
    table = plan_table(state, permits, scores, policy, version, inputs.good_hours)
    facts = plan_facts(state, table, allowed, p, inputs.deals, changes, policy, version)
    return Plan(table, facts)


def _channels(playbooks: tuple[Playbook, ...], policy: PlanPolicy) -> tuple[Channel, ...]:
    named = {channel for playbook in playbooks for step in playbook.steps for channel in step.channels}
    return tuple(c for c in Channel if c in named and policy.capacity.get(c, 0) > 0)


def _skip_by_permission(state: PlanState, permits: Permits, allowed: dict[Channel, Bools]) -> None:
    nobody = np.zeros(len(state.people), dtype=bool)
    any_channel = np.logical_or.reduce([nobody, *allowed.values()])
    reason = np.asarray([r.value for r in permits.first_reason()], dtype=object)
    if len(reason):
        state.reason[~any_channel] = reason[permits.group][~any_channel]


def _values(
    state: PlanState,
    changes: Differences,
    deals: DealStatistics,
    policy: PlanPolicy,
    allowed: dict[Channel, Bools],
) -> dict[Channel, npt.NDArray[np.float64]]:
    """Expected value by channel, NaN where it is closed or worth nothing; writes the value basis."""
    amount, state.value_basis = amounts_of(state.people, deals, policy.currency)
    values = {}
    for channel, open_ in allowed.items():
        uplift = changes.by_channel[channel]
        if deals.speaks_of_money and deals.win_rate is not None:
            value = uplift * deals.win_rate * policy.margin * amount - policy.cost.get(channel, 0.0)
        else:
            value = uplift
        values[channel] = np.where(open_, value, np.nan)
    return values


def _rank(state: PlanState, values: dict[Channel, npt.NDArray[np.float64]]) -> None:
    """Rank everybody who is permitted and scored, also those who are then held out."""
    best = np.full(len(state.people), -np.inf)
    for value in values.values():
        best = np.fmax(best, value)
    rows = np.flatnonzero(state.is_open)
    order = rows[np.lexsort((rows, -best[rows]))]
    state.rank[order] = np.arange(1, len(order) + 1)
    state.value[rows] = best[rows]


def _skip_by_history(
    state: PlanState,
    inputs: PlanInputs,
    policy: PlanPolicy,
    progress: Progress,
    values: dict[Channel, npt.NDArray[np.float64]],
) -> None:
    people, everybody = state.people, np.ones(len(state.people), dtype=bool)
    if "sender_id" in people.columns:
        state.skip((people["sender_id"] != policy.sender_id).to_numpy(dtype=bool), SkipReason.SENDER_UNKNOWN)
    if policy.holds:
        state.skip(everybody, policy.holds[0])
        return
    earlier = inputs.assignments
    age = (pd.Timestamp(policy.as_of) - pd.to_datetime(earlier["as_of_date"])).dt.days
    recent = earlier.loc[(age >= 0) & (age <= policy.contact_gap_days), "person_id"]
    by_address = people["email"].isin(inputs.recent_addresses) | people["phone_e164"].isin(inputs.recent_addresses)
    state.skip((people["person_id"].isin(recent) | by_address).to_numpy(dtype=bool), SkipReason.RECENTLY_PLANNED)
    state.skip(progress.is_finished | progress.is_waiting, SkipReason.FREQUENCY_CAP)
    _close_full(state, inputs.pace, policy, values)
    rows = np.flatnonzero(state.is_open)
    units = _units(people.iloc[rows])
    held = draws(units, f"{policy.seed}|global|{half_year(policy.as_of)}") < policy.global_holdout
    mask = np.zeros(len(people), dtype=bool)
    mask[rows[held]] = True
    state.skip(mask, SkipReason.GLOBAL_HOLDOUT)
    state.arm[mask] = Arm.GLOBAL_HOLDOUT.value


def _close_full(
    state: PlanState, pace: Pace, policy: PlanPolicy, values: dict[Channel, npt.NDArray[np.float64]]
) -> None:
    """Close each channel to people for whom earlier contacts leave no room in it; whoever has none left is skipped."""
    has_value = {channel: state.is_open & ~np.isnan(value) for channel, value in values.items()}
    full = pace.full(state.people, has_value, at=_release(policy))
    left = np.zeros(len(state.people), dtype=bool)
    had = left.copy()
    for channel, value in values.items():
        value[full[channel]] = np.nan
        had |= has_value[channel]
        left |= has_value[channel] & ~full[channel]
    state.skip(had & ~left, SkipReason.FREQUENCY_CAP)


def _drop_overflow(state: PlanState, pace: Pace, policy: PlanPolicy) -> None:
    chosen = state.is_open & ~pd.isna(state.channel)
    over = pace.overflow(state.people, state.channel, state.rank, chosen, at=_release(policy))
    state.skip(over, SkipReason.FREQUENCY_CAP)
    state.arm[over] = None
    state.channel[over] = None


def _release(policy: PlanPolicy) -> datetime:
    return policy.release_at.replace(tzinfo=None)


def _units(people: pd.DataFrame) -> list[str]:
    """Unit of randomisation: the account where known, else the person."""
    account = people["account_id"].astype("object").where(people["account_id"].notna(), None)
    return [a if a else person for a, person in zip(account, people["person_id"], strict=True)]


def _select(
    state: PlanState,
    inputs: PlanInputs,
    policy: PlanPolicy,
    progress: Progress,
    values: dict[Channel, npt.NDArray[np.float64]],
) -> None:
    if inputs.emitted is not None:
        _follow(state, inputs.emitted)
        return
    worth = np.zeros(len(state.people), dtype=bool)
    for value in values.values():
        worth |= value > 0
    state.skip(~worth, SkipReason.NOT_WORTH_IT)
    rows = np.flatnonzero(state.is_open)
    people = state.people.iloc[rows]
    units = _units(people)
    own = {channel: np.where(value[rows] > 0, value[rows], np.nan) for channel, value in values.items()}
    draw = draws(people["person_id"].tolist(), f"{policy.seed}|choice|{policy.as_of}")
    for channel in own:
        _one_per_address(own[channel], people["email" if channel is Channel.EMAIL else "phone_e164"], draw)
    shared = np.logical_and.reduce([np.isnan(v) for v in own.values()]) if own else np.zeros(0, dtype=bool)
    _mark(state, rows, shared, SkipReason.FREQUENCY_CAP)
    account, _ = pd.factorize(np.asarray(units, dtype=object))
    selection = choose(
        Candidates(own, policy.cost, account.astype(np.int64), draw),
        capacity=policy.capacity,
        account_cap=policy.account_cap,
        explore_share=policy.explore_share,
    )
    _write_selection(state, rows, selection, units, own, policy, progress)
    _drop_overflow(state, inputs.pace, policy)


def _drop_unwritable(state: PlanState, people: frozenset[str]) -> None:
    failed = state.people["person_id"].isin(people).to_numpy(dtype=bool) & state.is_open
    state.skip(failed, SkipReason.RENDER_FAILED)
    state.arm[failed] = None
    state.channel[failed] = None


def _one_per_address(value: npt.NDArray[np.float64], address: pd.Series[Any], draw: npt.NDArray[np.float64]) -> None:
    """People who share an address get one message together: the best of them keeps the channel."""
    known = address.astype("object").where(address.notna(), None).to_numpy()
    rows = np.flatnonzero(~np.isnan(value) & ~pd.isna(known))
    best = rows[np.lexsort((draw[rows], -value[rows]))]
    keep = ~pd.Series(known[best]).duplicated().to_numpy()
    value[best[~keep]] = np.nan


def _mark(state: PlanState, rows: npt.NDArray[np.int64], which: Bools, reason: SkipReason) -> None:
    mask = np.zeros(len(state.people), dtype=bool)
    mask[rows[which]] = True
    state.skip(mask, reason)


def _write_selection(
    state: PlanState,
    rows: npt.NDArray[np.int64],
    selection: Selection,
    units: list[str],
    values: dict[Channel, npt.NDArray[np.float64]],
    policy: PlanPolicy,
    progress: Progress,
) -> None:
    names = np.asarray([*(channel.value for channel in selection.channels), ""], dtype=object)
    chosen = selection.channel >= 0
    state.propensity[rows] = selection.probability * (1 - policy.batch_holdout)
    state.channel[rows[chosen]] = names[selection.channel[chosen]]
    for index, channel in enumerate(selection.channels):
        mine = rows[selection.channel == index]
        state.value[mine] = values[channel][selection.channel == index]
    picked = np.flatnonzero(chosen)
    drawn = _held_out([units[i] for i in picked], progress.playbook[rows[picked]], policy)
    before = progress.arm[rows[picked]]
    held = np.where(pd.isna(before), drawn, before == Arm.HELD_OUT.value)
    arm = np.where(selection.is_explored[picked], Arm.EXPLORED.value, Arm.CONTACTED.value)
    state.arm[rows[picked]] = np.where(held, Arm.HELD_OUT.value, arm)
    _mark(state, rows, selection.is_capped, SkipReason.ACCOUNT_CAP)
    _mark(state, rows, ~chosen, SkipReason.CAPACITY)


def _held_out(units: list[str], playbook: Objects, policy: PlanPolicy) -> Bools:
    held = np.zeros(len(units), dtype=bool)
    for name in sorted(set(playbook.tolist())):
        mine = np.flatnonzero(playbook == name)
        salt = f"{policy.seed}|batch|{name}|{quarter(policy.as_of)}"
        held[mine] = draws([units[i] for i in mine], salt) < policy.batch_holdout
    return held


def _follow(state: PlanState, emitted: pd.DataFrame) -> None:
    """The day's batch has left: whoever is in it and may still be contacted keeps the place; nobody is added."""
    known = emitted.drop_duplicates("person_id").set_index("person_id")
    index = pd.Index(state.people["person_id"])
    inside = np.asarray(index.isin(known.index)) & state.is_open
    rows = known.reindex(index[inside])
    for name in ("channel", "arm", "propensity", "playbook", "step"):
        getattr(state, name)[inside] = rows[name].to_numpy()
    state.skip(~inside, SkipReason.CAPACITY)
