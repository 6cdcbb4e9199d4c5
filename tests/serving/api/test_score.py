from __future__ import annotations

import json
from datetime import UTC, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from models.feature_algebra import LeadHistory
from models.feature_batch import evaluate_leads
from models.features import FEATURES, evaluate
from models.scoring.points import points_of
from models.scoring.score import Scorer, score_people
from models.scoring.scorecard import calibrated_card
from recovery.access import Role
from serving.api import examples
from serving.api.app import create_app
from tests.serving.api.conftest import ANCHOR, AS_OF, NOW, PEOPLE, Site
from tests.serving.api.small_model import histories, small_model


def described(lead: LeadHistory) -> dict[str, Any]:
    return {
        "attributes": {name: value for name, value in lead.attributes.items() if value is not None},
        "activities": [
            {
                "occurred_at": one.occurred_at.replace(tzinfo=UTC).isoformat(),
                "observed_at": one.observed_at.replace(tzinfo=UTC).isoformat(),
                "kind": one.kind,
                "direction": one.direction,
                "actor": one.actor,
                "outcome_level": one.outcome_level,
            }
            for one in lead.activities
        ],
    }


def test_a_known_person_has_the_published_score(client: TestClient) -> None:
    by_id = client.post("/v1/score", json={"person_id": PEOPLE[7]})
    assert by_id.status_code == 200
    found = by_id.json()
    assert found == client.get(f"/v1/people/{PEOPLE[7]}/score").json()
    assert found["person_id"] == PEOPLE[7]
    assert found["p"] == pytest.approx(0.01 + 0.002 * (len(PEOPLE) - 1 - 7), abs=1e-15)
    assert found["origin"] == "published"
    assert found["model"] == {"name": "resurrection", "version": "1"}
    assert found["as_of_date"] == AS_OF.isoformat()
    assert found["reasons"][0]["code"] == "replies_last_90d"


def test_a_described_lead_has_the_score_of_the_daily_path(client: TestClient) -> None:
    model = small_model()
    leads = histories(30, seed=8)
    p = model.p(pd.DataFrame([evaluate(lead, AS_OF) for lead in leads]))
    for lead, chance in zip(leads, p, strict=True):
        answer = client.post("/v1/score", json={"lead": described(lead), "as_of_date": AS_OF.isoformat()})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert abs(found["p"] - chance) < 1e-9
        assert found["points"] == points_of(p[p == chance], anchor=ANCHOR)[0]
        assert len(found["reasons"]) == 5
        assert found["origin"] == "described"


def test_bulk_gives_the_same_numbers_in_order(client: TestClient) -> None:
    leads = histories(300, seed=9)
    p = small_model().p(pd.DataFrame(evaluate_leads(leads, AS_OF).columns()))
    body = {
        "person_ids": [PEOPLE[3], "nobody", PEOPLE[1]],
        "leads": [described(lead) for lead in leads],
        "as_of_date": AS_OF.isoformat(),
    }
    answer = client.post("/v1/score/bulk", json=body)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line.get("person_id") for line in lines[:3]] == [PEOPLE[3], "nobody", PEOPLE[1]]
    assert lines[1] == {"person_id": "nobody", "error": "unknown_person"}
    assert all(abs(line["p"] - chance) < 1e-9 for line, chance in zip(lines[3:], p, strict=True))


def test_reasons_are_those_of_the_daily_path(client: TestClient) -> None:
    from models.scoring.reasons import reasons_table

    lead = histories(1, seed=12)[0]
    frame = pd.DataFrame([evaluate(lead, AS_OF)])
    model = small_model()
    contributions, _, _ = model.contributions(frame)
    expected = reasons_table(frame, model.features, contributions).to_pylist()[0]
    answer = client.post("/v1/score", json={"lead": described(lead), "as_of_date": AS_OF.isoformat()})
    assert answer.json()["reasons"] == expected


