"""One run of an installation at a time, whoever starts it: a file lock that dies with its process."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from contracts.errors import BusyError

# Marks runs whose process took the lock before Dagster started; other runs take it when their resources start.
DRIVER_TAG: Final = "recovery/driver"
# Marks runs that write neither the warehouse nor published files, such as sending: they need no lock.
UNLOCKED_TAG: Final = "recovery/unlocked"


def take_run_lock(var_dir: Path, *, wait_seconds: float) -> FileLock:
    """The lock of an installation, taken; the caller releases it.

    Args:
        var_dir: folder of all state.
        wait_seconds: how long to wait for another run; 0 refuses at once.

    Raises:
        BusyError: another run is going on.
    """
    path = var_dir / "locks" / "run.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout as error:
        raise BusyError(
            "Another run of this installation is going on.",
            where=str(path),
            remedy="Wait for it, or see `recovery status`; a lock whose process died is released by itself.",
        ) from error
    return lock
