from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi.testclient import TestClient

from recovery_client import Activity, ApiError, Event, Lead, RecoveryClient
from serving.api.app import create_app
from serving.api.schemas import EventIn
from tests.serving.api.conftest import PEOPLE, Site
from tests.serving.api.conftest import site as site

LEAD = Lead(
    activities=(Activity(datetime(2026, 1, 1, tzinfo=UTC), "form", "inbound", outcome_level=2),),
    attributes={"job_title": "CTO", "created_at": datetime(2025, 1, 1, tzinfo=UTC)},
    ref="a",
)


@pytest.fixture
def client(site: Site) -> Iterator[RecoveryClient]:
    """The client over the real application."""
    with TestClient(create_app(site.state())) as inner:
        made = RecoveryClient("http://testserver", site.token(), transport=inner._transport)
        yield made
        made.close()


def test_it_asks_for_people_and_leads(client: RecoveryClient) -> None:
    person = client.score_person(PEOPLE[0])
    assert person.person_id == PEOPLE[0]
    lead = client.score_lead(LEAD)
    assert lead.ref == "a"
    assert len(lead.reasons) == 5
    found = list(client.score_many([PEOPLE[0], "nobody"], [LEAD]))
    assert found == [person, None, lead]
    assert client.model()["version"] == "1"
    assert client.insights(PEOPLE[0])["score"]["points"] == person.points


def test_a_refusal_is_an_error_with_its_code(client: RecoveryClient) -> None:
    with pytest.raises(ApiError) as caught:
        client.score_person("nobody")
    assert (caught.value.status, caught.value.code) == (404, "unknown_person")
    with pytest.raises(ApiError):
        list(client.score_many(["x"] * 10_001))
    assert list(client.score_many()) == []


@pytest.mark.parametrize("person", ["a/b", "../model", "?x=1", "#", "a b", "é"])
def test_an_id_is_a_part_of_the_path_whatever_it_holds(client: RecoveryClient, person: str) -> None:
    for ask in (client.score_person, client.insights):
        with pytest.raises(ApiError) as caught:
            ask(person)
        assert caught.value.status == 404
        assert caught.value.code in ("unknown_person", "no_such_route")


def test_events_are_told_once_and_answered_with_the_score(client: RecoveryClient) -> None:
    event = Event(datetime(2026, 5, 1, tzinfo=UTC), "click", "inbound", event_id="e1", outcome_level=1)
    first, again = client.tell(PEOPLE[0], [event]), client.tell(PEOPLE[0], [event])
    assert (first.new, first.repeated, again.new, again.repeated) == (1, 0, 0, 1)
    assert first.score is not None
    assert first.score.person_id == PEOPLE[0]
    assert first.unscored_reason is None


class Cut(httpx.SyncByteStream):
    """An answer that breaks after some bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        raise httpx.ReadError("the connection broke")


def test_a_stream_that_breaks_is_asked_for_the_rest(client: RecoveryClient) -> None:
    whole = list(client.score_many(PEOPLE[:4], [LEAD]))
    inner, asked = client._http._transport, list[int]()

    class Breaking(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            body = json.loads(request.read())
            asked.append(len(body["person_ids"]) + len(body["leads"]))
            if len(asked) == 1:
                raise httpx.ConnectError("away")
            answer = inner.handle_request(request)
            lines = answer.read().splitlines(keepends=True)
            if len(asked) == 4:
                return httpx.Response(200, content=b"".join(lines))
            return httpx.Response(200, stream=Cut(b"".join(lines[: len(asked)])))

    waits: list[float] = []
    key = client._http.headers["Authorization"].removeprefix("Bearer ")
    with RecoveryClient("http://testserver", key, transport=Breaking(), sleep=waits.append) as breaking:
        assert list(breaking.score_many(PEOPLE[:4], [LEAD])) == whole
    assert asked == [5, 5, 3]
    assert len(waits) == 2


def test_what_may_pass_is_tried_again_with_the_same_key() -> None:
    seen: list[str] = []
    waits: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Idempotency-Key"])
        if len(seen) < 3:
            return httpx.Response(503, headers={"Retry-After": "2"})
        raise httpx.ConnectError("away")

    client = RecoveryClient("http://x", "k", transport=httpx.MockTransport(answer), sleep=waits.append)
    with client, pytest.raises(ApiError, match="did not answer"):
        client.score_lead(LEAD)
    assert len(seen) == 4
    assert len(set(seen)) == 1
    assert waits[0] == pytest.approx(2, rel=0.21)


def test_a_time_without_offset_is_refused() -> None:
    naive = Activity(datetime(2026, 1, 1) + timedelta(days=1), "form", "inbound")
    with pytest.raises(ValueError, match="offset"):
        naive.to_json()


def test_an_event_has_the_fields_that_the_service_reads() -> None:
    assert {one.name for one in fields(Event)} == set(EventIn.model_fields)
