"""Permission for everybody at once: one decision per distinct combination of facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.words import Basis, Channel, SkipReason
from recovery.permission import (
    ContactFacts,
    Decision,
    Fact,
    PermissionPolicy,
    Recipient,
    RuleBook,
    Stance,
    Status,
    decide,
)
from recovery.permission.context import Context
from recovery.permission.united_states import area_of, state_code
from recovery.planning.history import Progress
from recovery.planning.playbooks import Playbook, choose_playbook
from recovery.planning.policy import PlanPolicy

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Words in a company's name that show a legal person (UK PECR: a corporate subscriber, not a sole trader).
_CORPORATE: Final = (
    r"(?i)\b(?:ltd|limited|plc|llp|llc|inc|corp|corporation|pty|gmbh|ag|se|oy|ab"
    r"|s\.?a\.?s?|b\.?v|n\.?v|s\.?r\.?l|s\.?p\.?a)\b\.?$"
)
# From this size on a company is taken for a legal person whatever its name says.
_CORPORATE_SIZE: Final = 50
_KEYS: Final = (
    "country", "has_country_conflict", "state", "area_state", "area_zones", "is_zone_of_state", "time_zone",
    "has_email", "has_phone",
    "has_email_opt_out_source", "has_phone_opt_out_source", "recipient", "is_too_long", "playbook", "step",
    "facts",
)  # fmt: skip
FACT_COLUMNS: Final = (
    "channel", "stance", "basis", "source", "evidence", "since", "expires_at", "collected_during",
    "optout_offered_at_collection", "has_full_record",
)  # fmt: skip
_BY_PHONE: Final = (Channel.SMS, Channel.CALL, Channel.CRM_TASK)


@dataclass(frozen=True, slots=True)
class Combination:
    """Facts that several people share: a row of keys, their statements, and what the words are about."""

    row: dict[Any, Any]
    facts: frozenset[Fact]
    is_job_related: bool


@dataclass(frozen=True)
class Permits:
    """Decisions per person and channel.

    Attributes:
        group: index into `decisions` for each person.
        decisions: for each group, the decision of each enabled channel in the playbook's order.
        combinations: for each group, what the decisions were made from.
        rules: under which they were made.
    """

    group: Ints
    decisions: tuple[dict[Channel, Decision], ...]
    combinations: tuple[Combination, ...]
    rules: RuleBook

    def context(self, person: int, channel: Channel) -> Context:
        """What a person's decision for a channel was made from, to be kept with the touch."""
        found = self.combinations[self.group[person]]
        facts = contact_of(found.row, found.facts, channel, self.rules)
        return Context(facts, is_job_related=found.is_job_related, rules_sha256=self.rules.sha256)

    def is_allowed(self, channel: Channel) -> Bools:
        """For each person, whether the channel is allowed now or later today."""
        flags = [_is_open(found.get(channel)) for found in self.decisions]
        return np.asarray(flags, dtype=bool)[self.group] if flags else np.zeros(len(self.group), dtype=bool)

    def first_reason(self) -> list[SkipReason]:
        """For each group, why its first channel is refused (used where no channel is allowed)."""
        return [
            next((d.reason for d in found.values() if d.reason is not None), SkipReason.CHANNEL_DISABLED)
            for found in self.decisions
        ]


def _is_open(decision: Decision | None) -> bool:
    return decision is not None and decision.status is not Status.REFUSED


def decide_all(
    people: pd.DataFrame,
    permissions: pd.DataFrame,
    *,
    policy: PlanPolicy,
    progress: Progress,
    playbooks: tuple[Playbook, ...],
    rules: RuleBook,
) -> Permits:
    """Decide every channel of everybody's next step.

    Args:
        people: one row per person, columns of `marts.dim_people`.
        permissions: columns `person_id` and `FACT_COLUMNS`, as in `marts.fct_permissions`.
        policy: limits; `release_at` is the moment of the decision.
        progress: everybody's playbook and step.
        playbooks: from `load_playbooks`.
        rules: from `load_rules`.
    """
    sets, code = _fact_sets(people, permissions)
    keys = _keys(people, policy, progress, playbooks).assign(facts=code)
    group, distinct = _distinct(keys)
    by_name = {playbook.name: playbook for playbook in playbooks}
    combinations = tuple(
        Combination(row, sets[row["facts"]], by_name[row["playbook"]].content == "job_related")
        for row in distinct.to_dict("records")
    )
    decisions = tuple(_decide(one, by_name[one.row["playbook"]], policy, rules) for one in combinations)
    return Permits(group, decisions, combinations, rules)


