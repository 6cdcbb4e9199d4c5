"""New activities of known people: stored once, before the answer, which is the new score."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from recovery.access.activities import ToldActivity, store_activities
from serving.api import examples
from serving.api.auth import Principal, Right
from serving.api.examples import links
from serving.api.guard import admit, read_body, state_of
from serving.api.known import answer_of, place_of
from serving.api.once import answer_once
from serving.api.parsing import parse
from serving.api.problems import ProblemError
from serving.api.schemas import EventIn, EventsOut, EventsRequest, naive

router: Final = APIRouter(prefix="/v1", tags=["events"])
_GRACE: Final = timedelta(minutes=5)  # clocks differ


@router.post(
    "/events",
    response_model=EventsOut,
    responses={200: {"links": links("$response.body#/score/person_id")}},
    openapi_extra=examples.body("EventsRequest", examples.EVENTS),
)
async def events(request: Request) -> Response:
    """Tell new activities of a known person; the answer is the new score.

    Somebody who is known and has no score, because they are not dormant or may not be scored, has none after it
    either: the answer says why, and the next daily run knows of the activities.

    They are stored before the answer, all or none, and each once: an event with the same `event_id`, or without one
    with the same content, changes nothing. The next daily run knows of them. Refusals go to the feedback webhook.
    """
    principal = await admit(request, Right.EVENTS, route="events")
    body = await read_body(request)
    return await answer_once(
        request,
        principal,
        body,
        lambda: _told(request, principal, body),
        route="events",
        may_see=lambda: place_of(state_of(request).live, principal, parse(EventsRequest, body).person_id),
    )


def _told(request: Request, principal: Principal, body: bytes) -> bytes:
    state = state_of(request)
    asked = parse(EventsRequest, body)
    live = state.live
    row, unscored = place_of(live, principal, asked.person_id)
    now = state.now()
    for place, one in enumerate(asked.activities):
        if one.occurred_at > now + _GRACE:
            raise ProblemError(422, "bad_request", f"activities[{place}] lies in the future.")
    activities = [
        ToldActivity(
            _id(asked.person_id, one), asked.person_id, principal.key_id, naive(one.occurred_at), naive(now),
            one.kind.value, one.direction.value, one.who.value, one.outcome_level, one.reply_class, one.is_machine,
        )
        for one in asked.activities
    ]  # fmt: skip
    stored = store_activities(state.ledger, activities)
    if stored.conflicts:
        raise ProblemError(422, "event_conflict", f"{len(stored.conflicts)} event_id were told with another content.")
    if stored.new:
        state.told.announce()
    state.told.refresh()
    answer: dict[str, Any] = {"new": stored.new, "repeated": len(activities) - stored.new}
    if unscored is None:
        score = orjson.Fragment(answer_of(state, live, row, asked.person_id))
        return orjson.dumps(answer | {"score": score, "unscored_reason": None})
    return orjson.dumps(answer | {"score": None, "unscored_reason": unscored})


def _id(person_id: str, one: EventIn) -> str:
    told = one.event_id
    if told is None:  # however it is written: the offset of a moment, the order of fields and defaults say nothing
        said = (one.kind, one.direction, one.who, one.outcome_level, one.reply_class, one.is_machine)
        told = "\x1f".join((naive(one.occurred_at).isoformat(), *map(str, said)))
    return hashlib.sha256(f"{person_id}\0{told}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
