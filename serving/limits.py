"""Limits and headers for every request, before any route sees it."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"x-frame-options", b"DENY"),
)


class BodyTooLargeError(Exception):
    """The body went over its limit while it was read."""


class Limits:
    """Refuses bodies over a limit, with and without a declared length, and sets headers of caution.

    Args:
        app: what comes behind.
        largest_bytes: of a body.
    """

    def __init__(self, app: ASGIApp, *, largest_bytes: int) -> None:
        self._app, self._largest = app, largest_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        has_answered = False
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._largest:
                raise BodyTooLargeError
            return message

        async def guarded(message: Message) -> None:
            nonlocal has_answered
            if message["type"] == "http.response.start":
                has_answered = True
                message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
            await send(message)

        try:
            if not declared.isdigit() or int(declared) > self._largest:
                raise BodyTooLargeError
            await self._app(scope, counted, guarded)
        except BodyTooLargeError:
            if has_answered:
                raise
            await _refuse(guarded)


async def _refuse(send: Send) -> None:
    body = b'{"error":"too_large"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
               (b"connection", b"close")]  # fmt: skip
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
