"""Asks a store that may be away or hang: each question is bounded in time, and a store that is away is left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from contracts.errors import PassingError, RecoveryError

ANSWER_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 1.0
T = TypeVar("T")


class _Question(Generic[T]):
    """One question in a thread of its own, which the process does not wait for at its end."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self.answered = threading.Event()
        self.found: list[T] = []
        self.error: Exception | None = None
        threading.Thread(target=self._run, name="question", daemon=True).start()

    def _run(self) -> None:
        try:
            self.found.append(self._call())
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
            self.error = error
        finally:
            self.answered.set()


class Patience:
    """Bounded questions to one store.

    After a question that failed or was not answered in time nobody asks for a while; then one caller tries, while the
    others are refused at once.

    Args:
        answer_seconds: longest wait for an answer.
        pause_seconds: how long a store that is away is left alone.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        answer_seconds: float = ANSWER_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answer, self._pause, self._clock = answer_seconds, pause_seconds, clock
        self._again_at: float | None = None
        self._trying = threading.Lock()
        self._hanging: threading.Event | None = None

    @property
    def is_away(self) -> bool:
        """Whether the last question failed."""
        return self._again_at is not None

    def ask(self, call: Callable[[], T]) -> T:
        """The answer.

        Raises:
            PassingError: the store is away, or does not answer in time.
            Exception: what the call raised.
        """
        if self._again_at is None:
            return self._asked(call)
        if self._clock() < self._again_at or self._is_hanging() or not self._trying.acquire(blocking=False):
            raise away()
        try:
            return self._asked(call)
        finally:
            self._trying.release()

    def _is_hanging(self) -> bool:
        return self._hanging is not None and not self._hanging.is_set()

    def _asked(self, call: Callable[[], T]) -> T:
        question = _Question(call)
        if not question.answered.wait(self._answer):
            self._hanging = question.answered
            self._again_at = self._clock() + self._pause
            raise away()
        if question.error is not None:
            if isinstance(question.error, RecoveryError):
                self._again_at = self._clock() + self._pause
            raise question.error
        self._again_at = None
        return question.found[0]


def away() -> PassingError:
    """What a caller is told who has to wait for the ledger."""
    return PassingError(
        "The ledger does not answer.", where="ledger", remedy="Try again in a few seconds; known keys still work."
    )
