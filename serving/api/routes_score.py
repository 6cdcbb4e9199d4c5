"""Scores of known people and described leads, one by one and in bulk."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from recovery.access.answers import Claim, claim_answer, keep_answer, release_answer
from serving.api import examples
from serving.api.auth import Principal, Right
from serving.api.described import score_leads
from serving.api.guard import MOST_BULK_BYTES, admit, read_body, state_of
from serving.api.live import Live
from serving.api.parsing import parse, parse_large
from serving.api.people import NOBODY
from serving.api.problems import ProblemError, unknown_person
from serving.api.schemas import BulkRequest, LeadIn, ScoreOut, ScoreRequest, faults_of_time, naive

router: Final = APIRouter(prefix="/v1", tags=["scores"])
_JSON: Final = "application/json"
_LEADS_AT_ONCE: Final = 512
_PEOPLE_AT_ONCE: Final = 2_048
_MOST_KEY: Final = 255


@router.post("/score", response_model=ScoreOut, openapi_extra=examples.body("ScoreRequest", examples.SCORE))
async def score(request: Request) -> Response:
    """Score a known person by id, or a lead described by its attributes and activities.

    A known person has the newest published score. A described lead is scored at once by the model in use, with the
    same features as at night. `Idempotency-Key` gives the same answer again for the same body.
    """
    principal = await admit(request, Right.SCORE, route="score")
    body = await read_body(request)
    given = request.headers.get("idempotency-key")
    if given is None:
        return Response(_scored(request, principal, body), media_type=_JSON)
    return await asyncio.to_thread(_once, request, principal, body, given)


def _once(request: Request, principal: Principal, body: bytes, given: str) -> Response:
    """The answer of an idempotency key: the first one again for the same body, a conflict for another."""
    state = state_of(request)
    if not 0 < len(given) <= _MOST_KEY:
        raise ProblemError(400, "bad_idempotency_key", f"Idempotency-Key has between 1 and {_MOST_KEY} characters.")
    own = {"key_id": principal.key_id, "idempotency_key": given}
    digest = hashlib.sha256(body).hexdigest()
    claimed = claim_answer(state.ledger, **own, route="score", body_sha256=digest, now=naive(state.now()))
    if claimed.claim is Claim.CONFLICT:
        raise ProblemError(422, "idempotency_conflict", "This Idempotency-Key was used with another request.")
    if claimed.claim is Claim.IN_PROGRESS:
        raise ProblemError(409, "in_progress", "The first request with this Idempotency-Key is still at work.")
    if claimed.claim is Claim.REPEATED:
        headers = {"Idempotent-Replayed": "true"}
        return Response(claimed.answer.encode(), claimed.status, headers, _JSON)
    try:
        answer = _scored(request, principal, body)
    except BaseException:
        release_answer(state.ledger, **own)
        raise
    keep_answer(state.ledger, **own, status=200, answer=answer.decode())
    return Response(answer, media_type=_JSON)


def _scored(request: Request, principal: Principal, body: bytes) -> bytes:
    state = state_of(request)
    asked = parse(ScoreRequest, body)
    live = state.live
    if asked.person_id is not None:
        return person_answer(request, principal, live, asked.person_id)
    assert asked.lead is not None
    as_of = _as_of(request, asked.as_of_date)
    _refuse_bad_times(request, [asked.lead])
    answer = _described(live, [asked.lead], as_of)[0]
    state.figures.items.labels("described").inc()
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def person_answer(request: Request, principal: Principal, live: Live, person_id: str) -> bytes:
    """JSON of a known person.

    Raises:
        ProblemError: 404 for nobody and for somebody whom the caller may not see; 503 before the first published day.
    """
    if live.manifest is None:
        raise ProblemError(503, "no_scores", "No scores were published yet.", remedy="Run the day: `recovery run`.")
    rows = live.people.seen_by(live.people.find([person_id]), owner_id=principal.owner_id, team_id=principal.team_id)
    if rows[0] == NOBODY:
        raise unknown_person()
    state_of(request).figures.items.labels("published").inc()
    return live.people.body(int(rows[0]))


def _as_of(request: Request, wanted: date | None) -> date:
    today = state_of(request).now().date()
    if wanted is None:
        return today + timedelta(days=1)
    if wanted > today + timedelta(days=1):
        raise ProblemError(422, "bad_request", "as_of_date: lies after tomorrow, and nothing of then is known.")
    return wanted


def _refuse_bad_times(request: Request, leads: list[LeadIn]) -> None:
    now = state_of(request).now()
    for place, lead in enumerate(leads):
        if fault := faults_of_time(lead, now):
            where = f"leads[{place}]." if len(leads) > 1 else ""
            raise ProblemError(422, "bad_request", f"{where}{fault}.")


def _described(live: Live, leads: list[LeadIn], as_of: date) -> list[dict[str, Any]]:
    if live.model is None or live.pointer is None:
        raise ProblemError(
            503,
            "no_model",
            f"Described leads cannot be scored: {live.why_not_ready()}",
            remedy="Known people can; `recovery status` says what the model waits for.",
        )
    return score_leads(leads, as_of, model=live.model, pointer=live.pointer, people=live.people)


@router.post(
    "/score/bulk",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "One JSON object per line, in order."}},
    openapi_extra=examples.body("BulkRequest", examples.BULK),
)
async def score_bulk(request: Request) -> StreamingResponse:
    """Score up to 10,000 known people and described leads; streamed as NDJSON, in the order of the request.

    People come first, then leads. Nobody known is a line `{"person_id": ..., "error": "unknown_person"}`.
    """
    principal = await admit(request, Right.SCORE, route="score_bulk")
    body = await read_body(request, most=MOST_BULK_BYTES)
    asked = await asyncio.to_thread(parse_large, BulkRequest, body)
    live = state_of(request).live
    request.state.items = len(asked.person_ids) + len(asked.leads)
    as_of = _as_of(request, asked.as_of_date)
    _refuse_bad_times(request, asked.leads)
    if asked.leads and live.model is None:
        _described(live, [], as_of)
    lines = _lines(request, principal, live, asked, as_of)
    return StreamingResponse(lines, media_type="application/x-ndjson")


async def _lines(
    request: Request, principal: Principal, live: Live, asked: BulkRequest, as_of: date
) -> AsyncIterator[bytes]:
    figures = state_of(request).figures
    for at in range(0, len(asked.person_ids), _PEOPLE_AT_ONCE):
        some = asked.person_ids[at : at + _PEOPLE_AT_ONCE]
        yield await asyncio.to_thread(_people_lines, principal, live, some)
        figures.items.labels("published").inc(len(some))
    for at in range(0, len(asked.leads), _LEADS_AT_ONCE):
        leads = asked.leads[at : at + _LEADS_AT_ONCE]
        answers = await asyncio.to_thread(_described, live, leads, as_of)
        figures.items.labels("described").inc(len(leads))
        yield b"".join(orjson.dumps(one) + b"\n" for one in answers)


def _people_lines(principal: Principal, live: Live, person_ids: list[str]) -> bytes:
    people = live.people
    rows = people.seen_by(people.find(person_ids), owner_id=principal.owner_id, team_id=principal.team_id)
    parts = []
    starts, ends = people.start[np.maximum(rows, 0)], people.start[np.minimum(rows + 1, len(people))]
    for person_id, row, start, end in zip(person_ids, rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
        if row == NOBODY:
            parts.append(orjson.dumps({"person_id": person_id, "error": "unknown_person"}))
        else:
            parts.append(people.bodies[start:end].tobytes())
    return b"\n".join(parts) + b"\n"
