"""Answers about known people: as published, or scored again where something was told since."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import orjson
from fastapi import Request

from serving.api.auth import Principal
from serving.api.guard import state_of
from serving.api.live import Live
from serving.api.people import NOBODY, People
from serving.api.problems import ProblemError, unknown_person
from serving.api.rescoring import with_warning
from serving.api.state import ApiState


def row_of(live: Live, principal: Principal, person_id: str) -> int:
    """Row of a scored person whom the caller may see.

    Raises:
        ProblemError: 404 for somebody without a score, and in other words for nobody and for somebody whom the caller
            may not see; 503 before the first published day.
    """
    row, reason = place_of(live, principal, person_id)
    if reason is not None:
        raise ProblemError(404, "no_score", f"This person has no score on {live.as_of}: {_words(reason)}.")
    return row


def place_of(live: Live, principal: Principal, person_id: str) -> tuple[int, str | None]:
    """Row of a person whom the caller may see, or `NOBODY` and why a known person has no score.

    Raises:
        ProblemError: 404 for nobody and for somebody whom the caller may not see; 503 before the first published day.
    """
    if live.manifest is None:
        raise ProblemError(503, "no_scores", "No scores were published yet.", remedy="Run the day: `recovery run`.")
    # Both are searched for everybody, so that nobody's answer takes another time.
    row, other = (_row(people, principal, person_id) for people in (live.people, live.unscored))
    if row == NOBODY and other == NOBODY:
        raise unknown_person()
    return row, orjson.loads(live.unscored.body(other)) if row == NOBODY else None


def _row(people: People, principal: Principal, person_id: str) -> int:
    rows = people.seen_by(people.find([person_id]), owner_id=principal.owner_id, team_id=principal.team_id)
    return int(rows[0])


def _words(reason: str) -> str:
    return reason.replace("_", " ")


def answer_of(state: ApiState, live: Live, row: int, person_id: str) -> bytes:
    """JSON of a known person; `state.told` must be current."""
    told = state.told.people.get(person_id)
    if told:
        state.figures.items.labels("rescored").inc()
        answer = state.rescorer.answer(live, row, told, state.now().date() + timedelta(days=1))
    else:
        state.figures.items.labels("published").inc()
        answer = live.people.body(row)
    fault = state.told.fault
    return answer if fault is None else with_warning(answer, fault)


async def person_answer(request: Request, principal: Principal, person_id: str) -> bytes:
    """JSON of a known person whom the caller may see; see `row_of` for what it raises."""
    state = state_of(request)
    live = state.live
    row = row_of(live, principal, person_id)
    if not state.told.is_current:
        await asyncio.to_thread(state.told.refresh)
    if person_id in state.told.people:
        return await asyncio.to_thread(answer_of, state, live, row, person_id)
    return answer_of(state, live, row, person_id)
