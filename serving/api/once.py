"""Idempotency keys: the same key and body get the first answer again, another body a conflict."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

from fastapi import Request
from starlette.responses import Response

from recovery.access.answers import Claim, claim_answer, keep_answer, release_answer
from serving.api.auth import Principal
from serving.api.guard import header_of, state_of
from serving.api.problems import ProblemError
from serving.api.schemas import naive
from serving.api.state import ApiState

_JSON: Final = "application/json"
_MOST_KEY: Final = 255


async def answer_once(
    request: Request,
    principal: Principal,
    body: bytes,
    make: Callable[[], bytes],
    *,
    route: str,
    may_see: Callable[[], object],
) -> Response:
    """Make an answer in a thread; where the request carries an idempotency key, once for that key and body.

    Args:
        request: its key is read from the header fields.
        principal: who asks; another role, owner or team of the same subject is somebody else.
        body: as it was sent.
        make: the answer.
        route: of the request; another one with the same key is a conflict.
        may_see: raises where the caller may not see today what the first answer told.
    """
    given = header_of(request, b"idempotency-key")
    if given is None:
        return Response(await asyncio.to_thread(make), media_type=_JSON)
    if not 0 < len(given) <= _MOST_KEY:
        raise ProblemError(400, "bad_idempotency_key", f"Idempotency-Key has between 1 and {_MOST_KEY} characters.")
    own = {"key_id": _caller(principal), "idempotency_key": given}
    return await asyncio.to_thread(_once, state_of(request), own, body, make, route, may_see)


def _caller(principal: Principal) -> str:
    scope = "\0".join((principal.role.value, principal.owner_id or "", principal.team_id or ""))
    return f"{principal.key_id}-{hashlib.sha256(scope.encode()).hexdigest()[:12]}"


def _once(
    state: ApiState,
    own: dict[str, str],
    body: bytes,
    make: Callable[[], bytes],
    route: str,
    may_see: Callable[[], object],
) -> Response:
    digest = hashlib.sha256(body).hexdigest()
    claimed = claim_answer(state.ledger, **own, route=route, body_sha256=digest, now=naive(state.now()))
    if claimed.claim is Claim.CONFLICT:
        raise ProblemError(422, "idempotency_conflict", "This Idempotency-Key was used with another request.")
    if claimed.claim is Claim.IN_PROGRESS:
        raise ProblemError(409, "in_progress", "The first request with this Idempotency-Key is still at work.")
    if claimed.claim is Claim.REPEATED:
        may_see()
        headers = {"Idempotent-Replayed": "true"}
        return Response(claimed.answer.encode(), claimed.status, headers, _JSON)
    try:
        answer = make()
    except BaseException:
        release_answer(state.ledger, **own)
        raise
    keep_answer(state.ledger, **own, status=200, answer=answer.decode())
    return Response(answer, media_type=_JSON)