def test_an_empty_lead_is_scored_with_a_warning(client: TestClient) -> None:
    found = client.post("/v1/score", json={"lead": {}}).json()
    assert found["warnings"]
    assert found["as_of_date"] == (NOW.date() + timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_json"),
        (b'{"person_id": "a", "person_id": "b"}', 400, "bad_json"),
        (b'{"lead": {"attributes": {"employee_count": NaN}}}', 400, "bad_json"),
        (b'{"lead": {"attributes": {"employee_count": Infinity}}}', 400, "bad_json"),
        (b'{"lead": {"attributes": {"employee_count": 1e400}}}', 422, "bad_request"),
        (b"[" * 100_000, 400, "too_deep"),
        (b"\xff\xfe", 400, "bad_json"),
        (b'{"lead": {"surprise": 1}}', 422, "bad_request"),
        (b"{}", 422, "bad_request"),
        (b'{"person_id": "a", "lead": {}}', 422, "bad_request"),
        (b'{"lead": {}, "as_of_date": "2031-01-01"}', 422, "bad_request"),
        (b'{"person_id": "' + b"x" * 5_000 + b'"}', 422, "bad_request"),
    ],
)  # fmt: skip
def test_bad_requests_are_told(client: TestClient, body: bytes, status: int, code: str) -> None:
    answer = client.post("/v1/score", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["type"].endswith(code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text


def test_a_future_date_is_told(client: TestClient) -> None:
    later = (NOW + timedelta(days=2)).isoformat()
    one = {"occurred_at": later, "kind": "email", "direction": "inbound"}
    answer = client.post("/v1/score", json={"lead": {"activities": [one]}})
    assert answer.status_code == 422
    assert "activities[0] lies in the future" in answer.json()["detail"]


def test_too_many_activities_and_too_large_bodies_are_told(client: TestClient) -> None:
    one = {"occurred_at": "2026-01-01T00:00:00Z", "kind": "email", "direction": "inbound"}
    answer = client.post("/v1/score", json={"lead": {"activities": [one] * 10_000}})
    assert answer.status_code in (413, 422)
    large = client.post("/v1/score", content=b" " * (2 << 20), headers={"Content-Type": "application/json"})
    assert large.status_code == 413
    other = client.post("/v1/score", content=b"{}", headers={"Content-Type": "text/xml"})
    assert other.status_code == 415


@pytest.mark.parametrize("text", ["\u202e" * 50, "\x00", "𝕬" * 30, "ﷺ", "'; drop table x; --", "{{7*7}}"])
def test_unicode_tricks_are_just_text(client: TestClient, text: str) -> None:
    answer = client.post("/v1/score", json={"lead": {"attributes": {"job_title": text}, "ref": "a"}})
    assert answer.status_code == 200
    unknown = client.post("/v1/score", json={"person_id": text[:60]})
    assert unknown.status_code == 404


def test_the_same_key_and_body_get_the_first_answer(client: TestClient, site: Site) -> None:
    headers = {"Idempotency-Key": "once"}
    first = client.post("/v1/score", json={"lead": {"ref": "a"}}, headers=headers)
    site.publish_model(small_model(seed=4), version="2")
    again = client.post("/v1/score", json={"lead": {"ref": "a"}}, headers=headers)
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    other = client.post("/v1/score", json={"lead": {"ref": "b"}}, headers=headers)
    assert other.status_code == 422
    assert other.json()["type"].endswith("idempotency_conflict")


def test_the_examples_of_the_pages_are_answered(client: TestClient) -> None:
    for body in examples.SCORE.values():
        assert client.post("/v1/score", json=body).status_code in (200, 404)
    for body in examples.BULK.values():
        assert client.post("/v1/score/bulk", json=body).status_code == 200
    for body in examples.EVENTS.values():
        told = client.post("/v1/events", json=body | {"person_id": PEOPLE[1]})
        assert told.status_code == 200, told.text
        assert told.json()["new"] == 1


def test_the_page_of_the_api_shows_every_route_and_loads_nothing_from_elsewhere(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    page = client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "://" not in page.text.replace("https://github.com", "")
    for path, methods in schema["paths"].items():
        for method in methods:
            assert f'data-method="{method.upper()}" data-path="{path}"' in page.text
    assert "Idempotency-Key" in page.text
    assert "web-4711" in page.text


def test_problems_are_described_as_they_are_answered(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    refused = schema["paths"]["/v1/score"]["post"]["responses"]["422"]["content"]
    assert list(refused) == ["application/problem+json"]
    assert client.post("/v1/score", json={}).headers["content-type"] == "application/problem+json"


def test_without_a_model_known_people_are_still_answered(tmp_path: Any) -> None:
    site = Site(tmp_path)
    site.publish_scores()
    with TestClient(create_app(site.state())) as client:
        client.headers["Authorization"] = f"Bearer {site.token(Role.VIEWER)}"
        assert client.get(f"/v1/people/{PEOPLE[0]}/score").status_code == 200
        ready = client.get("/health/ready")
        assert ready.status_code == 200
        assert "no model is in use" in ready.json()["model"]
    site.engine.dispose()


def test_without_a_model_leads_are_scored_by_the_card_and_told_so(tmp_path: Any) -> None:
    frame = pd.DataFrame(
        {
            "person_id": ["0", "1", "2"],
            "title_level": ["c_level", "manager", None],
            "employee_count": [6000.0, 80.0, np.nan],
            "industry_group": ["technology", "retail", None],
        }
    )
    card = calibrated_card(pd.concat([frame] * 20), np.tile([True, False, False], 20))
    site = Site(tmp_path)
    site.publish_scores(facts={"card": card.to_dict(), "anchor": ANCHOR})
    leads = [
        {"attributes": {"job_title": "CEO", "employee_count": 6000, "industry": "Software"}},
        {"attributes": {"job_title": "Sales manager", "employee_count": 80, "industry": "Retail"}},
        {},
    ]
    with TestClient(create_app(site.state())) as client:
        client.headers["Authorization"] = f"Bearer {site.token(Role.VIEWER)}"
        answer = client.post("/v1/score/bulk", json={"leads": leads})
        one = client.post("/v1/score", json={"lead": leads[0]}).json()
    site.engine.dispose()
    lines = [json.loads(line) for line in answer.text.splitlines()]
    nightly = score_people(Scorer(None, card, ANCHOR, FEATURES), frame, reasons_limit=9)
    assert nightly.order.tolist() == [0, 1, 2]
    names = ("p", "points", "tier", "reasons")
    for line, expected in zip(lines, nightly.table.to_pylist(), strict=True):
        assert line["score_kind"] == "rules"
        assert line["model"] == {"name": "rule_scorecard", "version": None}
        assert {name: line[name] for name in names} == {name: expected[name] for name in names}
        assert "no model is in use" in line["warnings"][0]
    assert one["points"] == lines[0]["points"] == 100


def test_before_the_first_day_the_card_stands_on_its_stated_prior(tmp_path: Any) -> None:
    site = Site(tmp_path)
    with TestClient(create_app(site.state())) as client:
        client.headers["Authorization"] = f"Bearer {site.token(Role.VIEWER)}"
        answer = client.post("/v1/score", json={"lead": {"attributes": {"job_title": "CEO"}}}).json()
        assert answer["score_kind"] == "rules"
        assert client.get(f"/v1/people/{PEOPLE[0]}/score").status_code == 503
        assert "no scores" in client.get("/health/ready").json()["reason"]
    site.engine.dispose()


@pytest.mark.parametrize(
    "body",
    [
        '{"person_ids": ["a"], "person_ids": ["b"]}',
        '{"leads": [{"ref": "a", "ref": "b"}]}',
        '{"leads": [{"attributes": {"crm": "a", "crm": "b"}}]}',
        '{"leads": [{"ref" : "a", "ref": "b"}]}',
    ],
)
def test_a_name_that_stands_twice_in_a_bulk_request_is_refused(client: TestClient, body: str) -> None:
    refused = client.post("/v1/score/bulk", content=body, headers={"Content-Type": "application/json"})
    assert (refused.status_code, refused.json()["detail"]) == (400, "An object of the body has a name twice.")
