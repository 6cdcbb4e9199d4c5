"""Scores of known people and described leads, one by one and in bulk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Final

import numpy as np
import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from serving.api import examples
from serving.api.auth import Principal, Right
from serving.api.described import score_leads
from serving.api.guard import MOST_BULK_BYTES, admit, read_body, state_of
from serving.api.known import answer_of, person_answer, row_of
from serving.api.live import Live
from serving.api.once import answer_once
from serving.api.parsing import parse, parse_large
from serving.api.people import NOBODY
from serving.api.problems import ProblemError
from serving.api.schemas import BulkRequest, LeadIn, ScoreOut, ScoreRequest, faults_of_time
from serving.api.state import ApiState

router: Final = APIRouter(prefix="/v1", tags=["scores"])
_JSON: Final = "application/json"
_LEADS_AT_ONCE: Final = 512
_PEOPLE_AT_ONCE: Final = 2_048


@router.post("/score", response_model=ScoreOut, openapi_extra=examples.body("ScoreRequest", examples.SCORE))
async def score(request: Request) -> Response:
    """Score a known person by id, or a lead described by its attributes and activities.

    A known person has the newest published score. A described lead is scored at once by the model in use, with the
    same features as at night. `Idempotency-Key` gives the same answer again for the same body.
    """
    principal = await admit(request, Right.SCORE, route="score")
    body = await read_body(request)
    if request.headers.get("idempotency-key") is None:
        asked = parse(ScoreRequest, body)
        if asked.person_id is not None:
            return Response(await person_answer(request, principal, asked.person_id), media_type=_JSON)
        return Response(_of_lead(request, asked), media_type=_JSON)
    return await answer_once(request, principal, body, lambda: _scored(request, principal, body), route="score")


def _scored(request: Request, principal: Principal, body: bytes) -> bytes:
    asked = parse(ScoreRequest, body)
    if asked.person_id is None:
        return _of_lead(request, asked)
    state = state_of(request)
    live = state.live
    row = row_of(live, principal, asked.person_id)
    state.told.refresh()
    return answer_of(state, live, row, asked.person_id)


def _of_lead(request: Request, asked: ScoreRequest) -> bytes:
    assert asked.lead is not None
    state = state_of(request)
    as_of = _as_of(request, asked.as_of_date)
    _refuse_bad_times(request, [asked.lead])
    answer = score_leads([asked.lead], as_of, state.live)[0]
    state.figures.items.labels("described").inc()
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


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
    lines = _lines(request, principal, live, asked, as_of)
    return StreamingResponse(lines, media_type="application/x-ndjson")


async def _lines(
    request: Request, principal: Principal, live: Live, asked: BulkRequest, as_of: date
) -> AsyncIterator[bytes]:
    state = state_of(request)
    figures = state.figures
    for at in range(0, len(asked.person_ids), _PEOPLE_AT_ONCE):
        some = asked.person_ids[at : at + _PEOPLE_AT_ONCE]
        yield await asyncio.to_thread(_people_lines, state, principal, live, some)
        figures.items.labels("published").inc(len(some))
    for at in range(0, len(asked.leads), _LEADS_AT_ONCE):
        leads = asked.leads[at : at + _LEADS_AT_ONCE]
        answers = await asyncio.to_thread(score_leads, leads, as_of, live)
        figures.items.labels("described").inc(len(leads))
        yield b"".join(orjson.dumps(one) + b"\n" for one in answers)


def _people_lines(state: ApiState, principal: Principal, live: Live, person_ids: list[str]) -> bytes:
    people = live.people
    rows = people.seen_by(people.find(person_ids), owner_id=principal.owner_id, team_id=principal.team_id)
    if not state.told.is_current:
        state.told.refresh()
    is_plain = not state.told.people and state.told.fault is None
    parts = []
    starts, ends = people.start[np.maximum(rows, 0)], people.start[np.minimum(rows + 1, len(people))]
    for person_id, row, start, end in zip(person_ids, rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
        if row == NOBODY:
            parts.append(orjson.dumps({"person_id": person_id, "error": "unknown_person"}))
        elif is_plain:
            parts.append(people.bodies[start:end].tobytes())
        else:
            parts.append(answer_of(state, live, row, person_id))
    return b"\n".join(parts) + b"\n"
