"""`python -m bench.world`: writes the exports of a benchmark world for two days, in a process of its own."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

SEED: Final = 7
# A Monday: the second day adds a weekly date to the training panel and fits anew, so it is the dearest kind of day.
SECOND_DAY: Final = date(2026, 6, 1)
FIRST_DAY: Final = SECOND_DAY - timedelta(days=1)
THIRD_DAY: Final = SECOND_DAY + timedelta(days=1)  # as the other six days of a week are


@dataclass(frozen=True, slots=True)
class World:
    """Where the exports of a world lie; `truth` is beside them, never below."""

    folder: Path
    people: int

    @property
    def exports(self) -> Path:
        """Folder of exports and `sources.yml`."""
        return self.folder / "exports"

    @property
    def truth(self) -> Path:
        """Folder of the hidden truth."""
        return self.folder / "truth"

    @property
    def sources(self) -> Path:
        """The declaration of the sources."""
        return self.exports / "sources.yml"

    @property
    def marker(self) -> Path:
        """Facts of a finished world."""
        return self.folder / "world.json"


def write(world: World, day: date, *, since: date | None) -> dict[str, Any]:
    """Write the exports of one day; returns seconds, rows and people."""
    from simulation import WorldSettings, write_exports

    started = time.perf_counter()
    report = write_exports(
        WorldSettings(seed=SEED, people=world.people), out=world.exports, truth=world.truth, as_of=day, since=since
    )
    return {
        "seconds": round(time.perf_counter() - started, 3),
        "rows": sum(report.files.values()),
        "people": report.people,
        "dormant": report.dormant,
    }


def hide(world: World, day: date) -> Path:
    """Take the exports of a day away, so that a first day does not find them; returns where they went."""
    place = world.exports / "exports" / day.isoformat()
    kept = world.folder / "later" / day.isoformat()
    if place.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        place.rename(kept)
    return kept


def reveal(world: World, day: date) -> None:
    """Put the exports of a day back."""
    kept = world.folder / "later" / day.isoformat()
    place = world.exports / "exports" / day.isoformat()
    if kept.exists():
        kept.rename(place)


def main() -> int:
    """Command line; writes the facts as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--people", type=int, required=True)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    parser.add_argument("--since", type=date.fromisoformat)
    given = parser.parse_args()
    found = write(World(given.folder, given.people), given.as_of, since=given.since)
    sys.stdout.write("\n" + json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
