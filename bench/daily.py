"""`python -m bench.daily --people N`: the platform's day against the bare baseline, on the same exports.

One round is: a first day on an empty installation (the whole history is loaded), the same work in one plain script,
a second day with a day's new exports, that day once more with nothing changed, and where a size promises it a third
day, on which no weekly date is added and no model fitted. Every run is a process of its own
and starts cold but for the operating system's file cache; interpreter and imports count.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from bench.compiled import compile_project, day_variables, write_statements
from bench.measure import Measured, interleave, run_measured
from bench.rows import BENCH_DIR, ROOT, Origin, Row, make_row, origin, write_suite
from bench.table import show
from bench.world import FIRST_DAY, SECOND_DAY, THIRD_DAY, World, hide, reveal
from contracts.offline import silence
from contracts.settings import Settings

GIB: Final = 2**30
SCALE_PEOPLE: Final = 1_000_000
DOOR_SECONDS: Final = 45.0


@dataclass(frozen=True, slots=True)
class Targets:
    """What is promised at a size; None where nothing is."""

    simulate_seconds: float | None = None
    simulate_gib: float | None = None
    first_seconds: float | None = None
    warm_seconds: float | None = None
    ordinary_seconds: float | None = None
    unchanged_seconds: float | None = None
    gib: float | None = None
    ratio: float | None = None


TARGETS: Final[dict[int, Targets]] = {
    10_000: Targets(simulate_seconds=15, warm_seconds=45, ordinary_seconds=45, unchanged_seconds=20, gib=2),
    SCALE_PEOPLE: Targets(simulate_seconds=600, simulate_gib=2, first_seconds=900, warm_seconds=900, gib=8, ratio=1.5),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A measured process and the JSON line that it ended with."""

    measured: Measured
    facts: dict[str, Any]

    @property
    def seconds(self) -> float:
        """Wall seconds."""
        return self.measured.seconds

    @property
    def gib(self) -> float:
        """Peak resident memory of the process tree."""
        return self.measured.peak_rss_bytes / GIB


