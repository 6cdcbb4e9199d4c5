"""Runs a command and measures its wall time and the memory of its whole process tree."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from contracts.errors import BadInputError

_PROC: Final = Path("/proc")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_SECONDS: Final = 0.1
ROUNDS: Final = 3
LONG_ROUND_SECONDS: Final = 60.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a command.

    Attributes:
        seconds: wall time from start to end, interpreter start included.
        peak_rss_bytes: most resident memory of the process and its descendants at one time, sampled every 100 ms;
            pages that they share count once per process, so it is never too small but for spikes between samples.
        output: what it wrote to stdout.
    """

    seconds: float
    peak_rss_bytes: int
    output: str


def run_measured(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, log: Path | None = None
) -> Measured:
    """Run `command` to its end.

    Args:
        command: program and arguments.
        cwd: working directory.
        env: variables added to this process's own.
        log: file that takes stderr; discarded when None.

    Raises:
        BadInputError: the command failed; its last lines are told.
    """
    errors = log or Path(os.devnull)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    with errors.open("wb") as sink:
        started = time.perf_counter()
        process = subprocess.Popen(
            list(command), cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=sink
        )
        peak = _Peak(process.pid)
        peak.start()
        output = process.communicate()[0].decode(errors="replace")
        seconds = time.perf_counter() - started
        peak.stop()
    if process.returncode != 0:
        tail = "\n".join((log.read_text(errors="replace") if log else "").splitlines()[-15:])
        raise BadInputError(
            f"A measured command ended with code {process.returncode}.\n{tail or output[-2000:]}",
            where=" ".join(command),
            remedy="Run it alone to see why.",
        )
    return Measured(seconds, peak.highest, output)


class _Peak(threading.Thread):
    """Samples the resident memory of a process tree until stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._done = threading.Event()
        self.highest = 0

    def run(self) -> None:
        """Sample until stopped."""
        while not self._done.is_set():
            self.highest = max(self.highest, tree_rss(self._pid))
            self._done.wait(_SAMPLE_SECONDS)

    def stop(self) -> None:
        """End sampling and wait for the last sample."""
        self._done.set()
        self.join()


def tree_rss(pid: int) -> int:
    """Resident bytes of a process and all its descendants; 0 when it is gone."""
    parents: dict[int, int] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            parent = _parent(int(entry.name))
            if parent is not None:
                parents[int(entry.name)] = parent
    family = {pid}
    grown = True
    while grown:
        children = {child for child, parent in parents.items() if parent in family} - family
        family |= children
        grown = bool(children)
    return sum(_rss(member) for member in family)


def _parent(pid: int) -> int | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])


def _rss(pid: int) -> int:
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def interleave(
    first: Callable[[int], T], second: Callable[[int], T], seconds: Callable[[T], float]
) -> tuple[list[T], list[T]]:
    """Run two contestants in turns, three rounds where both together take at most 60 s, else one.

    The order is swapped every round, so that neither always finds the caches warm.

    Args:
        first, second: take the number of the round and do the work.
        seconds: wall time of a result.
    """
    ours, theirs = [], []
    for number in range(ROUNDS):
        if number % 2 == 0:
            ours.append(first(number))
            theirs.append(second(number))
        else:
            theirs.append(second(number))
            ours.append(first(number))
        if seconds(ours[-1]) + seconds(theirs[-1]) > LONG_ROUND_SECONDS:
            break
    return ours, theirs
