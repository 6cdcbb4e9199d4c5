"""Large proofs by name: `python -m bench.torture [NAME ...] [--share F]`; without a name, all of them.

A suite takes its share of the full size (tests run a hundredth) and returns rows whose target is 0 wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Final

from bench.delivery_torture import canaries, crowds, failpoints, large_ledger, random_kills
from bench.rows import Origin, Row, origin, write_suite
from bench.serving_torture import lasting_rows, same_number_rows, schema_rows
from bench.table import show
from bench.torture_erasure import erasure_rows
from bench.torture_intervals import interval_rows
from bench.torture_permission import HISTORIES, permission_rows


def _permission(_origin: Origin, share: float) -> list[Row]:
    return permission_rows(max(1, int(HISTORIES * share)))


TORTURE: Final[dict[str, Callable[[Origin, float], list[Row]]]] = {
    "permission": _permission,
    "delivery-kills": random_kills,
    "delivery-failpoints": failpoints,
    "delivery-canaries": canaries,
    "delivery-crowds": crowds,
    "delivery-ledger": large_ledger,
    "erasure": erasure_rows,
    "intervals": interval_rows,
    "api-schema": schema_rows,
    "api-same-number": same_number_rows,
    "api-endurance": lasting_rows,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run suites, print their rows, write `var/bench/torture-<name>.json`; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.torture", description="The large proofs.")
    parser.add_argument("names", nargs="*", choices=[[], *TORTURE], help="suites; all without a name")
    parser.add_argument("--share", type=float, default=1.0, help="share of the full size")
    options = parser.parse_args(arguments)
    is_good = True
    for name in options.names or TORTURE:
        rows = TORTURE[name](origin(), options.share)
        write_suite(f"torture-{name}", rows)
        show(f"Torture: {name}", rows)
        is_good = is_good and all(row.ok is not False for row in rows)
    return 0 if is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
