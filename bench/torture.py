"""`make torture`: the large proofs in full, one suite each; a figure of correctness has the target 0."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.rows import BENCH_DIR, Row, write_suite
from bench.table import show
from bench.torture_permission import permission_rows

TORTURE: Final[dict[str, Callable[[], list[Row]]]] = {
    "permission": permission_rows,
}


def run(names: Sequence[str], *, folder: Path = BENCH_DIR) -> list[Row]:
    """Run suites in turn, write `<folder>/torture_<suite>.json` and show each."""
    rows: list[Row] = []
    for name in names:
        found = TORTURE[name]()
        write_suite(f"torture_{name}", found, folder=folder)
        show(f"Torture: {name}", found)
        rows += found
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.torture", description="The large proofs in full.")
    parser.add_argument("suites", nargs="*", choices=[*TORTURE, []], help="default: every suite")
    rows = run(parser.parse_args(arguments).suites or list(TORTURE))
    return 0 if all(row.ok is not False for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
