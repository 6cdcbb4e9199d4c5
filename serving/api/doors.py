"""So many at once: who comes when all places are taken is told to come back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from serving.api.problems import ProblemError

MOST_BULK: Final = 8  # each may hold 32 MiB and what is made of it


class Doors:
    """Places of one process; used by its event loop alone.

    Args:
        most: places.
    """

    def __init__(self, most: int = MOST_BULK) -> None:
        self._most = most
        self.taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place, for as long as the block lasts.

        Raises:
            ProblemError: 503 when none is left.
        """
        if self.taken >= self._most:
            raise ProblemError(
                503, "busy", f"{self._most} bulk requests are at work.", remedy="Try again in a second.",
                headers={"Retry-After": "1"},
            )  # fmt: skip
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


class HeldResponse(StreamingResponse):
    """A stream that gives its place back when it ends, breaks off or never begins.

    Args:
        place: given back at the end.
        lines: the stream.
        media_type: of it.
    """

    def __init__(self, place: ExitStack, lines: AsyncIterator[bytes], *, media_type: str) -> None:
        super().__init__(lines, media_type=media_type)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._place:
            await super().__call__(scope, receive, send)
