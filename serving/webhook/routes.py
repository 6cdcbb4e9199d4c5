"""The event webhook: verified, bounded, once, and in the ledger before the 2xx."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from contracts.errors import PassingError
from recovery.inbound.events import FeedbackEvent
from recovery.inbound.payload import PayloadError, parse_payload
from recovery.inbound.record import Landing, Nonce, Recorded, record_events
from recovery.inbound.replies import understood
from serving.feedback import Feedback
from serving.webhook.signature import SignatureError, verified_id

_ROUTE: Final = "events"
_GOOD: Final = (Landing.RECORDED, Landing.DUPLICATE)
# A body that may be read but not used; everything else that is wrong with it is 400.
_STATUS: Final = {"too_large": 413, "not_an_event": 422}


def webhook_routes(feedback: Feedback) -> APIRouter:
    """`POST /webhooks/events` and `POST /webhooks/events/{provider}`, each provider with secrets of its own.

    200: all of it is in the ledger, now or before. 400, 413, 422: it cannot be used. 401: not signed by the provider or
    too old. 404: no such provider. 503: the ledger does not answer; send it again. Where some events of a body name
    nothing that is known here, the others are kept and the answer is 422 with the positions of those that were not.
    """
    router = APIRouter(tags=["webhook"])

    async def receive(request: Request, provider: str = "generic") -> JSONResponse:
        """Take events of one provider."""
        secrets = feedback.webhook_secrets.get(provider)
        if not secrets:
            return _told(feedback, 404, "unknown_provider")
        body = await request.body()
        try:
            message_id = verified_id(request.headers, body, secrets=secrets, now=feedback.clock())
            events = parse_payload(body, provider=provider)
        except SignatureError as error:
            return _told(feedback, 401, error.code, shown="not_verified")
        except PayloadError as error:
            return _told(feedback, _STATUS.get(error.code, 400), error.code)
        try:
            with feedback.figures.seconds.labels(_ROUTE).time():
                recorded = await run_in_threadpool(_record, feedback, events, Nonce(provider, message_id))
        except PassingError:
            return _told(feedback, 503, "ledger_unavailable")
        return _summary(feedback, events, recorded)

    router.add_api_route("/webhooks/events", receive, methods=["POST"])
    router.add_api_route("/webhooks/events/{provider}", receive, methods=["POST"])
    return router


def _record(feedback: Feedback, events: tuple[FeedbackEvent, ...], nonce: Nonce) -> Recorded:
    now = feedback.clock()
    return record_events(
        feedback.engine,
        [understood(event, now=now) for event in events],
        now=now,
        hash_address=feedback.hash_address,
        sender_id=feedback.sender_ids[0],
        nonce=nonce,
    )


def _summary(feedback: Feedback, events: tuple[FeedbackEvent, ...], recorded: Recorded) -> JSONResponse:
    for event, landing in zip(events, recorded.landings, strict=True):
        feedback.figures.events.labels(event.kind.value, landing.value).inc()
    refused = [
        {"position": position, "error": landing.value}
        for position, landing in enumerate(recorded.landings)
        if landing not in _GOOD
    ]
    content: dict[str, Any] = {"recorded": recorded.counts["recorded"], "duplicates": recorded.counts["duplicate"]}
    if not refused:
        feedback.figures.requests.labels(_ROUTE, "replay" if recorded.is_replay else "ok").inc()
        return JSONResponse(content)
    feedback.figures.requests.labels(_ROUTE, "unknown_ids").inc()
    return JSONResponse({"error": "unknown_ids", "refused": refused, **content}, status_code=422)


def _told(feedback: Feedback, status: int, code: str, *, shown: str = "") -> JSONResponse:
    feedback.figures.requests.labels(_ROUTE, code).inc()
    headers = {"Retry-After": "5"} if status == 503 else {}
    return JSONResponse({"error": shown or code}, status_code=status, headers=headers)
