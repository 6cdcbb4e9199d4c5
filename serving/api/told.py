"""What applications told since the newest published date, by person: the ledger's rows, read again when they change.

Processes of one machine see each other's at once, by a counter in a mapped file that changes with each stored
activity; those of other machines within `POLL_SECONDS`.
"""

from __future__ import annotations

import logging
import mmap
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from datetime import time as day_time
from pathlib import Path
from typing import Final

from contracts.errors import RecoveryError
from recovery.access.activities import ToldActivity
from serving.api.patience import Patience

POLL_SECONDS: Final = 2.0
_STAMP: Final = struct.Struct("<q")
_log = logging.getLogger("recovery.api")


class Told:
    """Told activities that no published score knows of.

    Args:
        read: activities stored at or after a moment (naive UTC), in order.
        counter: file that processes of one machine share; made when missing.
        published: newest published date, None before any.
        clock: monotonic seconds.
        patience: asks the ledger.
    """

    def __init__(
        self,
        read: Callable[[datetime], Sequence[ToldActivity]],
        counter: Path,
        published: Callable[[], date | None],
        *,
        clock: Callable[[], float] = time.monotonic,
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._read, self._published, self._clock = read, published, clock
        self._lock = threading.Lock()
        self._shared = _mapped(counter)
        self._seen: tuple[int, date | None] | None = None
        self._read_at = float("-inf")
        self._acts: Mapping[str, tuple[ToldActivity, ...]] = {}
        self.fault: str | None = None

    @property
    def people(self) -> Mapping[str, tuple[ToldActivity, ...]]:
        """Activities by person, in the order in which they were stored."""
        return self._acts

    @property
    def is_current(self) -> bool:
        """Whether nothing was told or published since the ledger was last read, and that was a moment ago.

        While the ledger is away nobody waits for it: `fault` tells, and the watcher asks again.
        """
        if self.fault is not None and self._patience.is_away:
            return True
        return self._seen == self._now() and self._clock() - self._read_at < 2 * POLL_SECONDS

    def announce(self) -> None:
        """Something was stored: every process reads again before its next answer."""
        _STAMP.pack_into(self._shared, 0, time.time_ns())

    def refresh(self) -> None:
        """Read the ledger again; when it does not answer, what is known of the day stays and `fault` says so."""
        with self._lock:
            seen = self._now()
            since = None if seen[1] is None else datetime.combine(seen[1], day_time())
            try:
                rows = () if since is None else self._patience.ask(lambda: self._read(since))
            except RecoveryError as error:
                if self.fault is None:
                    _log.warning("told activities cannot be read: %s", error.what)
                self.fault = "the ledger does not answer: what was told since may be missing"
                # What was told before the new day began stands in its scores already.
                self._acts = {
                    person: kept for person, acts in self._acts.items()
                    if (kept := tuple(one for one in acts if since is None or one.observed_at >= since))
                }  # fmt: skip
                self._seen, self._read_at = seen, self._clock()
                return
            acts: dict[str, list[ToldActivity]] = {}
            for one in rows:
                acts.setdefault(one.person_id, []).append(one)
            self._acts = {person: tuple(some) for person, some in acts.items()}
            self.fault = None
            self._seen, self._read_at = seen, self._clock()

    def _now(self) -> tuple[int, date | None]:
        return int(_STAMP.unpack_from(self._shared, 0)[0]), self._published()


def _mapped(path: Path) -> mmap.mmap:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as handle:
        if handle.seek(0, 2) < _STAMP.size:
            handle.truncate(_STAMP.size)
        return mmap.mmap(handle.fileno(), _STAMP.size)
