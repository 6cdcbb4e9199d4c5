"""Independent fits side by side. Each has one thread of its own, so results do not depend on how many run at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

T = TypeVar("T")
MOST_WORKERS: Final = 2  # each holds a matrix of its own


@contextmanager
def bounded(threads: int) -> Iterator[None]:
    """Limits native thread pools; a fit whose budget ends before its optimum says nothing, that is its recipe."""
    with threadpool_limits(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def side_by_side(calls: Sequence[Callable[[], T]], threads: int) -> list[T]:
    """Results of calls in their order; at most `MOST_WORKERS` run at once, each with its native `threads`.

    Raises:
        Exception: of the first call that fails.
    """

    def alone(call: Callable[[], T]) -> T:
        # OpenMP counts its threads per calling thread: a limit set outside does not hold in here.
        with threadpool_limits(threads, user_api="openmp"):
            return call()

    workers = min(MOST_WORKERS, len(calls), os.cpu_count() or 1)
    if workers < 2:
        return [call() for call in calls]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(alone, calls))
