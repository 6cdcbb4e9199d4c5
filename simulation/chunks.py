"""One chunk of the world, ready for the exports: history, records, events and deals as Arrow tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from simulation.draws import IntArray, normal, uniform, words
from simulation.events import Sends, bulk_sends, event_table, to_arrow
from simulation.history import History, simulate
from simulation.law import Treatments
from simulation.people import SALESFORCE, People, make_people
from simulation.records import NEVER, Records, event_slots, known_times, make_records, person_table, record_table
from simulation.settings import CHUNK, DAY, WEEK, WorldSettings


@dataclass(frozen=True)
class EngineContacts:
    """The engine's contacts of one chunk: what the law needs, and the rows that a CRM shows."""

    treatments: Treatments
    sends: Sends | None
    calls: tuple[Any, ...] | None
    subjects: dict[tuple[int, int], str]


@dataclass(frozen=True)
class Chunk:
    """One chunk with everything that the exports and the truth need; tables hold only people of the world."""

    people: People
    past: History
    records: Records
    persons: pa.Table
    record_rows: pa.Table
    events: pa.Table
    deals: pa.Table


def _arrival(world: WorldSettings, people: People, events: dict[str, Any]) -> IntArray:
    """When a row first shows up in an export: at once, late or never inside the silent gap of Salesforce."""
    at = events["at"]
    start = world.epoch(world.gap_on)
    end = start + world.gap_days * DAY
    inside = (people.crm[events["who"]] == SALESFORCE) & (at >= start) & (at < end)
    late = uniform(world.seed, 312, events["event"]) < world.gap_late_share
    return np.where(inside, np.where(late, end + world.gap_late_days * DAY, NEVER), at)


def _deal_table(world: WorldSettings, past: History, records: Records, inside: int) -> pa.Table:
    """Deals with amount and record; numbered by person and week of creation."""
    deals, people = past.deals, past.people
    order = np.lexsort((deals.created, deals.who))
    order = order[deals.who[order] < inside]
    who, created = deals.who[order], deals.created[order]
    pid = people.pid[who]
    created_at = world.start_epoch + (created * WEEK).astype(np.int64)
    late = created_at % DAY >= 82_800
    created_at = np.where(late, created_at - 7200, created_at)
    week = np.floor(created).astype(np.int64)
    size = np.array([1.0, 2.2, 5.0, 11.0, 28.0])[people.size[who]]
    amount = np.round(900 * size * np.exp(0.6 * normal(world.seed, 313, pid, week)), 0)
    slot = np.where(records.converted[who, 0] < NEVER, 3, 0)
    return pa.table(
        {
            "who": who,
            "slot": slot,
            "deal_number": pid * 1000 + week,
            "deal_key": words(world.seed, 314, pid, week) if len(pid) else np.zeros(0, np.uint64),
            "created_at": created_at,
            "closed_at": world.start_epoch + (deals.closed[order] * WEEK).astype(np.int64),
            "won": deals.won[order],
            "amount": amount.astype(np.int64),
        }
    )


def build_chunk(
    world: WorldSettings, number: int, *, cut: int, engine: EngineContacts | None = None, with_truth: bool = True
) -> Chunk:
    """Simulate one chunk up to `cut` (epoch seconds of the as-of date, 00:00 UTC)."""
    people = make_people(world, number)
    moment = (cut - world.start_epoch) / WEEK
    treatments = engine.treatments if engine else None
    past = simulate(world, people, moment=moment, engine=treatments, with_truth=with_truth)
    sends = bulk_sends(world, past, moment, engine.sends if engine else None)
    events = event_table(world, past, end=moment, sends=sends, calls=engine.calls if engine else None)
    inside = min(CHUNK, world.people - number * CHUNK)
    events = {name: values[events["who"] < inside] for name, values in events.items()}
    records = make_records(world, past)
    events["final_slot"] = event_slots(world, people, records, events)
    events["arrives"] = _arrival(world, people, events)
    known = known_times(world, past, events, cut)
    rows = record_table(world, people, records, known)
    return Chunk(
        people=people,
        past=past,
        records=records,
        persons=person_table(world, people).slice(0, inside),
        record_rows=rows.filter(pa.array(rows.column("who").to_numpy() < inside)),
        events=to_arrow(world, events, engine.subjects if engine else {}),
        deals=_deal_table(world, past, records, inside),
    )
