"""Scores of known people and described leads, one by one and in bulk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

import numpy as np
import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from serving.api import examples
from serving.api.ahead import one_ahead
from serving.api.auth import Principal, Right
from serving.api.described import score_leads
from serving.api.direct import DirectRoute
from serving.api.doors import HeldResponse
from serving.api.guard import MOST_BULK_BYTES, admit, header_of, read_body, state_of
from serving.api.known import answer_of, person_answer, row_of
from serving.api.lane import Asked, read_bulk, read_score
from serving.api.leads import Leads, leads_of
from serving.api.live import Live
from serving.api.once import answer_once
from serving.api.parsing import parse, parse_large
from serving.api.people import NOBODY
from serving.api.problems import ProblemError
from serving.api.schemas import BulkRequest, LeadIn, ScoreOut, ScoreRequest, faults_of_time
from serving.api.state import ApiState

router: Final = APIRouter(prefix="/v1", tags=["scores"], route_class=DirectRoute)
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
    if header_of(request, b"idempotency-key") is None:
        plain = read_score(body)
        if plain is not None:
            state = state_of(request)
            answer = await state.together.score(plain, _as_of(request, plain.as_of))
            if answer is not None:
                return Response(_told(state, answer), media_type=_JSON)
        asked = parse(ScoreRequest, body)
        if asked.person_id is not None:
            return Response(await person_answer(request, principal, asked.person_id), media_type=_JSON)
        return Response(_of_lead(request, asked), media_type=_JSON)
    return await answer_once(
        request,
        principal,
        body,
        lambda: _scored(request, principal, body),
        route="score",
        may_see=lambda: _seen(request, principal, body),
    )


def _seen(request: Request, principal: Principal, body: bytes) -> None:
    asked = parse(ScoreRequest, body)
    if asked.person_id is not None:
        row_of(state_of(request).live, principal, asked.person_id)


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
    _refuse_bad_times([asked.lead], state_of(request).now())
    return _described(request, leads_of([asked.lead]), asked.as_of_date)


def _described(request: Request, leads: Leads, wanted: date | None) -> bytes:
    state = state_of(request)
    return _told(state, score_leads(leads, _as_of(request, wanted), state.live)[0])


def _told(state: ApiState, answer: dict[str, Any]) -> bytes:
    state.figures.items.labels("described").inc()
    return orjson.dumps(answer)


def _as_of(request: Request, wanted: date | None) -> date:
    today = state_of(request).now().date()
    if wanted is None:
        return today + timedelta(days=1)
    if wanted > today + timedelta(days=1):
        raise ProblemError(422, "bad_request", "as_of_date: lies after tomorrow, and nothing of then is known.")
    return wanted


def _refuse_bad_times(leads: Sequence[LeadIn], now: datetime) -> None:
    for place, lead in enumerate(leads):
        if fault := faults_of_time(lead, now):
            where = f"leads[{place}]." if len(leads) > 1 else ""
            raise ProblemError(422, "bad_request", f"{where}{fault}.")


@router.post(
    "/score/bulk",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "One JSON object per line, in order."}},
    openapi_extra=examples.body("BulkRequest", examples.BULK, is_once=False),
)
async def score_bulk(request: Request) -> StreamingResponse:
    """Score up to 10,000 known people and described leads; streamed as NDJSON, in the order of the request.

    People come first, then leads. Nobody known is a line `{"person_id": ..., "error": "unknown_person"}`.
    """
    principal = await admit(request, Right.SCORE, route="score_bulk")
    state = state_of(request)
    with ExitStack() as begun:
        begun.enter_context(state.bulk.place())
        body = await read_body(request, most=MOST_BULK_BYTES)
        asked = await asyncio.to_thread(_read_bulk, body, state.now())
        request.state.items = len(asked.person_ids) + sum(len(leads) for leads in asked.leads)
        as_of = _as_of(request, asked.as_of)
        place = begun.pop_all()  # the answer holds it from here on
    return HeldResponse(place, _lines(state, principal, asked, as_of), media_type="application/x-ndjson")


def _read_bulk(body: bytes, now: datetime) -> Asked:
    plain = read_bulk(body, now, at_once=_LEADS_AT_ONCE)
    if plain is not None:
        return plain
    asked = parse_large(BulkRequest, body)
    _refuse_bad_times(asked.leads, now)
    groups = [asked.leads[at : at + _LEADS_AT_ONCE] for at in range(0, len(asked.leads), _LEADS_AT_ONCE)]
    return Asked(asked.person_ids, [leads_of(group) for group in groups], asked.as_of_date)


async def _lines(state: ApiState, principal: Principal, asked: Asked, as_of: date) -> AsyncIterator[bytes]:
    live, items = state.live, state.figures.items
    for at in range(0, len(asked.person_ids), _PEOPLE_AT_ONCE):
        some = asked.person_ids[at : at + _PEOPLE_AT_ONCE]
        yield await asyncio.to_thread(_people_lines, state, principal, live, some)
    async for lines in one_ahead(partial(_lead_lines, leads, as_of, live) for leads in asked.leads):
        yield lines
    items.labels("described").inc(sum(len(leads) for leads in asked.leads))


def _lead_lines(leads: Leads, as_of: date, live: Live) -> bytes:
    return b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in score_leads(leads, as_of, live))


def _people_lines(state: ApiState, principal: Principal, live: Live, person_ids: Sequence[str]) -> bytes:
    people = live.people
    rows = people.seen_by(people.find(person_ids), owner_id=principal.owner_id, team_id=principal.team_id)
    if not state.told.is_current:
        state.told.refresh()
    is_plain = not state.told.people and state.told.fault is None
    parts: list[bytes] = []
    if is_plain:  # `answer_of` counts the others
        state.figures.items.labels("published").inc(int((rows != NOBODY).sum()))
    starts, ends = people.start[np.maximum(rows, 0)], people.start[np.minimum(rows + 1, len(people))]
    for person_id, row, start, end in zip(person_ids, rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
        if row == NOBODY:
            parts.append(orjson.dumps({"person_id": person_id, "error": "unknown_person"}))
        elif is_plain:
            parts.append(people.bodies[start:end].tobytes())
        else:
            parts.append(answer_of(state, live, row, person_id))
    return b"\n".join(parts) + b"\n"
