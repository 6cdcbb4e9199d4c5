"""Planning and ledger alone, at the size of a large installation: `python -m bench.plan [--people N] [--capacity N]`.

Each figure is taken in a process of its own, so that its memory is its own. CPU seconds are user plus system; the
other figures of a suite that ran beside it do not change them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from bench.measure import run_measured
from bench.rows import BENCH_DIR, ROOT, Origin, Row, make_row, origin, write_suite
from contracts.words import Channel
from recovery.ledger import LINKS_SCHEMA, open_ledger
from recovery.permission import load_rules
from recovery.planning import PlanInputs, PlanPolicy, load_playbooks, make_plan
from recovery.planning.value import DealStatistics

DAY: Final = date(2026, 6, 1)
PEOPLE: Final = 500_000
CAPACITY: Final = 100_000
LINKS: Final = 1_000_000
# Promised at 500,000 dormant people on two cores; smaller runs must stay below as well.
PLAN_SECONDS: Final = 60.0
PLAN_BYTES: Final = 2 * 2**30
LINK_SECONDS: Final = 60.0
_FACTS: Final = (
    "person_id", "channel", "stance", "basis", "source", "evidence", "since", "expires_at", "collected_during",
    "optout_offered_at_collection",
)  # fmt: skip


def people(count: int) -> pd.DataFrame:
    """Dormant people of eight countries, a third in accounts of six, with all that a decision depends on."""
    rng = np.random.default_rng(11)
    number = np.arange(count)
    ids = np.char.add("p", np.char.zfill(number.astype(str), 8)).astype(object)
    countries = np.asarray(["US", "US", "US", "CA", "GB", "DE", "FR", "AU"], dtype=object)[rng.integers(0, 8, count)]
    zones = {"US": "America/New_York", "CA": "America/Toronto", "GB": "Europe/London", "DE": "Europe/Berlin",
             "FR": "Europe/Paris", "AU": "Australia/Sydney"}  # fmt: skip
    inbound = np.datetime64("2026-05-01", "s") - rng.integers(0, 700, count).astype("timedelta64[D]")
    return pd.DataFrame(
        {
            "person_id": ids,
            "account_id": [f"a{n // 18}" if n % 3 == 0 else None for n in range(count)],
            "market": np.asarray(["b2b", "real_estate"], dtype=object)[number % 2],
            "lead_kind": "lead",
            "country": countries,
            "has_country_conflict": False,
            "state": None,
            "time_zone": pd.Series(countries).map(zones),
            "email": ids + "@x.example",
            "phone_e164": None,
            "has_email_opt_out_source": True,
            "has_phone_opt_out_source": True,
            "is_free_mail": number % 4 == 0,
            "company_name": "Acme Ltd",
            "employee_count": 10,
            "dormant_days": (np.datetime64(DAY) - inbound.astype("datetime64[D]")).astype(int),
            "last_inbound_at": inbound,
            "open_amount": np.nan,
            "currency": "USD",
            "cycle": 1,
            **dict.fromkeys(("owner_id", "team_id"), None),
            **dict.fromkeys(("source", "crm", "record_object"), "hubspot"),
            "record_id": ids,
        }
    )


def history(frame: pd.DataFrame) -> pd.DataFrame:
    """First steps of a fifth of the people, a fortnight to two months ago."""
    begun = frame.iloc[::5]
    days = np.arange(len(begun)) % 45 + 10
    return pd.DataFrame(
        {
            "person_id": begun["person_id"].to_numpy(),
            "as_of_date": np.datetime64(DAY, "s") - days.astype("timedelta64[D]"),
            "playbook": np.where(begun["market"] == "b2b", "b2b_starter", "real_estate_starter"),
            "step": 1,
            "cycle": 1,
            "arm": np.where(days % 10 == 0, "held_out", "contacted"),
        }
    )


def plan_once(count: int, capacity: int) -> dict[str, float]:
    """CPU and wall seconds of one plan, and people who were chosen."""
    frame = people(count)
    rng = np.random.default_rng(12)
    scores = pd.DataFrame({"person_id": frame["person_id"], "p": rng.beta(2, 30, count), "points": 50, "tier": "low"})
    refused = frame["person_id"].iloc[::20]
    permissions = pd.DataFrame(dict.fromkeys(_FACTS) | {"person_id": refused}, columns=list(_FACTS))
    permissions = permissions.assign(channel="email", stance="refused", basis="opt_out")
    inputs = PlanInputs(frame, scores, permissions, history(frame), DealStatistics({}, None, None))
    policy = PlanPolicy(
        as_of=DAY,
        release_at=datetime(2026, 6, 1, 5, tzinfo=UTC),
        capacity={Channel.EMAIL: capacity},
        cost={Channel.EMAIL: 0.002},
    )
    wall, cpu = time.perf_counter(), time.process_time()
    plan = make_plan(inputs, policy, playbooks=load_playbooks(), rules=load_rules())
    seconds = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    facts = plan.facts
    total = facts["planned"] + facts["held_out"] + sum(facts["skipped"].values())
    return {**seconds, "chosen": facts["planned"] + facts["held_out"], "unaccounted": abs(count - total)}


def ledger_once(links: int) -> dict[str, float]:
    """CPU and wall seconds of appending links to a new ledger and reading them back."""
    number = np.arange(links)
    since = pa.array(np.full(links, np.datetime64("2026-01-01", "us")))
    table = pa.table(
        {
            "record_key": pa.array(np.char.add("s:contacts:", number.astype(str))),
            "person_id": pa.array(np.char.add("p", (number // 2).astype(str))),
            "since": since,
            "why": pa.array(["first seen"] * links),
            "as_of_date": pa.array([DAY - timedelta(days=1)] * links, pa.date32()),
        }
    ).cast(LINKS_SCHEMA)
    with tempfile.TemporaryDirectory() as folder, open_ledger(f"sqlite:///{folder}/ledger.sqlite") as ledger:
        wall, cpu = time.perf_counter(), time.process_time()
        ledger.append_links(table)
        lost = links - ledger.read_links().num_rows
        return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "lost": lost}


def measure(job: str, *sizes: int) -> tuple[dict[str, float], int]:
    """Figures of one job in a process of its own, and that process's peak memory in bytes."""
    command = [sys.executable, "-m", "bench.plan", "--job", job, *map(str, sizes)]
    done = run_measured(command, cwd=ROOT)
    found: dict[str, float] = json.loads(done.output.splitlines()[-1])
    return found, done.peak_rss_bytes


