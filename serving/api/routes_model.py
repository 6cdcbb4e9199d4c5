"""The model in use, drift, figures of the day, use of the keys, health."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from contracts.published import latest_date, read_manifest
from recovery.access.usage import read_usage
from serving.api.auth import Right
from serving.api.guard import admit, state_of
from serving.api.problems import ProblemError
from serving.api.schemas import ModelInfoOut

router: Final = APIRouter(tags=["model"])
_JSON: Final = "application/json"
_USAGE_DAYS: Final = 30


@router.get("/v1/model", response_model=ModelInfoOut)
async def model(request: Request) -> Response:
    """Which champion answers, since when, and what it was measured to be."""
    await admit(request, Right.MODEL, route="model")
    live = state_of(request).live
    if live.pointer is None:
        raise ProblemError(503, "no_model", "No model was promoted yet.")
    hidden = {"signature", "key_id", "path", "reliability"}
    facts = {k: v for k, v in live.pointer.model_dump(mode="json").items() if k not in hidden}
    scores = live.manifest.facts if live.manifest else {}
    answer = {**facts, "loaded_at": live.loaded_at.isoformat(), "as_of_date": str(live.as_of), "scores": scores}
    return Response(orjson.dumps({**answer, "faults": live.faults}), media_type=_JSON)


@router.get("/v1/drift", response_model=dict[str, Any])
async def drift(request: Request) -> Response:
    """Drift of the newest day's people against the champion's training reference."""
    await admit(request, Right.MODEL, route="drift")
    return Response(orjson.dumps(await asyncio.to_thread(_facts, request, "feature_drift")), media_type=_JSON)


@router.get("/v1/stats", response_model=dict[str, Any])
async def stats(request: Request) -> Response:
    """People scored on the newest day, dormant and unscored by reason; answers so far, and how many were slow."""
    await admit(request, Right.MODEL, route="stats")
    state = state_of(request)
    found = await asyncio.to_thread(_facts, request, "lead_scores")
    latency = await asyncio.to_thread(state.figures.latency)
    return Response(orjson.dumps({**found, "people": len(state.live.people), "latency": latency}), media_type=_JSON)


def _facts(request: Request, dataset: str) -> dict[str, Any]:
    published = state_of(request).published
    newest = latest_date(published, dataset)
    manifest = read_manifest(published, dataset=dataset, as_of=newest) if newest else None
    if manifest is None:
        raise ProblemError(
            503, "not_published", f"No {dataset} was published yet.", remedy="Run the day: `recovery run`."
        )
    return {"as_of_date": manifest.as_of_date.isoformat(), "rows": manifest.rows, **manifest.facts}


@router.get("/v1/usage", response_model=dict[str, Any])
async def usage(request: Request) -> Response:
    """Use of every key, day, route and outcome in the last 30 days."""
    await admit(request, Right.USAGE, route="usage")
    state = state_of(request)
    since = state.now().date() - timedelta(days=_USAGE_DAYS)
    rows = await asyncio.to_thread(read_usage, state.ledger, since=since)
    listed = [{name: getattr(row, name) for name in row.__slots__} for row in rows]
    return Response(orjson.dumps({"since": since.isoformat(), "usage": listed}), media_type=_JSON)


@router.get("/health/live", response_model=dict[str, str], tags=["health"])
async def alive() -> Response:
    """Whether the process answers."""
    return Response(b'{"status":"alive"}', media_type=_JSON)


@router.get("/health/ready", response_model=dict[str, Any], tags=["health"])
async def ready(request: Request) -> Response:
    """Whether known people and described leads can be answered, and what is degraded."""
    state = state_of(request)
    why = state.live.why_not_ready()
    answer = {
        "ready": why is None,
        "reason": why,
        "as_of_date": str(state.live.as_of),
        "faults": state.live.faults,
        "model": "rule scorecard: no model is in use" if state.live.model is None else "champion",
        "degraded": state.degraded(),
    }
    return Response(orjson.dumps(answer), 200 if why is None else 503, media_type=_JSON)


@router.get("/metrics", response_class=Response, tags=["health"])
async def metrics(request: Request) -> Response:
    """Figures for Prometheus, of all workers together."""
    state = state_of(request)
    state.tell_figures()
    return Response(state.figures.text(), media_type=CONTENT_TYPE_LATEST)
