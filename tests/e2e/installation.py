"""Small installations that end-to-end tests run days on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cli.workspace import DEMO_SENDER
from contracts.summary import RunSummary
from pipelines.resources import Engine
from pipelines.run import DayResult, run_day
from simulation import WorldSettings, respond, write_exports

LAST = date(2026, 6, 1)
DAYS = (LAST - timedelta(days=42), LAST - timedelta(days=7), LAST)
PEOPLE = 2_000
# A small world has few events; the model path is taken all the same.
SMALL: dict[str, Any] = {
    "min_training_people": 300,
    "min_training_events": 40,
    "capacity_email": 120,
    "duckdb_memory": "2GB",
}


@dataclass(frozen=True)
class Installation:
    """A folder of state with its engine; results and summaries by day for days that were run.

    `eve` is a copy of the folder from before the last day ran, with that day's exports in place.
    """

    var_dir: Path
    engine: Engine
    results: dict[date, DayResult]
    summaries: dict[date, RunSummary]
    eve: Path


def make_engine(var_dir: Path, sources: Path | None = None, **overrides: Any) -> Engine:
    """An engine on a temporary installation with the demo's sender."""
    return Engine(
        overrides={
            "var_dir": str(var_dir),
            "sources_file": str(sources or var_dir / "world" / "sources.yml"),
            **DEMO_SENDER,
            **SMALL,
            **overrides,
        }
    )


def read_summary(var_dir: Path) -> RunSummary:
    """The summary of the last run."""
    return RunSummary.model_validate_json((var_dir / "summary.json").read_bytes())


def run_days(var_dir: Path, engine: Engine, days: tuple[date, ...]) -> Installation:
    """Simulate, run and answer day after day."""
    world = WorldSettings(seed=11, people=PEOPLE)
    results: dict[date, DayResult] = {}
    summaries: dict[date, RunSummary] = {}
    before: date | None = None
    eve = var_dir.parent / "eve" / "var"
    for day in days:
        if before is not None:
            respond(world, outbox=var_dir / "outbox", truth=var_dir / "truth", as_of=day)
        write_exports(world, out=var_dir / "world", truth=var_dir / "truth", as_of=day, since=before)
        if day == days[-1]:
            copy_state(var_dir, eve)
        results[day] = run_day(engine, day)
        summaries[day] = read_summary(var_dir)
        before = day
    return Installation(var_dir, engine, results, summaries, eve)


def copy_state(var_dir: Path, to: Path) -> None:
    """Copy an installation's folder to another place."""
    shutil.copytree(var_dir, to, ignore=shutil.ignore_patterns("spill"))


def fingerprints(var_dir: Path, *folders: str) -> dict[str, bytes]:
    """Content of every file below some folders of an installation, by relative path."""
    return {
        str(path.relative_to(var_dir)): path.read_bytes()
        for folder in folders
        for path in sorted((var_dir / folder).rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
