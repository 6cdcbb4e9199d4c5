"""Named moments at which a test can kill the process. Disarmed, reaching one costs a comparison."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable

_armed: tuple[str, int] | None = None
_act: Callable[[], None] | None = None
_reached: Counter[str] | None = None


def reach(name: str) -> None:
    """Say that the moment `name` has come."""
    if _reached is None and _armed is None:
        return
    _count(name)


def _count(name: str) -> None:
    global _armed
    if _reached is not None:
        _reached[name] += 1
    if _armed is None or _armed[0] != name:
        return
    remaining = _armed[1] - 1
    _armed = (name, remaining) if remaining else None
    if remaining == 0:
        (_act or _kill)()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(name: str, *, occurrence: int = 1, act: Callable[[], None] | None = None) -> None:
    """Kill this process (or call `act`) when `name` is reached for the n-th time from now on."""
    global _armed, _act
    _armed, _act = (name, occurrence), act


def disarm() -> None:
    """Forget what was armed and counted."""
    global _armed, _act, _reached
    _armed, _act, _reached = None, None, None


def count() -> Counter[str]:
    """Count from now on how often each moment is reached; the counter is filled as it happens."""
    global _reached
    _reached = Counter()
    return _reached
