"""One known person: score, and everything that is published about it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from serving.api.auth import Right
from serving.api.examples import links
from serving.api.guard import admit, state_of
from serving.api.insights import insights_of
from serving.api.known import person_answer
from serving.api.schemas import InsightsOut, ScoreOut

router: Final = APIRouter(prefix="/v1/people", tags=["people"])
PersonPath = Annotated[str, Path(min_length=1, max_length=64, description="person_id of the engine")]


@router.get(
    "/{person_id}/score",
    response_model=ScoreOut,
    responses={200: {"links": links("$response.body#/person_id")}},
    operation_id="person_score",
)
async def person_score(request: Request, person_id: PersonPath) -> Response:
    """The newest score of a known person: as the day's run made it, or with what was told since."""
    principal = await admit(request, Right.SCORE, route="person_score")
    answer = await person_answer(request, principal, person_id)
    return Response(answer, media_type="application/json")


@router.get("/{person_id}/insights", response_model=InsightsOut, operation_id="person_insights")
async def person_insights(request: Request, person_id: PersonPath) -> Response:
    """Score, trend, chance of return and value, best channel and hour, contactability, recommended next step."""
    principal = await admit(request, Right.INSIGHT, route="person_insights")
    state = state_of(request)
    score = orjson.loads(await person_answer(request, principal, person_id))
    live = state.live
    found = await asyncio.to_thread(insights_of, state.published, score, live.as_of, live.pointer)
    return Response(orjson.dumps(found), media_type="application/json")
