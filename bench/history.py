"""`python -m bench.history`: adds the measured suites of `var/bench` to docs/benchmarks.md, each only once."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.rows import BENCH_DIR, ROOT, Row, read_suite
from bench.table import number, verdict
from contracts.files import write_atomic

HISTORY: Final = ROOT / "docs" / "benchmarks.md"
# Suites are added below this line, the newest first; what stands above it is written by hand.
_MARK: Final = "<!-- history: newest first -->"
_HEADER: Final = f"""# Benchmarks

Measured by `make bench` and `make bench-scale`, added by `python -m bench.history`. Ours and the bare baseline run in
the same invocation, in turns; medians over three rounds where a round takes at most 60 s, else one. What falls short
stays here.

{_MARK}
"""


def section(suite: str, rows: Sequence[Row]) -> str:
    """Markdown of one measured suite."""
    first = rows[0]
    lines = [
        f"### {suite}, {first.at[:10]}, {first.commit}",
        "",
        f"{first.machine}; {first.at}",
        "",
        "| figure | value | unit | bare | ratio | target | ok |",
        "|---|---:|---|---:|---:|---:|---|",
    ]
    for row in rows:
        target = "" if row.target is None else f"≤ {number(row.target)}"
        cells = [
            row.name,
            number(row.value),
            row.unit,
            number(row.baseline),
            number(row.ratio),
            target,
            verdict(row.ok),
        ]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def append(history: Path, suites: Sequence[tuple[str, Sequence[Row]]]) -> int:
    """Put new suites on top of the history; returns how many were new. The same measurement is added once."""
    text = history.read_text(encoding="utf-8") if history.exists() else _HEADER
    if _MARK not in text:
        text = text.rstrip() + f"\n\n{_MARK}\n"
    fresh = []
    for suite, rows in sorted(suites, key=lambda pair: (pair[1][0].at if pair[1] else "", pair[0]), reverse=True):
        if rows and not _has(text, suite, rows[0]):
            fresh.append(section(suite, rows))
    if not fresh:
        return 0
    head, _, tail = text.partition(_MARK)
    write_atomic(history, f"{head}{_MARK}\n\n{chr(10).join(fresh)}{tail}".encode())
    return len(fresh)


def _has(text: str, suite: str, row: Row) -> bool:
    found = re.search(rf"^### {re.escape(suite)}, [^\n]*\n\n[^\n]*; {re.escape(row.at)}$", text, re.MULTILINE)
    return found is not None


def main() -> int:
    """Append every suite of `var/bench`; returns the exit code."""
    suites = [(path.stem, read_suite(path)) for path in sorted(BENCH_DIR.glob("*.json"))]
    added = append(HISTORY, suites)
    sys.stdout.write(f"{added} of {len(suites)} suites added to {HISTORY.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
