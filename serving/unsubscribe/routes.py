"""One-click unsubscribe (RFC 8058): POST acts at once; GET shows a page and changes nothing, whoever fetches it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from contracts.errors import PassingError
from recovery.inbound.record import Landing, record_events, unsubscribe_event
from recovery.tokens import touch_of
from serving.feedback import Feedback
from serving.unsubscribe.page import PAGE_HEADERS, Moment, render_page

_ROUTE = "unsubscribe"


def unsubscribe_routes(feedback: Feedback) -> APIRouter:
    """`/u/{token}` and, for an address that carries the token as a parameter, `/u?t=` and `/unsubscribe?t=`.

    No cookie, no login, no redirect, no second step; the body is not needed, so every encoding of it is accepted.
    A link works for ever and more than once.
    """
    router = APIRouter(tags=["unsubscribe"])

    async def show(request: Request, token: str | None = None, t: str = "") -> HTMLResponse:
        """The page with the button; fetching it changes nothing (link scanners)."""
        known = _find(feedback, token or t) is not None
        return _answer(feedback, request, Moment.ASK if known else Moment.UNKNOWN)

    async def act(request: Request, token: str | None = None, t: str = "") -> HTMLResponse:
        """Unsubscribe; the ledger holds it before the answer leaves."""
        found = _find(feedback, token or t)
        if found is None:
            return _answer(feedback, request, Moment.UNKNOWN)
        try:
            with feedback.figures.seconds.labels(_ROUTE).time():
                is_written = await run_in_threadpool(_record, feedback, *found)
        except PassingError:
            return _answer(feedback, request, Moment.LATER)
        return _answer(feedback, request, Moment.DONE if is_written else Moment.LATER)

    for path in ("/u/{token}", "/u", "/unsubscribe"):
        router.add_api_route(path, show, methods=["GET", "HEAD"], response_class=HTMLResponse)
        router.add_api_route(path, act, methods=["POST"], response_class=HTMLResponse)
    return router


def _find(feedback: Feedback, token: str) -> tuple[str, str] | None:
    return touch_of(feedback.ring, token[:512], list_ids=feedback.sender_ids)


def _record(feedback: Feedback, touch_id: str, sender_id: str) -> bool:
    """Whether the ledger holds it; one that does not know the touch, as after a restore, cannot."""
    now = feedback.clock()
    recorded = record_events(
        feedback.engine,
        [unsubscribe_event(touch_id, now=now)],
        now=now,
        hash_address=feedback.hash_address,
        sender_id=sender_id,
    )
    for landing in recorded.landings:
        feedback.figures.events.labels("opt_out", landing.value).inc()
    return set(recorded.landings) <= {Landing.RECORDED, Landing.DUPLICATE}


def _answer(feedback: Feedback, request: Request, moment: Moment) -> HTMLResponse:
    feedback.figures.requests.labels(_ROUTE, moment.name.lower()).inc()
    page = render_page(moment, sender=feedback.sender_name, languages=request.headers.get("accept-language", ""))
    return HTMLResponse(page, status_code=moment.status, headers=PAGE_HEADERS)