def plan_rows(origin_: Origin, *, count: int, capacity: int, links: int) -> list[Row]:
    """The suite's rows."""
    plan, memory = measure("plan", count, capacity)
    ledger, _ = measure("ledger", links)
    name = f"make_plan, {count:,} dormant, {capacity:,} places"
    return [
        make_row(origin_, f"{name}: CPU", [plan["cpu"]], "s", target=PLAN_SECONDS),
        make_row(origin_, f"{name}: wall", [plan["wall"]], "s"),
        make_row(origin_, f"{name}: peak memory", [memory / 2**20], "MiB", target=PLAN_BYTES / 2**20),
        make_row(origin_, f"{name}: people without a decision", [plan["unaccounted"]], "people", target=0),
        make_row(origin_, f"ledger, {links:,} links appended and read: CPU", [ledger["cpu"]], "s", target=LINK_SECONDS),
        make_row(origin_, f"ledger, {links:,} links: lost", [ledger["lost"]], "links", target=0),
    ]


def run(*, count: int, capacity: int, links: int, folder: Path = BENCH_DIR) -> list[Row]:
    """Measure and write `<folder>/plan.json`."""
    rows = plan_rows(origin(), count=count, capacity=capacity, links=links)
    write_suite("plan", rows, folder=folder)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.plan", description="Benchmark of planning and ledger.")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--capacity", type=int, default=CAPACITY)
    parser.add_argument("--links", type=int, default=LINKS)
    parser.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.job:
        name, *sizes = given.job
        jobs: dict[str, Any] = {"plan": plan_once, "ledger": ledger_once}
        sys.stdout.write(json.dumps(jobs[name](*map(int, sizes))) + "\n")
        return 0
    rows = run(count=given.people, capacity=given.capacity, links=given.links)
    for row in rows:
        promise = "" if row.target is None else f" (at most {row.target:g}: {'yes' if row.ok else 'NO'})"
        sys.stdout.write(f"{row.name}: {row.value:g} {row.unit}{promise}\n")
    return 0 if all(row.ok is not False for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
