"""What stands before every route: size and depth of the body, who asks, what they may do, and how often."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect, Request

from serving.api.auth import Principal, Right, credential
from serving.api.limits import MemoryLimiter
from serving.api.problems import ProblemError

if TYPE_CHECKING:
    from serving.api.state import ApiState

MOST_BYTES: Final = 1 << 20
MOST_BULK_BYTES: Final = 32 << 20
BODY_SECONDS: Final = 20.0
_HEADERS: Final = "recovery.headers"
_FAILED_PER_MINUTE: Final = 60  # wrong credentials from one address


def header_of(request: Request, name: bytes) -> str | None:
    """A header field by its name in lower case; of several the first.

    The framework looks each one up by a walk over all; here one walk serves them all.
    """
    scope = request.scope
    known: dict[bytes, bytes] | None = scope.get(_HEADERS)
    if known is None:
        known = scope[_HEADERS] = dict(reversed(scope["headers"]))
    value = known.get(name)
    return None if value is None else value.decode("latin-1")


def state_of(request: Request) -> ApiState:
    """What the application holds."""
    state: ApiState = request.app.state.api
    return state


async def admit(request: Request, right: Right, *, route: str) -> Principal:
    """Who asks, once it is clear that they may, and not too often.

    Raises:
        ProblemError: 401, 403 or 429.
    """
    state = state_of(request)
    request.state.route = route
    try:
        token = credential(header_of(request, b"authorization"), header_of(request, b"x-api-key"))
        principal = state.authenticator.recall(token)
        if principal is None:
            # Not looked up: guessing costs nothing more. A key that was right lately is asked for all the same.
            if state.failures.is_spent(_address(request), _FAILED_PER_MINUTE) and not state.authenticator.has_seen(
                token
            ):
                raise _too_many_failures()
            principal = await asyncio.to_thread(state.authenticator.verify, token)
    except ProblemError as error:
        if error.status == 401 and not state.failures.take(_address(request), _FAILED_PER_MINUTE).allowed:
            raise _too_many_failures() from None
        raise
    request.state.principal = principal
    limiter = state.limiter
    if isinstance(limiter, MemoryLimiter):
        allowance = limiter.take(principal.key_id, principal.per_minute)
    else:  # Redis may hang for a while
        allowance = await asyncio.to_thread(limiter.take, principal.key_id, principal.per_minute)
    request.state.limit_headers = allowance.headers(state.limiter.window_seconds)
    if not allowance.allowed:
        raise ProblemError(
            429,
            "too_many_requests",
            f"More than {allowance.limit} requests in {state.limiter.window_seconds:.0f} seconds.",
            remedy="Wait for the seconds in Retry-After, or use /v1/score/bulk.",
        )
    if not principal.may(right):
        raise ProblemError(403, "not_allowed", f"The role {principal.role.value} may not do this.")
    return principal


def _address(request: Request) -> str:
    address = request.client.host if request.client else "unknown"
    return f"failed:{hashlib.sha256(address.encode()).hexdigest()[:16]}"


def _too_many_failures() -> ProblemError:
    return ProblemError(
        429, "too_many_failures", "Too many wrong credentials from this address.", headers={"Retry-After": "60"}
    )


async def read_body(request: Request, *, most: int = MOST_BYTES) -> bytes:
    """The body, bounded in size and time; depth is bounded by the parser.

    Raises:
        ProblemError: 400, 408, 413 or 415.
    """
    kind = (header_of(request, b"content-type") or "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ProblemError(415, "not_json", "The body must be application/json.")
    told = header_of(request, b"content-length") or ""
    if told.isdigit() and int(told) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _collect(request, most)
    except TimeoutError:
        raise ProblemError(408, "too_slow", f"The body did not arrive within {BODY_SECONDS:.0f} seconds.") from None
    except ClientDisconnect:
        raise ProblemError(400, "cut_off", "The connection ended within the body.") from None


async def _collect(request: Request, most: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
    return b"".join(parts)


def _too_large(most: int) -> ProblemError:
    return ProblemError(
        413, "too_large", f"The body is larger than {most >> 10} KiB.", remedy="Send less in one request."
    )
