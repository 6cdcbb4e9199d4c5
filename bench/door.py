"""`python -m bench.door`: one ingest of a million contacts with faults, told as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from bench.ingest_csv import main as measure_once


def main() -> int:
    """Measure once and write the timing as one JSON line."""
    sys.stdout.write("\n" + json.dumps(asdict(measure_once())) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
