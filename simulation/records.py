"""The records that CRMs keep of people: several per person, with typing errors, changed addresses and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from simulation import texts
from simulation.draws import BoolArray, FloatArray, IntArray, choice, uniform, words
from simulation.events import Kind
from simulation.history import History
from simulation.mail import Intent
from simulation.people import COUNTRIES, GOHIGHLEVEL, SALESFORCE, People
from simulation.settings import DAY, WEEK, WorldSettings

SLOTS: Final = 4  # first record, second CRM, duplicate in the same CRM, contact of a converted lead
NEVER: Final = 1 << 40


@dataclass(frozen=True)
class Records:
    """Record arrays, people x slots; times are epoch seconds, NEVER where they do not come."""

    exists: BoolArray
    crm: IntArray
    created: IntArray
    merged: IntArray
    deleted: IntArray
    is_lead: BoolArray
    converted: IntArray


def make_records(world: WorldSettings, past: History) -> Records:
    """Which records each person has, and when they appear, merge, convert and vanish."""
    people, seed = past.people, world.seed
    pid, n = people.pid, len(past.people)
    born = world.start_epoch + (people.created * WEEK).astype(np.int64)
    born = np.where(born % DAY >= 82_800, born - 7200, born)
    exists = np.zeros((n, SLOTS), dtype=bool)
    created = np.full((n, SLOTS), NEVER)
    exists[:, 0] = True
    exists[:, 1] = uniform(seed, 301, pid) < world.second_record
    exists[:, 2] = uniform(seed, 302, pid) < world.duplicate_record
    created[:, 0] = born
    created[:, 1] = born + DAY + (uniform(seed, 303, pid) ** 2 * 400 * DAY).astype(np.int64)
    created[:, 2] = born + DAY + (uniform(seed, 304, pid) * 250 * DAY).astype(np.int64)
    crm = np.repeat(people.crm[:, None], SLOTS, axis=1)
    crm[:, 1] = (people.crm + 1 + choice(seed, 305, (0.6, 0.4), pid)) % 3
    merged = np.full((n, SLOTS), NEVER)
    joins = exists[:, 2] & (uniform(seed, 306, pid) < world.merged_share) & (people.crm != GOHIGHLEVEL)
    later = (created[:, 2] + 20 * DAY + uniform(seed, 307, pid) * 300 * DAY).astype(np.int64)
    merged[:, 2] = np.where(joins, later, NEVER)
    deleted = np.full((n, SLOTS), NEVER)
    gone = uniform(seed, 308, pid) < world.deleted_record
    deleted[:, 0] = np.where(gone, born + ((100 + 700 * uniform(seed, 309, pid)) * DAY).astype(np.int64), NEVER)
    is_lead = (crm == SALESFORCE) & (uniform(seed, 310, pid[:, None], np.arange(SLOTS)) < 0.7)
    converted = np.full((n, SLOTS), NEVER)
    if len(past.deals.who):
        first = np.full(n, np.inf)
        np.minimum.at(first, past.deals.who, past.deals.created)
        when = world.start_epoch + np.where(np.isfinite(first), first * WEEK, 0).astype(np.int64)
        turns = np.isfinite(first) & is_lead[:, 0] & (crm[:, 0] == SALESFORCE)
        converted[:, 0] = np.where(turns, when, NEVER)
    exists[:, 3] = converted[:, 0] < NEVER
    created[:, 3] = converted[:, 0]
    is_lead[:, 2], is_lead[:, 3] = is_lead[:, 0], False
    created = np.where(created % DAY >= 82_800, created - 7200, created)
    return Records(exists, crm, created, merged, deleted, is_lead, converted)


def event_slots(world: WorldSettings, people: People, records: Records, events: dict[str, Any]) -> IntArray:
    """Record of each event: mostly the first; another only when it existed and was not yet merged."""
    who, at, slot = events["who"], events["at"], events["slot"].copy()
    u = uniform(world.seed, 311, people.pid[who], events["week"])
    free = slot < 0
    second = free & records.exists[who, 1] & (records.created[who, 1] < at) & (u < 0.3)
    double = free & records.exists[who, 2] & (records.created[who, 2] < at) & (at < records.merged[who, 2]) & (u > 0.7)
    slot = np.where(second, 1, np.where(double, 2, np.where(free, 0, slot)))
    return np.where((slot == 0) & (at >= records.converted[who, 0]), 3, slot)


def person_table(world: WorldSettings, people: People) -> pa.Table:
    """Attributes of people as codes and words; one row per person, for the SQL of the exports."""
    seed, pid = world.seed, people.pid
    us = people.country == 0
    canada = people.country == 1
    place = np.where(
        us,
        choice(seed, 321, (14, 12, 9, 12, 8, 9, 10, 10, 8, 8), people.account),
        np.where(canada, 10 + choice(seed, 322, (6, 4), people.account), 10 + people.country),
    )

    def pick(values: Any, codes: IntArray) -> pa.Array:
        return pa.array(list(values)).take(pa.array(codes))

    first = choice(seed, 323, (1,) * len(texts.FIRST), pid)
    last = choice(seed, 324, (1,) * len(texts.LAST), pid)
    title = people.seniority * 3 + choice(seed, 325, (1, 1, 1), pid)
    places = np.array(texts.PLACES, dtype=object)
    employees = np.array(texts.EMPLOYEES)[people.size]
    return pa.table(
        {
            "who": np.arange(len(people)),
            "pid": pid,
            "account": people.account,
            "first_name": pick(texts.FIRST, first),
            "other_first": pick(texts.FIRST, (first + 1) % len(texts.FIRST)),
            "last_name": pick(texts.LAST, last),
            "title": pick([t for row in texts.TITLES for t in row], title),
            "brand": pick(texts.COMPANY, choice(seed, 326, (1,) * len(texts.COMPANY), people.account)),
            "suffix": pick(texts.SUFFIX, choice(seed, 327, (1,) * len(texts.SUFFIX), people.account)),
            "industry": pick(texts.INDUSTRY, people.industry),
            "employees": employees + choice(seed, 328, (1,) * 5, people.account),
            "country": pick(COUNTRIES, people.country),
            "state": pick(places[:, 1].tolist(), place),
            "state_code": pick(places[:, 2].tolist(), place),
            "city": pick(places[:, 3].tolist(), place),
            "zone": pick(places[:, 4].tolist(), place),
            "prefix": pick(places[:, 5].tolist(), place),
            "free_host": pick([texts.FREE_MAIL[c] for c in COUNTRIES], people.country),
            "is_free_mail": people.is_free_mail,
            "source": people.source,
            "industry_code": people.industry,
            "disqualified": people.disqualified,
            "disqualified_why": choice(seed, 329, (0.5, 0.2, 0.15, 0.15), pid),
            "dead_at": _epoch(world, people.dead_week),
            "owner": 100 + people.account % 12,
        }
    )


def _epoch(world: WorldSettings, week: FloatArray) -> IntArray:
    """Epoch seconds of weeks, NEVER where far away."""
    return np.where(week < 10_000, world.start_epoch + np.minimum(week, 10_000) * WEEK, NEVER).astype(np.int64)


def has_title(world: WorldSettings, pid: IntArray, slot: IntArray) -> BoolArray:
    """Records that carry a job title."""
    return uniform(world.seed, 350, pid, slot) < 0.85


def record_table(world: WorldSettings, people: People, records: Records, known: dict[str, IntArray]) -> pa.Table:
    """One row per record with its own noise; `known` holds per-person times of opt-out, bounce, deals."""
    who, slot = np.nonzero(records.exists)
    pid = people.pid[who]
    seed = world.seed

    def u(stream: int) -> FloatArray:
        return uniform(seed, stream, pid, slot)

    columns: dict[str, Any] = {
        "who": who,
        "slot": slot,
        "rid": pid * SLOTS + slot,
        "word": words(seed, 340, pid, slot),
        "crm": records.crm[who, slot],
        "created": records.created[who, slot],
        "merged": records.merged[who, slot],
        "deleted": records.deleted[who, slot],
        "converted": records.converted[who, slot],
        "is_lead": records.is_lead[who, slot],
        "second_merged": records.merged[who, 2],
        "has_typo": (slot > 0) & (slot < 3) & (u(341) < world.typo),
        "other_address": (slot > 0) & (slot < 3) & (u(342) < world.other_address),
        "no_country": uniform(seed, 343, pid) < world.country_missing,
        "country_label": choice(seed, 344, (0.6, 0.25, 0.15), pid, slot),
        "has_zone": u(345) < 0.4,
        "has_phone": u(346) < 0.72,
        "has_state": u(347) < 0.85,
        "has_consent": u(348) < world.consent_recorded,
        "has_industry": u(349) < 0.8,
        "has_title": has_title(world, pid, slot),
        "bad_email": u(351) < world.bad_address,
        "bad_phone": u(352) < world.bad_address,
        "no_email": u(353) < 0.02,
        "text_fault": np.where(u(354) < world.injection, choice(seed, 355, (1,) * 6, pid, slot), -1),
        "has_newline": u(356) < 0.004,
        "flag_disagrees": u(357) < 0.1,
        "score_noise": u(358),
        "in_sequence": u(359) < 0.01,
    }
    for name, values in known.items():
        columns[name] = values[who]
    return pa.table({name: pa.array(np.ascontiguousarray(values)) for name, values in columns.items()})


def known_times(world: WorldSettings, past: History, events: dict[str, Any], cut: int) -> dict[str, IntArray]:
    """Per person: time of opt-out, hard bounce and complaint, and what a CRM fills after an outcome."""
    n = len(past.people)
    seen = events["at"] < cut
    result: dict[str, IntArray] = {}
    kinds = events["kind"]
    left = (kinds == Kind.STATUS_CHANGE) | (
        np.isin(kinds, (Kind.REPLY, Kind.TEXT_IN)) & (events["intent"] == Intent.UNSUBSCRIBE)
    )
    for name, which in (
        ("opted_out", left),
        ("bounced", kinds == Kind.BOUNCE),
        ("complained", kinds == Kind.SPAM_REPORT),
    ):
        first = np.full(n, NEVER)
        np.minimum.at(first, events["who"][which & seen], events["at"][which & seen])
        result[name] = first
    acts = np.isin(kinds, (1, 2, 3, 4, 5)) & (events["intent"] < int(Intent.NOT_INTERESTED)) & seen
    latest = np.zeros(n, dtype=np.int64)
    np.maximum.at(latest, events["who"][acts], events["at"][acts])
    touched = np.zeros(n, dtype=np.int64)
    np.maximum.at(touched, events["who"][seen], events["at"][seen])
    result |= {"last_act": latest, "last_event": touched}
    deals = past.deals
    created = world.start_epoch + (deals.created * WEEK).astype(np.int64)
    closed = world.start_epoch + (deals.closed * WEEK).astype(np.int64)
    opened, won = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    opened[deals.who[created < cut]] = 1
    won[deals.who[(closed < cut) & deals.won]] = 1
    return result | {"had_deal": opened, "is_customer": won}