def contexts_of_person(people: pd.DataFrame, permissions: pd.DataFrame, rules: RuleBook) -> dict[Channel, Context]:
    """What each channel would be decided from for one person, outside any plan; the words concern nobody's work.

    Args:
        people: one row, columns of `marts.dim_people`.
        permissions: as in `decide_all`.
        rules: from `load_rules`.
    """
    sets, code = _fact_sets(people, permissions)
    row = pd.DataFrame(_own_keys(people, by_phone=True)).iloc[0].to_dict() | {"is_too_long": False}
    days = people["dormant_days"].iloc[0]
    # Whoever has no known dormancy has been silent for ever.
    silent = int(days) if pd.notna(days) else 1_000_000
    facts = {channel: contact_of(row, sets[int(code[0])], channel, rules) for channel in Channel}
    return {
        channel: Context(replace(found, dormant_days=silent), rules_sha256=rules.sha256)
        for channel, found in facts.items()
    }


def _keys(
    people: pd.DataFrame, policy: PlanPolicy, progress: Progress, playbooks: tuple[Playbook, ...]
) -> pd.DataFrame:
    """What a decision depends on, and nothing else, so that few combinations remain."""
    return pd.DataFrame(
        {
            **_own_keys(people, by_phone=any(policy.capacity.get(channel, 0) > 0 for channel in _BY_PHONE)),
            "is_too_long": (people["dormant_days"].astype("float64") > policy.max_dormancy_days)
            | people["dormant_days"].isna(),
            "playbook": progress.playbook,
            "step": _like_step(progress, playbooks),
        }
    )


def _own_keys(people: pd.DataFrame, *, by_phone: bool) -> dict[str, Any]:
    """What is known of people whatever the plan."""
    return {
        "country": people["country"],
        "has_country_conflict": _flags(people["has_country_conflict"], unknown=True),
        **_places(people, by_phone=by_phone),
        "time_zone": people["time_zone"],
        "has_email": people["email"].notna() & (people["email"] != ""),
        "has_phone": people["phone_e164"].notna() & (people["phone_e164"] != ""),
        "has_email_opt_out_source": _flags(people["has_email_opt_out_source"], unknown=False),
        "has_phone_opt_out_source": _flags(people["has_phone_opt_out_source"], unknown=False),
        "recipient": _recipients(people),
    }


def _places(people: pd.DataFrame, *, by_phone: bool) -> dict[str, Any]:
    """State of the address, state and zones of the area code, and whether the zone is only that of the state.

    Only calls, texts and tasks ask for the state; without such a channel it would only multiply the combinations.
    """
    count, nobody = len(people), np.full(len(people), "", dtype=object)
    american = (people["country"] == "US").to_numpy(dtype=bool, na_value=False)
    state = _mapped(people["state"], lambda text: state_code(text) or "") if american.any() else nobody
    prefix = people["phone_e164"].astype("object").where(people["phone_e164"].notna(), "").astype("str").str.slice(0, 5)
    area_state = _mapped(prefix, lambda text: area_of(text)[0] or "") if by_phone else nobody
    area_zones = _mapped(prefix, lambda text: " ".join(area_of(text)[1])) if by_phone else nobody
    known = people.get("time_zone_source", pd.Series("declared", index=people.index))
    guessed = known.isin(["state", "country"]).to_numpy(dtype=bool)
    return {
        "state": np.where(american & (by_phone | guessed), state, ""),
        "area_state": np.where(american, area_state, ""),
        "area_zones": np.where(american, area_zones, ""),
        "is_zone_of_state": american & guessed if count else american,
    }


def _mapped(column: pd.Series[Any], word: Callable[[str], str]) -> npt.NDArray[np.object_]:
    """`word` of each distinct text; missing values give the empty text."""
    codes, distinct = pd.factorize(column.astype("object").where(column.notna(), ""))
    words = np.asarray([word(str(text)) for text in distinct], dtype=object)
    return words[codes] if len(words) else np.empty(0, dtype=object)


def _flags(column: pd.Series[Any], *, unknown: bool) -> Bools:
    return column.astype("boolean").fillna(unknown).to_numpy(dtype=bool)


