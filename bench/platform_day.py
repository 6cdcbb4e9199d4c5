"""`python -m bench.platform_day`: runs one day of the platform in a fresh process and tells what it did as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from contracts.offline import silence

# Who writes in a benchmark; without it every plan would hold and the day would be too short.
SENDER: Final[dict[str, str]] = {
    "sender_name": "Bench & Co",
    "sender_postal_address": "1 Example Street, Springfield, IL 62701, USA",
    "sender_from_address": "hello@bench.example",
    "unsubscribe_url": "https://bench.example/unsubscribe",
}


@dataclass(frozen=True, slots=True)
class DayRun:
    """One day as its process told it.

    Attributes:
        ok: no step and no error-level check failed.
        failures: readable paragraphs.
        seconds: of the job by stage.
        job_seconds: wall time of the job, without the start of the interpreter.
        hashes: SHA-256 of the published partitions of the day by dataset.
        facts: counts of the summary (people, dormant, rows, planned).
    """

    ok: bool
    failures: tuple[str, ...]
    seconds: dict[str, float]
    job_seconds: float
    hashes: dict[str, str]
    facts: dict[str, int]


def settings_of(state: Path, sources: Path) -> dict[str, Any]:
    """Overrides of an installation that lives in `state` alone."""
    return {"var_dir": str(state.absolute()), "sources_file": str(sources.absolute()), **SENDER}


def run(state: Path, sources: Path, as_of: date) -> DayRun:
    """Run the day and read back what it published."""
    silence()
    from contracts.published import read_manifest
    from pipelines.resources import PROJECT_ROOT, Engine
    from pipelines.run import run_day

    now = f"{as_of.isoformat()}T05:00:00+00:00"
    engine = Engine(root=str(PROJECT_ROOT), overrides=settings_of(state, sources), fixed_now=now)
    started = time.perf_counter()
    result = run_day(engine, as_of)
    spent = time.perf_counter() - started
    root = engine.settings.published_dir
    hashes = {}
    for folder in sorted(root.glob("*")) if root.exists() else []:
        manifest = read_manifest(root, dataset=folder.name, as_of=as_of)
        if manifest is not None:
            hashes[folder.name] = manifest.sha256
    return DayRun(
        ok=result.ok,
        failures=result.failures,
        seconds=result.seconds,
        job_seconds=round(spent, 3),
        hashes=hashes,
        facts=summary_counts(engine.settings.var_dir / "summary.json", as_of),
    )


def summary_counts(path: Path, as_of: date) -> dict[str, int]:
    """Counts of the day's summary; empty when the day wrote none."""
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    if found["as_of_date"] != as_of.isoformat():
        return {}
    return {
        "people": found["people"],
        "dormant": found["dormant"],
        "rows_in": found["rows_in"],
        "scored": found["scores"]["rows"],
        "unscored": sum(found["scores"]["unscored"].values()),
        "planned": found["batch"]["planned"],
        "held_out": found["batch"]["held_out"],
        "skipped": sum(found["batch"]["skipped"].values()),
    }


def main() -> int:
    """Command line; writes the run as one JSON line. A day that failed is a measurement too, its failures are told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    given = parser.parse_args()
    found = run(given.state, given.sources, given.as_of)
    sys.stdout.write("\n" + json.dumps(asdict(found)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
