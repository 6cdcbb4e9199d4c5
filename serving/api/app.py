"""The application: routes, one frame around every request, and pages that need nothing from elsewhere."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI

from serving.api import routes_events, routes_model, routes_people, routes_score
from serving.api.docs_page import add_docs
from serving.api.frame import Frame, answer_errors
from serving.api.live import Watcher
from serving.api.schemas import BulkRequest, EventsRequest, LeadIn, ProblemOut, ScoreRequest
from serving.api.state import ApiState
from serving.api.told import POLL_SECONDS as TOLD_SECONDS

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
        "description": words,
    }
    for status, words in (
        (400, "no JSON"), (401, "no valid key"), (403, "the role may not"), (404, "unknown person"),
        (408, "the body did not arrive in time"), (409, "the same request is still at work"),
        (413, "too large"), (415, "not JSON"),
        (422, "breaks the schema"), (429, "too many requests"), (503, "not ready"),
    )
}  # fmt: skip


def create_app(state: ApiState) -> FastAPI:
    """The scoring API over a state; its watcher and meters live as long as the application."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # Apart: a ledger that hangs must not hold a promotion up.
        watchers = [
            Watcher(state.source.refresh, state.tell_figures),
            Watcher(state.told.refresh, state.housekeeper.look, every_seconds=TOLD_SECONDS, name="told"),
        ]
        state.source.refresh()
        state.told.refresh()
        state.tell_figures()
        # What lives as long as the process is not looked through again: a full collection holds all requests up.
        gc.collect()
        gc.freeze()
        for watcher in watchers:
            watcher.start()
        state.usage.start()
        try:
            yield
        finally:
            for watcher in watchers:
                watcher.stop()
            state.usage.stop()

    app = FastAPI(
        title="Lead Recovery Engine",
        version="1",
        description="Scores on demand: points, chance and reasons, identical to the nightly ones.",
        lifespan=lifespan,
        responses=_PROBLEMS,
        docs_url=None,
        redoc_url=None,
    )
    app.state.api = state
    for routes in (routes_score, routes_people, routes_events, routes_model):
        app.include_router(routes.router)
    app.add_middleware(Frame, state=state)
    answer_errors(app)
    _describe_bodies(app)
    add_docs(app)
    return app


def _describe_bodies(app: FastAPI) -> None:
    """Schemas of bodies that routes read themselves."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            known = schema.setdefault("components", {}).setdefault("schemas", {})
            for model in (ScoreRequest, BulkRequest, EventsRequest, LeadIn, ProblemOut):
                made = model.model_json_schema(ref_template="#/components/schemas/{model}")
                known.update(made.pop("$defs", {}))
                known[model.__name__] = made
            _add_security(schema)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _add_security(schema: dict[str, Any]) -> None:
    schema["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "API key or web token"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for path, methods in schema["paths"].items():
        if path.startswith("/v1/"):
            for operation in methods.values():
                operation["security"] = [{"bearer": []}, {"key": []}]
