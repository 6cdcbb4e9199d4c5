"""Kept answers of idempotency keys go once they are too old, whether anybody asks or not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from contracts.errors import RecoveryError

EVERY_SECONDS: Final = 3_600.0
_log = logging.getLogger("recovery.api")


class Housekeeper:
    """Forgets at the start and then every hour.

    Args:
        forget: deletes what is too old; returns how many.
        clock: monotonic seconds.
    """

    def __init__(self, forget: Callable[[], int], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._forget, self._clock = forget, clock
        self._due = float("-inf")

    def look(self) -> None:
        """Forget when it is time; a ledger that does not answer is asked again at the next look."""
        if self._clock() < self._due:
            return
        try:
            self._forget()
        except RecoveryError as error:
            _log.warning("old answers are kept: %s", error.what)
            return
        self._due = self._clock() + EVERY_SECONDS
