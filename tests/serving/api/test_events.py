from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from models.feature_algebra import Activity, LeadHistory
from models.feature_batch import evaluate_leads
from recovery.access import Role
from recovery.access.activities import told_before, told_since
from recovery.ledger.schema_access import api_activities
from serving.api.app import create_app
from tests.serving.api.conftest import AS_OF, NOW, PEOPLE, Site
from tests.serving.api.small_model import histories, small_model

HISTORIES = histories(len(PEOPLE), seed=21)
PERSON = PEOPLE[4]
CLICK = {"occurred_at": "2026-06-01T09:00:00+00:00", "kind": "click", "direction": "inbound", "outcome_level": 1}
MAIL = {"occurred_at": "2026-06-01T09:30:00+02:00", "kind": "email", "direction": "outbound"}


@pytest.fixture(autouse=True)
def published(site: Site) -> None:
    site.publish_histories(HISTORIES)


@pytest.fixture
def other(site: Site) -> Iterator[TestClient]:
    """A second process over the same installation."""
    with TestClient(create_app(site.state()), raise_server_exceptions=False) as opened:
        opened.headers["Authorization"] = f"Bearer {site.token()}"
        yield opened


def tell(client: TestClient, person: str, *activities: dict[str, Any], **headers: str) -> Any:
    return client.post("/v1/events", json={"person_id": person, "activities": list(activities)}, headers=headers)


def chance(person: str, *news: Activity) -> float:
    """The chance of tomorrow, by the daily path."""
    at = PEOPLE.index(person)
    mates = [n for n in range(len(PEOPLE)) if n // 3 == at // 3 and n != at]
    colleagues = tuple(one for n in mates for one in HISTORIES[n].activities)
    lead: LeadHistory = replace(HISTORIES[at], activities=(*HISTORIES[at].activities, *news), colleagues=colleagues)
    return float(small_model().p(pd.DataFrame(evaluate_leads([lead], AS_OF + timedelta(days=1)).columns()))[0])


def test_a_told_activity_changes_the_score_at_once(client: TestClient, other: TestClient, site: Site) -> None:
    before = client.get(f"/v1/people/{PERSON}/score").json()
    assert before["origin"] == "published"
    answer = tell(client, PERSON, CLICK, MAIL)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["new"], told["repeated"]) == (2, 0)
    clicked, mailed = datetime(2026, 6, 1, 9), datetime(2026, 6, 1, 7, 30)
    stored = NOW.replace(tzinfo=None)
    expected = chance(
        PERSON,
        Activity(clicked, stored, "click", "inbound", "person", 1),
        Activity(mailed, stored, "email", "outbound", "rep"),
    )
    score = told["score"]
    assert abs(score["p"] - expected) < 1e-9
    assert score["origin"] == "rescored"
    assert score["as_of_date"] == "2026-06-02"
    assert score["model"] == {"name": "resurrection", "version": "1"}
    assert "not dormant" in score["warnings"][0]
    for asked in (client, other):
        assert asked.get(f"/v1/people/{PERSON}/score").json() == score
        assert asked.post("/v1/score", json={"person_id": PERSON}).json() == score
        lines = asked.post("/v1/score/bulk", json={"person_ids": [PEOPLE[3], PERSON]}).text.splitlines()
        assert [json.loads(line)["origin"] for line in lines] == ["published", "rescored"]
        assert json.loads(lines[1]) == score
    assert [one.person_id for one in told_since(site.engine, datetime(2026, 6, 1))] == [PERSON] * 2
    assert sorted(told_before(site.engine, datetime(2026, 6, 2))["kind"].to_pylist()) == ["click", "email"]
    assert told_before(site.engine, stored).num_rows == 0


def test_an_event_is_stored_once_however_often_it_is_told(client: TestClient, site: Site) -> None:
    named = CLICK | {"event_id": "e1"}
    first = tell(client, PERSON, named, **{"Idempotency-Key": "k1"}).json()
    again = tell(client, PERSON, named, **{"Idempotency-Key": "k1"})
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first
    for repeated in (tell(client, PERSON, named), tell(client, PERSON, named, named)):
        assert repeated.json()["new"] == 0
        assert repeated.json()["score"] == first["score"]
    assert tell(client, PERSON, CLICK, CLICK).json()["new"] == 1
    other = tell(client, PERSON, CLICK | {"event_id": "e1", "outcome_level": 2})
    assert other.status_code == 422
    assert other.json()["type"].endswith("event_conflict")
    both = tell(client, PERSON, CLICK | {"event_id": "e2"}, CLICK | {"event_id": "e2", "outcome_level": 2})
    assert both.status_code == 422
    with site.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(api_activities)).scalar_one() == 2


def test_a_new_model_and_a_new_day_are_followed(client: TestClient, site: Site, app_state: Any) -> None:
    first = tell(client, PERSON, CLICK).json()["score"]
    site.publish_model(small_model(seed=4), version="2")
    app_state.source.refresh()
    second = client.get(f"/v1/people/{PERSON}/score").json()
    assert second["model"]["version"] == "2"
    assert second["p"] != first["p"]
    site.publish_scores(AS_OF + timedelta(days=1))
    app_state.source.refresh()
    third = client.get(f"/v1/people/{PERSON}/score").json()
    assert third["origin"] == "published"


