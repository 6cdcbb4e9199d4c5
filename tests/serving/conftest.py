"""The feedback application on a fresh ledger, asked without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from recovery.ledger.engine import make_engine
from recovery.tokens import key_of
from serving.app import feedback_app
from serving.feedback import Feedback
from tests.ledgers import LedgerTemplates, ledger_templates
from tests.recovery.inbound.ledger_world import ADDRESSES, NOW, seed

__all__ = ["ledger_templates"]

KEY, RETIRED = key_of(b"k" * 32), key_of(b"r" * 32)
SECRET, NEXT_SECRET = "whsec_" + "A" * 32, "whsec_" + "B" * 32


@dataclass
class Ground:
    """The running application and what it stands on."""

    client: httpx.Client
    engine: sa.Engine
    feedback: Feedback
    now: list[datetime]


class InProcess(httpx.BaseTransport):
    """Asks an application in this process; one event loop a request, as many as a test likes."""

    def __init__(self, app: FastAPI) -> None:
        self._inner = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def ask() -> httpx.Response:
            asked = httpx.Request(request.method, request.url, headers=request.headers, content=_later(request.stream))
            answer = await self._inner.handle_async_request(asked)
            body = await answer.aread()
            return httpx.Response(answer.status_code, headers=answer.headers, content=body)

        return asyncio.run(ask())


async def _later(stream: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in stream:
        yield piece


@pytest.fixture
def ground(tmp_path: Path, ledger_templates: LedgerTemplates) -> Iterator[Ground]:
    engine = make_engine(ledger_templates.fresh("sqlite", tmp_path))
    seed(engine, range(10))
    now = [NOW]
    feedback = Feedback(
        engine=engine,
        ring=(KEY, RETIRED),
        sender_ids=("main", "second"),
        sender_name="Ärzte & <Co>",
        webhook_secrets={"generic": (SECRET, NEXT_SECRET), "esp": (SECRET,)},
        hash_address=ADDRESSES.hash,
        clock=lambda: now[0],
    )
    with httpx.Client(transport=InProcess(feedback_app(feedback)), base_url="https://feedback.test") as client:
        yield Ground(client, engine, feedback, now)
    engine.dispose()