@dataclass(frozen=True, slots=True)
class Platform:
    """One round of the platform."""

    first: Told
    warm: Told
    unchanged: Told
    ordinary: Told | None = None

    @property
    def days(self) -> list[Told]:
        """All days of the round."""
        return [self.first, self.warm, self.unchanged, *([] if self.ordinary is None else [self.ordinary])]

    @property
    def seconds(self) -> float:
        """Wall seconds of the round."""
        return sum(day.seconds for day in self.days)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a suite works on."""

    world: World
    work: Path

    @property
    def has_third_day(self) -> bool:
        """Whether the size promises something of an ordinary day."""
        return TARGETS.get(self.world.people, Targets()).ordinary_seconds is not None

    @property
    def sql(self) -> Path:
        """Compiled SQL of the first day, for the baseline."""
        return self.work / "sql.json"

    def prepare(self) -> None:
        """Compile the SQL of the first day; not part of any measured time."""
        shutil.rmtree(self.work / "dbt", ignore_errors=True)
        found = compile_project(day_variables(FIRST_DAY, Settings()), scratch=self.work / "dbt")
        write_statements(self.sql, found)

    def call(self, module: str, *words: str, log: str) -> Told:
        """Run a module of the bench in its own process and read its JSON line."""
        measured = run_measured([sys.executable, "-m", module, *words], cwd=ROOT, log=self.work / "logs" / f"{log}.log")
        return Told(measured, json.loads(measured.output.strip().splitlines()[-1]))

    def make_world(self) -> tuple[Told, Told] | None:
        """Write the exports of both days unless they are there; returns their timings, None when they were."""
        marker = self.world.marker
        made = {"people": self.world.people, "days": 3 if self.has_third_day else 2}
        if marker.exists() and made.items() <= json.loads(marker.read_text()).items():
            return None
        shutil.rmtree(self.world.folder, ignore_errors=True)
        common = ("--folder", str(self.world.folder), "--people", str(self.world.people))
        first = self.call("bench.world", *common, "--as-of", str(FIRST_DAY), log="world-first")
        second = self.call(
            "bench.world", *common, "--as-of", str(SECOND_DAY), "--since", str(FIRST_DAY), log="world-second"
        )
        if self.has_third_day:
            self.call("bench.world", *common, "--as-of", str(THIRD_DAY), "--since", str(SECOND_DAY), log="world-third")
        marker.write_text(json.dumps(made | {"first": first.facts, "second": second.facts}))
        return first, second

    def platform(self, number: int) -> Platform:
        """One round of the platform on an empty installation."""
        state = self.work / f"platform-{number}"
        shutil.rmtree(state, ignore_errors=True)
        self._hide_later()
        first = self._day(state, FIRST_DAY, log=f"first-{number}")
        reveal(self.world, SECOND_DAY)
        warm = self._day(state, SECOND_DAY, log=f"warm-{number}")
        unchanged = self._day(state, SECOND_DAY, log=f"unchanged-{number}")
        if not self.has_third_day:
            return Platform(first, warm, unchanged)
        reveal(self.world, THIRD_DAY)
        return Platform(first, warm, unchanged, self._day(state, THIRD_DAY, log=f"ordinary-{number}"))

    def _hide_later(self) -> None:
        for day in (SECOND_DAY, THIRD_DAY):
            hide(self.world, day)

    def _day(self, state: Path, day: date, *, log: str) -> Told:
        return self.call(
            "bench.platform_day",
            *("--state", str(state), "--sources", str(self.world.sources), "--as-of", day.isoformat()),
            log=log,
        )

    def bare(self, number: int) -> Told:
        """The same work in one plain script, on the same exports as the first day."""
        state = self.work / f"bare-{number}"
        shutil.rmtree(state, ignore_errors=True)
        self._hide_later()
        found = self.call(
            "bench.bare",
            *("--state", str(state), "--sources", str(self.world.sources), "--as-of", FIRST_DAY.isoformat()),
            *("--sql", str(self.sql)),
            log=f"bare-{number}",
        )
        return found


def measure(bench: Bench) -> tuple[tuple[Told, Told] | None, list[Platform], list[Told]]:
    """World, rounds of the platform, rounds of the baseline."""
    worlds = bench.make_world()
    bench.prepare()
    seconds: Callable[[Platform | Told], float] = lambda run: run.seconds  # noqa: E731
    found: tuple[list[Any], list[Any]] = interleave(bench.platform, bench.bare, seconds)
    return worlds, found[0], found[1]


def rows_of(
    at: Origin,
    people: int,
    worlds: tuple[Told, Told] | None,
    platform: Sequence[Platform],
    bare: Sequence[Told],
) -> list[Row]:
    """All rows of the suite."""
    targets = TARGETS.get(people, Targets())
    first, warm, unchanged = ([getattr(run, name) for run in platform] for name in ("first", "warm", "unchanged"))
    rows = [] if worlds is None else _world_rows(at, worlds, targets)
    bare_seconds = [run.seconds for run in bare]
    rows += [
        make_row(
            at,
            "first day with all its history",
            seconds(first),
            "s",
            baseline=bare_seconds,
            target=targets.first_seconds,
        ),
        make_row(at, "first day / bare", _ratios(first, bare), "x", target=targets.ratio),
        make_row(at, "next day, a Monday that fits a model", seconds(warm), "s", target=targets.warm_seconds),
        *_ordinary_rows(at, platform, targets),
        make_row(at, "the same day, nothing changed", seconds(unchanged), "s", target=targets.unchanged_seconds),
        make_row(
            at,
            "peak memory",
            [max(day.gib for day in run.days) for run in platform],
            "GiB",
            baseline=[run.gib for run in bare],
            target=targets.gib,
        ),
    ]
    ordinary = [run.ordinary for run in platform if run.ordinary is not None]
    for name, runs in (("first", first), ("next", warm), ("unchanged", unchanged), ("ordinary", ordinary)):
        rows += _stage_rows(at, name, runs)
    return [*rows, *_correctness_rows(at, platform, bare)]


def _ordinary_rows(at: Origin, platform: Sequence[Platform], targets: Targets) -> list[Row]:
    spent = [run.ordinary.seconds for run in platform if run.ordinary is not None]
    if not spent:
        return []
    return [make_row(at, "the day after, a Tuesday that fits none", spent, "s", target=targets.ordinary_seconds)]


def _ratios(ours: Sequence[Told], theirs: Sequence[Told]) -> list[float]:
    return [one.seconds / other.seconds for one, other in zip(ours, theirs, strict=True)]


def seconds(runs: Sequence[Told]) -> list[float]:
    """Wall seconds of runs."""
    return [run.seconds for run in runs]


def _world_rows(at: Origin, worlds: tuple[Told, Told], targets: Targets) -> list[Row]:
    first, second = worlds
    peak = [max(first.gib, second.gib)]
    return [
        make_row(at, "simulate the whole history", [first.seconds], "s", target=targets.simulate_seconds),
        make_row(at, "simulate a day's new exports", [second.seconds], "s"),
        make_row(at, "simulate, peak memory", peak, "GiB", target=targets.simulate_gib),
        make_row(at, "simulated rows", [float(first.facts["rows"])], "rows"),
    ]


def _stage_rows(at: Origin, name: str, runs: Sequence[Told]) -> list[Row]:
    stages = list(dict.fromkeys(stage for run in runs for stage in run.facts["seconds"]))
    return [
        make_row(at, f"{name} day: {stage}", [run.facts["seconds"].get(stage, 0.0) for run in runs], "s")
        for stage in stages
    ]


def _correctness_rows(at: Origin, platform: Sequence[Platform], bare: Sequence[Told]) -> list[Row]:
    days = [day for run in platform for day in run.days]
    failures = sum(len(day.facts["failures"]) for day in days)
    lost = sum(abs(_unaccounted(day.facts["facts"])) for day in days)
    changed = sum(
        warm_hash != run.unchanged.facts["hashes"].get(dataset)
        for run in platform
        for dataset, warm_hash in run.warm.facts["hashes"].items()
    )
    differing = max((score_difference(run.first.facts, other.facts) for run, other in zip(platform, bare, strict=True)))
    return [
        make_row(at, "failed steps and checks", [float(failures)], "", target=0),
        make_row(at, "dormant people lost between scores and plan", [float(lost)], "people", target=0),
        make_row(at, "published partitions that changed in a rerun", [float(changed)], "partitions", target=0),
        make_row(at, "dormant people found by only one of platform and bare", [float(differing)], "people", target=0),
    ]


def door_rows(at: Origin, told: Told) -> list[Row]:
    """Rows of one ingest of a million contacts, one in twenty dirty."""
    facts = told.facts
    lost = facts["rows_in"] - facts["rows_loaded"] - facts["rows_rejected"]
    name = f"{facts['rows_in']:,} contacts"
    return [
        make_row(at, f"{name}: landed, judged, loaded", [facts["seconds"]], "s", target=DOOR_SECONDS),
        make_row(at, f"{name}: nothing new", [facts["unchanged_seconds"]], "s"),
        make_row(at, f"{name}: peak memory", [told.gib], "GiB"),
        make_row(at, f"{name}: rows neither loaded nor rejected", [float(abs(lost))], "rows", target=0),
    ]


def _unaccounted(facts: dict[str, int]) -> int:
    """Dormant people that are neither scored nor counted, or neither planned, held out nor skipped."""
    if not facts:
        return 0
    scored = facts["dormant"] - facts["scored"] - facts["unscored"]
    planned = facts["dormant"] - facts["planned"] - facts["held_out"] - facts["skipped"]
    return abs(scored) + abs(planned)


def score_difference(ours: dict[str, Any], theirs: dict[str, Any]) -> int:
    """Difference of the numbers of dormant people; the platform leaves objectors unscored, the baseline does not."""
    found = int(ours["facts"].get("scored", 0)) + int(ours["facts"].get("unscored", 0))
    return abs(found - int(theirs["facts"].get("scored", 0)))


def run_suite(people: int, *, folder: Path = BENCH_DIR) -> list[Row]:
    """Measure, show and write the suite of a size; returns its rows."""
    silence()
    suite = {10_000: "daily", SCALE_PEOPLE: "scale"}.get(people, f"daily-{people}")
    bench = Bench(World(folder / f"world-{people}", people), folder / f"work-{people}")
    worlds, platform, bare = measure(bench)
    at = origin()
    rows = rows_of(at, people, worlds, platform, bare)
    if people in TARGETS:
        rows += door_rows(at, bench.call("bench.door", log="door"))
    write_suite(suite, rows, folder=folder)
    show(f"{suite}: {people:,} people", rows)
    return rows


def main() -> int:
    """Command line; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    given = parser.parse_args()
    rows = run_suite(given.people)
    return 1 if any(row.ok is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
