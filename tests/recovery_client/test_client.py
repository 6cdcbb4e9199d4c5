from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi.testclient import TestClient

from recovery_client import Activity, ApiError, Lead, RecoveryClient
from serving.api.app import create_app
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
        list(client.score_many())


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
