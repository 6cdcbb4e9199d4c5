"""Requests that arrive at the same moment are scored together, and none of them notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

import pytest

from serving.api.described import score_leads
from serving.api.lane import Plain, read_score
from serving.api.live import Live
from serving.api.together import Together
from tests.serving.api.conftest import AS_OF, NOW, Site
from tests.serving.api.small_model import histories
from tests.serving.api.test_score import described

LEADS = [described(lead) | {"ref": str(at)} for at, lead in enumerate(histories(70, seed=21))]
LATE = {"activities": [{"occurred_at": "2027-01-01T00:00:00Z", "kind": "email", "direction": "inbound"}]}


@pytest.fixture
def live(site: Site) -> Live:
    state = site.state()
    state.source.refresh()
    return state.live


def plain(lead: dict[str, Any]) -> Plain:
    found = read_score(json.dumps({"lead": lead}).encode())
    assert found is not None
    return found


def told(live: Live, asks: Callable[[Together], Awaitable[Any]], score: Any = score_leads) -> Any:
    async def run() -> Any:
        return await asks(Together(lambda: live, lambda: NOW, score=score))

    return asyncio.run(run())


def test_many_together_get_what_each_gets_alone(live: Live) -> None:
    sizes: list[int] = []

    def counting(leads: Any, as_of: date, live: Live) -> Any:
        sizes.append(len(leads))
        return score_leads(leads, as_of, live)

    asked = [(plain(lead), AS_OF - timedelta(days=at % 2)) for at, lead in enumerate(LEADS)]

    async def at_once(gatherer: Together) -> Any:
        return await asyncio.gather(*(gatherer.score(*one) for one in asked))

    async def alone(gatherer: Together) -> Any:
        return [await gatherer.score(*one) for one in asked]

    answers = told(live, at_once, counting)
    assert sizes == [32, 3, 32, 3]  # by date, and at most so many in one go
    assert answers == told(live, alone)
    assert [answer["ref"] for answer in answers] == [lead["ref"] for lead in LEADS]


def test_a_lead_that_is_not_plain_or_fails_is_no_matter_of_the_others(live: Live) -> None:
    def failing(leads: Any, as_of: date, live: Live) -> Any:
        if "poison" in leads.refs:
            raise ZeroDivisionError
        return score_leads(leads, as_of, live)

    async def at_once(gatherer: Together) -> Any:
        asked = (LEADS[0], LATE, LEADS[1], {"ref": "poison"}, LEADS[2])
        return await asyncio.gather(*(gatherer.score(plain(one), AS_OF) for one in asked), return_exceptions=True)

    first, late, second, poison, third = told(live, at_once, failing)
    assert [one["ref"] for one in (first, second, third)] == ["0", "1", "2"]
    assert late is None
    assert isinstance(poison, ZeroDivisionError)


def test_whoever_goes_away_leaves_the_others_their_answers(live: Live) -> None:
    async def one_goes(gatherer: Together) -> Any:
        tasks = [asyncio.create_task(gatherer.score(plain(lead), AS_OF)) for lead in LEADS[:3]]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, gone, last = told(live, one_goes)
    assert (first["ref"], last["ref"]) == ("0", "2")
    assert isinstance(gone, asyncio.CancelledError)