def _recipients(people: pd.DataFrame) -> Ints:
    own_domain = ~_flags(people["is_free_mail"], unknown=True)
    company = people["company_name"].astype("str").where(people["company_name"].notna(), "")
    is_legal = company.str.contains(_CORPORATE, regex=True) | (people["employee_count"] >= _CORPORATE_SIZE).fillna(
        False
    )
    work = own_domain & (company != "").to_numpy(dtype=bool)
    kinds = np.where(work, int(Recipient.WORK), int(Recipient.UNKNOWN))
    return np.where(work & is_legal.to_numpy(dtype=bool), int(Recipient.CORPORATE), kinds).astype(np.int64)


def _like_step(progress: Progress, playbooks: tuple[Playbook, ...]) -> Ints:
    """The first step of the playbook with the same channels, so that few combinations remain."""
    like = progress.step.copy()
    for playbook in playbooks:
        channels = [step.channels for step in playbook.steps]
        first = np.asarray([channels.index(found) + 1 for found in channels], dtype=np.int64)
        mine = progress.playbook == playbook.name
        like[mine] = first[progress.step[mine] - 1]
    return like


def initial_playbooks(people: pd.DataFrame, playbooks: tuple[Playbook, ...]) -> npt.NDArray[np.object_]:
    """Name of the playbook that fits each person's market and kind of lead."""
    market = people["market"].astype("object").where(people["market"].notna(), None)
    kind = people["lead_kind"].astype("object").where(people["lead_kind"].notna(), None)
    pairs = pd.MultiIndex.from_arrays([market.fillna(""), kind.fillna("")])
    codes, distinct = pairs.factorize()
    names = [choose_playbook(playbooks, m or None, k or None).name for m, k in distinct]
    return np.asarray(names, dtype=object)[codes] if names else np.empty(0, dtype=object)


def _distinct(keys: pd.DataFrame) -> tuple[Ints, pd.DataFrame]:
    code = np.zeros(len(keys), dtype=np.int64)
    for name in _KEYS:
        part, values = pd.factorize(keys[name], use_na_sentinel=False)
        code, _ = pd.factorize(code * max(len(values), 1) + part)
    first = pd.Series(code).drop_duplicates().index
    return code.astype(np.int64), keys.iloc[first].reset_index(drop=True)


def _decide(one: Combination, playbook: Playbook, policy: PlanPolicy, rules: RuleBook) -> dict[Channel, Decision]:
    limits = PermissionPolicy(
        mode=policy.permission_mode,
        max_dormancy_days=0,
        is_job_related=one.is_job_related,
        registrations=policy.registrations,
    )
    enabled = [
        channel for channel in playbook.steps[int(one.row["step"]) - 1].channels if policy.capacity.get(channel, 0) > 0
    ]
    now = policy.release_at
    return {c: decide(contact_of(one.row, one.facts, c, rules), c, now, limits, rules) for c in enabled}


def contact_of(row: dict[Any, Any], facts: frozenset[Fact], channel: Channel, rules: RuleBook) -> ContactFacts:
    """What a channel sees of one combination of facts.

    A call or text goes to the number's own place too: the hours of its area code's state and zones hold beside those
    of the address, and only the address lifts those of an unknown state. A zone that only the state tells stands for
    every zone of that state.
    """
    by_mail = channel in (Channel.EMAIL, Channel.AUDIENCE)
    country, zone, state = (row[name] for name in ("country", "time_zone", "state"))
    zones = {zone} if isinstance(zone, str) and zone else set()
    if row["is_zone_of_state"]:
        zones |= set(rules.split_zones.get(state, ()))
    if zones and not by_mail:
        zones |= set(row["area_zones"].split())
    states = {state} if by_mail else {state, row["area_state"]}
    return ContactFacts(
        countries=frozenset([country] if isinstance(country, str) and country else []),
        has_country_conflict=row["has_country_conflict"],
        states=frozenset(filter(None, states)),
        is_state_known=bool(state),
        zones=frozenset(zones),
        has_address=row["has_email"] if by_mail else row["has_phone"],
        has_opt_out_source=row["has_email_opt_out_source"] if by_mail else row["has_phone_opt_out_source"],
        recipient=Recipient(row["recipient"]),
        dormant_days=int(row["is_too_long"]),  # compared with 0 above: the limit was applied when keys were made
        facts=facts,
    )


