"""The load generator counts what it got, and at a rate also the time in which a request had to wait."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import FastAPI, Request, Response

from bench.load import request_bytes, run_load
from tests.serving.api.processes import in_thread

SLOW_SECONDS = 0.05


@pytest.fixture(scope="module")
def app() -> FastAPI:
    made = FastAPI()

    @made.post("/slow")
    async def slow(request: Request) -> Response:
        await asyncio.sleep(SLOW_SECONDS)
        return Response(await request.body())

    @made.post("/broken")
    async def broken() -> Response:
        return Response(status_code=500)

    return made


def test_a_closed_load_is_bounded_by_its_connections(app: FastAPI) -> None:
    with in_thread(app) as base:
        url = f"{base}/slow"
        found = run_load(url, request_bytes(url, b"{}"), connections=4, seconds=1.0)
    assert found.errors == 0
    assert 4 <= found.rate <= 4 / SLOW_SECONDS
    assert found.quantile_ms(0.5) >= SLOW_SECONDS * 1e3


def test_a_load_at_a_rate_counts_the_wait_and_errors_are_no_answers(app: FastAPI) -> None:
    with in_thread(app) as base:
        url = f"{base}/slow"
        late = run_load(url, request_bytes(url, b"{}"), connections=1, seconds=1.0, per_second=60)
        url = f"{base}/broken"
        broken = run_load(url, request_bytes(url, b"{}"), connections=2, seconds=0.3)
    assert late.quantile_ms(1.0) > 3 * SLOW_SECONDS * 1e3
    assert broken.errors > 0
    assert broken.latencies == []
