"""Is the process up, can it do its work, and what has it counted."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from contracts.errors import PassingError
from recovery.ledger.engine import reading
from serving.feedback import Feedback


def health_routes(feedback: Feedback) -> APIRouter:
    """`/healthz` answers while the process runs, `/readyz` when the ledger answers, `/metrics` for Prometheus."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: {"description": "the ledger does not answer"}})
    def ready(response: Response) -> dict[str, str]:
        """The ledger answers."""
        try:
            with reading(feedback.engine) as connection:
                connection.execute(sa.text("select 1 from touches limit 1")).all()
        except PassingError:
            response.status_code = 503
            return {"status": "the ledger does not answer"}
        return {"status": "ok"}

    @router.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        """Counters in Prometheus' text form."""
        return Response(generate_latest(feedback.figures.registry), media_type=CONTENT_TYPE_LATEST)

    return router
