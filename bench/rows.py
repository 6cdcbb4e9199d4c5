"""Rows of a benchmark suite: one figure each, with its baseline and target, as `var/bench/<suite>.json` holds them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from contracts.errors import BadInputError
from contracts.files import write_atomic

ROOT: Final = Path(__file__).resolve().parent.parent
BENCH_DIR: Final = ROOT / "var" / "bench"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        name: what was measured.
        value: median over the rounds, in `unit`.
        baseline: the bare baseline's value in the same invocation, or None.
        ratio: value / baseline, or None.
        target: what `value` (or, for a ratio, `ratio`) must not exceed; None without a promise.
        ok: whether the target is met; None without one.
        machine, commit, at: where, on which commit and when (UTC) it was measured.
    """

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    target: float | None
    ok: bool | None
    machine: str
    commit: str
    at: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where, on which commit and when a suite was measured."""

    machine: str
    commit: str
    at: str


def origin(*, now: datetime | None = None, root: Path = ROOT) -> Origin:
    """This machine, the commit checked out (`+` marks uncommitted changes), and the time to the second."""
    moment = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    return Origin(machine=_machine(), commit=_commit(root), at=moment.isoformat())


def make_row(
    origin_: Origin,
    name: str,
    values: Sequence[float],
    unit: str,
    *,
    baseline: Sequence[float] | None = None,
    target: float | None = None,
    target_ratio: float | None = None,
) -> Row:
    """A row from the rounds' values: medians, their ratio, and whether the target holds.

    Args:
        origin_: of the suite.
        name: what was measured.
        values: one value per round.
        unit: of the values.
        baseline: the baseline's values of the same rounds.
        target: most that the median may be.
        target_ratio: most that the ratio may be; give only one of the two.

    Raises:
        ValueError: no value, or two targets.
    """
    if not values or (target is not None and target_ratio is not None):
        raise ValueError("a row needs a value and at most one target")
    value = median(values)
    base = median(baseline) if baseline else None
    ratio = value / base if base else None
    judged = ratio if target_ratio is not None else value
    limit = target_ratio if target_ratio is not None else target
    return Row(
        name=name,
        value=round(value, 4),
        unit=unit,
        baseline=None if base is None else round(base, 4),
        ratio=None if ratio is None else round(ratio, 4),
        target=limit,
        ok=None if limit is None or judged is None else judged <= limit,
        machine=origin_.machine,
        commit=origin_.commit,
        at=origin_.at,
    )


def write_suite(suite: str, rows: Sequence[Row], *, folder: Path = BENCH_DIR) -> Path:
    """Replace `<folder>/<suite>.json`; returns its path."""
    path = folder / f"{suite}.json"
    write_atomic(path, json.dumps([asdict(row) for row in rows], indent=2).encode() + b"\n")
    return path


def read_suite(path: Path) -> list[Row]:
    """Rows of a suite's file.

    Raises:
        BadInputError: the file is no list of rows.
    """
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return [Row(**row) for row in found]
    except (ValueError, TypeError) as error:
        raise BadInputError(
            "The file holds no rows of a suite.", where=str(path), remedy="Run the suite again."
        ) from error


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory:.0f} GiB, {platform.machine()}, Python {platform.python_version()}"


def _commit(root: Path) -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    head = git("rev-parse", "--short=10", "HEAD")
    if not head:
        return "unknown"
    changed = git("status", "--porcelain", "--untracked-files=no")
    return f"{head}+" if changed else head
