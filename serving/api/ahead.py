"""Work in threads, one piece ahead of what is being sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def one_ahead(calls: Iterable[Callable[[], T]]) -> AsyncIterator[T]:
    """Results of calls in their order, each made in a thread while the one before it is finished and sent.

    Raises:
        Exception: of the first call that fails; none is begun after it.
    """
    waiting: asyncio.Task[T] | None = None
    try:
        for call in calls:
            begun = asyncio.create_task(asyncio.to_thread(call))
            ready, waiting = waiting, begun
            if ready is not None:
                yield await ready
        if waiting is not None:
            ready, waiting = waiting, None
            yield await ready
    finally:
        if waiting is not None:
            waiting.cancel()