def _fact_sets(people: pd.DataFrame, permissions: pd.DataFrame) -> tuple[list[frozenset[Fact]], Ints]:
    """Distinct sets of facts, and for each person the index of theirs."""
    rows = _all_facts(people, permissions)
    code, distinct = _distinct_facts(rows)
    order = np.lexsort((code, rows["person"].to_numpy()))
    person, code = rows["person"].to_numpy()[order], code[order]
    starts = np.searchsorted(person, np.arange(len(people) + 1))
    codes = code.tolist()
    known: dict[tuple[int, ...], int] = {}
    result = np.empty(len(people), dtype=np.int64)
    for position, (begin, end) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
        result[position] = known.setdefault(tuple(dict.fromkeys(codes[begin:end])), len(known))
    return [frozenset(distinct[index] for index in indexes) for indexes in known], result


def _all_facts(people: pd.DataFrame, permissions: pd.DataFrame) -> pd.DataFrame:
    """Recorded facts and the relationship that every former correspondent has, with the person's row number."""
    number = pd.Series(np.arange(len(people)), index=people["person_id"].to_numpy())
    permissions = permissions.assign(has_full_record=_full_records(permissions))
    recorded = permissions[permissions["person_id"].isin(number.index)].loc[:, ["person_id", *FACT_COLUMNS]]
    recorded = recorded.assign(person=number.reindex(recorded["person_id"]).to_numpy(dtype=np.int64))
    recorded = recorded.assign(since=_days(recorded["since"]), expires_at=_days(recorded["expires_at"]))
    came = pd.to_datetime(people["last_inbound_at"]).to_numpy(dtype="datetime64[s]")
    wrote = ~np.isnat(came)
    relationship = pd.DataFrame(
        {
            "person": np.arange(len(people))[wrote],
            "channel": "all",
            "stance": Stance.ALLOWED.value,
            "basis": Basis.RELATIONSHIP.value,
            "source": "activities",
            "evidence": "last inbound activity",
            # Rounded down to the month: never later than the truth, and few distinct values.
            "since": pd.Series(came[wrote].astype("datetime64[M]").astype("datetime64[s]")),
            "expires_at": pd.Series(np.full(int(wrote.sum()), np.datetime64("NaT", "s"))),
            "collected_during": None,
            "optout_offered_at_collection": None,
            "has_full_record": False,
        }
    )
    return pd.concat([recorded.drop(columns="person_id"), relationship], ignore_index=True)


def _full_records(permissions: pd.DataFrame) -> Bools:
    if "has_full_record" not in permissions.columns:
        return np.zeros(len(permissions), dtype=bool)
    return _flags(permissions["has_full_record"], unknown=False)


def _days(column: pd.Series[Any]) -> pd.Series[Any]:
    """Moments rounded down to days: a ground ends rather too early than too late."""
    return pd.to_datetime(column).astype("datetime64[s]").dt.floor("D")


def _distinct_facts(rows: pd.DataFrame) -> tuple[Ints, list[Fact]]:
    code = np.zeros(len(rows), dtype=np.int64)
    for name in FACT_COLUMNS:
        if name in ("source", "evidence"):
            continue  # kept in the warehouse; a decision does not depend on them
        part, values = pd.factorize(rows[name], use_na_sentinel=False)
        code, _ = pd.factorize(code * max(len(values), 1) + part)
    first = pd.Series(code).drop_duplicates().index
    return code.astype(np.int64), [_fact(row) for row in rows.iloc[first].to_dict("records")]


def _fact(row: dict[Any, Any]) -> Fact:
    offered, during = row["optout_offered_at_collection"], row["collected_during"]
    return Fact(
        channel=str(row["channel"]),
        # Anything but a clear yes is a no.
        stance=Stance.ALLOWED if row["stance"] == Stance.ALLOWED.value else Stance.REFUSED,
        basis=str(row["basis"]),
        since=_date(row["since"]),
        expires_at=_date(row["expires_at"]),
        collected_during=during if isinstance(during, str) else None,
        is_optout_offered=bool(offered)
        if offered is not None and offered is not pd.NA and offered == offered
        else None,
        has_full_record=row["has_full_record"] is True,
    )


def _date(value: Any) -> date | None:
    return None if pd.isna(value) else value.date() if isinstance(value, datetime) else value