def test_without_published_histories_the_answer_says_what_it_lacks(client: TestClient, site: Site) -> None:
    import shutil

    shutil.rmtree(site.published / "lead_histories")
    score = tell(client, PERSON, CLICK).json()["score"]
    assert score["origin"] == "published"
    assert score["warnings"] == ["1 told activities are not in this score: no history of the person is published"]


def test_nobody_tells_of_people_of_another_owner_and_viewers_tell_nothing(site: Site) -> None:
    anna = {"Authorization": f"Bearer {site.token(owner_id='anna')}"}
    viewer = {"Authorization": f"Bearer {site.token(Role.VIEWER)}"}
    owner = {person: "anna" if n % 2 else "ben" for n, person in enumerate(reversed(PEOPLE))}
    own, foreign = (next(one for one in PEOPLE if owner[one] == name) for name in ("anna", "ben"))
    with TestClient(create_app(site.state())) as client:
        assert tell(client, own, CLICK, **anna).status_code == 200
        hidden, nobody = tell(client, foreign, CLICK, **anna), tell(client, "nobody", CLICK, **anna)
        assert hidden.status_code == nobody.status_code == 404
        assert hidden.content == nobody.content
        assert tell(client, own, CLICK, **viewer).status_code == 403
    assert {one.person_id for one in told_since(site.engine, datetime(2026, 6, 1))} == {own}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"occurred_at": (NOW + timedelta(hours=1)).isoformat()}, "lies in the future"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "greater than or equal to 1900"),
        ({"occurred_at": "2026-06-01T09:00:00"}, "timezone"),
        ({"kind": "opt_out"}, "feedback webhook"),
        ({"observed_at": "2026-06-01T09:00:00Z"}, "Extra inputs"),
        ({"event_id": ""}, "event_id"),
    ],
)
def test_bad_events_are_told_and_nothing_is_stored(
    client: TestClient, site: Site, change: dict[str, Any], words: str
) -> None:
    answer = tell(client, PERSON, MAIL, CLICK | change)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert told_since(site.engine, datetime(2026, 1, 1)) == ()


def test_a_ledger_that_is_gone_is_said(client: TestClient, site: Site, app_state: Any) -> None:
    token = client.headers["Authorization"]
    assert client.get(f"/v1/people/{PERSON}/score").json().get("warnings", []) == []
    with site.engine.begin() as connection:
        connection.exec_driver_sql("alter table api_activities rename to away")
    app_state.told.refresh()
    answer = client.get(f"/v1/people/{PERSON}/score", headers={"Authorization": token})
    assert answer.status_code == 200
    assert answer.json()["warnings"] == ["the ledger does not answer: what was told since may be missing"]
    assert "ledger" in answer.headers["Recovery-Degraded"]
    assert client.get("/health/ready").json()["degraded"]
    assert tell(client, PERSON, CLICK).status_code in (500, 503)
    with site.engine.begin() as connection:
        connection.exec_driver_sql("alter table away rename to api_activities")
    while app_state.told.fault is not None:  # a ledger that was away is left alone for a second
        app_state.told.refresh()
        time.sleep(0.05)
    assert tell(client, PERSON, CLICK).json()["new"] == 1
    assert "Recovery-Degraded" not in client.get(f"/v1/people/{PERSON}/score").headers


def test_the_clock_of_the_ledger_is_utc(client: TestClient, site: Site) -> None:
    tell(client, PERSON, MAIL)
    (one,) = told_since(site.engine, datetime(2026, 6, 1))
    assert one.occurred_at == datetime(2026, 6, 1, 7, 30)
    assert one.observed_at == NOW.astimezone(UTC).replace(tzinfo=None)


def test_an_event_of_somebody_without_a_score_is_kept_and_says_why_there_is_none(
    client: TestClient, site: Site, app_state: Any
) -> None:
    site.publish_unscored({"awake": ("anna", None, "recently_active"), "shy": ("ben", None, "objected")})
    app_state.source.refresh()
    told = tell(client, "awake", CLICK)
    assert told.status_code == 200, told.text
    assert told.json() == {"new": 1, "repeated": 0, "score": None, "unscored_reason": "recently_active"}
    assert tell(client, "awake", CLICK).json()["repeated"] == 1
    with site.engine.connect() as connection:
        kept = connection.execute(sa.select(api_activities.c.person_id)).scalars().all()
    assert kept == ["awake"]
    score = client.get("/v1/people/awake/score")
    assert (score.status_code, score.json()["title"]) == (404, "no score")
    assert "recently active" in score.json()["detail"]
    anna = {"Authorization": f"Bearer {site.token(owner_id='anna')}"}
    hidden, nobody = (tell(client, person, CLICK, **anna) for person in ("shy", "nobody"))
    assert hidden.status_code == nobody.status_code == 404
    assert hidden.content == nobody.content


def test_an_event_is_the_same_however_it_is_written(client: TestClient) -> None:
    assert tell(client, PERSON, MAIL).json()["new"] == 1
    other = {"direction": "outbound", "occurred_at": "2026-06-01T07:30:00Z", "kind": "email", "is_machine": False}
    assert tell(client, PERSON, other).json()["new"] == 0
    assert tell(client, PERSON, other | {"occurred_at": "2026-06-01T07:30:00.000001Z"}).json()["new"] == 1
