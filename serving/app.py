"""The application: routes put together, nothing else. The scoring API is mounted beside them."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from recovery.inbound.payload import LARGEST_BYTES
from serving.feedback import Feedback
from serving.health import health_routes
from serving.limits import Limits
from serving.unsubscribe.routes import unsubscribe_routes
from serving.webhook.routes import webhook_routes

TITLE: Final = "Lead Recovery Engine: feedback"


def feedback_app(feedback: Feedback) -> FastAPI:
    """Unsubscribe page, event webhook and health; no cookies, no sessions, no external resources.

    Args:
        feedback: ledger, keys and clock.
    """
    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.include_router(unsubscribe_routes(feedback))
    app.include_router(webhook_routes(feedback))
    app.include_router(health_routes(feedback))
    app.add_middleware(Limits, largest_bytes=LARGEST_BYTES)
    return app
