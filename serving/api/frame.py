"""The frame around every request: meters, headers of limits, and one clear answer for every error."""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.errors import PassingError, RecoveryError
from serving.api.problems import ProblemError
from serving.api.state import ApiState

_log = logging.getLogger("recovery.api")
_OUTCOMES: Final = {401: "refused", 403: "refused", 429: "limited"}
_SAFE: Final = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_NAMES: Final = {404: "no_such_route", 405: "method_not_allowed"}


class Frame:
    """ASGI middleware: adds headers to every answer and counts it.

    Args:
        app: the application within.
        state: holds the meters.
    """

    def __init__(self, app: ASGIApp, state: ApiState) -> None:
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        found: dict[str, Any] = scope.setdefault("state", {})
        status = 500

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                told = found.get("limit_headers", {})
                if degraded := self._state.degraded():
                    told = {**told, "Recovery-Degraded": "; ".join(degraded)}
                present = {name for name, _ in message["headers"]}
                more = [(_header(name), value.encode("latin-1")) for name, value in told.items()]
                message["headers"] += [one for one in (*_SAFE, *more) if one[0] not in present]
            await send(message)

        try:
            await self._app(scope, receive, framed)
        finally:
            self._count(found, status, time.perf_counter() - began)

    def _count(self, found: dict[str, Any], status: int, seconds: float) -> None:
        route = found.get("route", "other")
        self._state.figures.count(route, status, seconds)
        principal = found.get("principal")
        if principal is not None:
            outcome = _OUTCOMES.get(status, "ok" if status < 400 else "failed")
            self._state.usage.count(principal.key_id, route, outcome, found.get("items", 1))


@cache
def _header(name: str) -> bytes:
    """A name as it goes over the wire; there are few."""
    return name.lower().encode("latin-1")


def answer_errors(app: FastAPI) -> None:
    """Every error becomes problem details."""
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RecoveryError, _expected)
    app.add_exception_handler(RequestValidationError, _bad_path)
    app.add_exception_handler(HTTPException, _other)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return error.response()


async def _expected(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RecoveryError)
    if isinstance(error, PassingError):
        headers = {"Retry-After": "5"}
        return ProblemError(503, "busy", error.what, remedy=error.remedy, headers=headers).response()
    _log.error("a request failed: %s", error.what)
    return _failed()


async def _unexpected(_request: Request, error: Exception) -> Response:
    _log.error("a request failed: %s", type(error).__name__)
    return _failed()


def _failed() -> Response:
    return ProblemError(
        500, "failed", "The request cannot be answered.", remedy="The service's log says why."
    ).response()


async def _other(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _NAMES.get(error.status_code, "refused")
    return ProblemError(error.status_code, code, str(error.detail), headers=dict(error.headers or {})).response()


async def _bad_path(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return ProblemError(422, "bad_request", f"{field}: {first['msg']}").response()
