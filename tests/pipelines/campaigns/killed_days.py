"""Runs days that kill themselves with SIGKILL at a named moment: `python killed_days.py moment=folder ...`.

One interpreter imports everything and forks a process per moment, before any thread or store is opened.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.campaigns import batching
from recovery.ledger import Ledger
from recovery.sinks import file
from tests.pipelines.campaigns.world import World


def die(*_: object, **__: object) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        function(*args, **kwargs)
        die()

    return wrapped


def die_at_the_third(function: Callable[..., Any]) -> Callable[..., Any]:
    calls: list[int] = []

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return die() if len(calls) == 3 else function(*args, **kwargs)

    return wrapped


def arm(moment: str) -> None:
    """Make the day end at a moment."""
    if moment == "record_batch":
        Ledger.record_batch = then_die(Ledger.record_batch)  # type: ignore[method-assign]
    elif moment == "writing":
        file.build_eml = die_at_the_third(file.build_eml)  # type: ignore[attr-defined]
    elif moment == "emit":
        file._settle = die  # everything is written beside, nothing is in place
    elif moment == "mark_emitted":
        Ledger.mark_emitted = die  # type: ignore[method-assign]
    elif moment == "publish":
        batching.Ledger.mark_emitted = then_die(Ledger.mark_emitted)  # type: ignore[method-assign]
    else:
        raise ValueError(moment)


def main() -> None:
    """Fork a day per argument, one after another, and print how each ended."""
    for argument in sys.argv[1:]:
        moment, _, folder = argument.partition("=")
        child = os.fork()
        if child == 0:
            arm(moment)
            World(Path(folder)).day()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{moment} {os.WTERMSIG(status) if os.WIFSIGNALED(status) else 'lived'}\n")


if __name__ == "__main__":
    main()
