"""Everything that is published about a person, in one typed answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter

from contracts.published import publish
from models.scoring.published import PublishedModel
from serving.api.insights import interval_of
from serving.api.schemas import InsightsOut
from tests.serving.api.conftest import AS_OF, PEOPLE, Site
from tests.serving.api.small_model import small_model

PERSON = PEOPLE[2]
TIMING = {
    "p_return_30d": 0.1, "p_return_60d": 0.15, "p_return_90d": 0.18, "median_days_if_returning": 22.0,
    "best_weekday": 1, "best_hour": 9, "best_hour_rate": 0.07, "hour_basis": "segment", "hour_reason": "few touches",
    "answers_email": 0.05, "answers_sms": float("nan"), "answers_call": 0.08, "expected_value": 120.0,
    "expected_value_low": 80.0, "expected_value_high": 190.0,
}  # fmt: skip
PLAN: dict[str, Any] = {
    "decision": "contacted", "channel": "email", "reason": None, "unlock": None,
    "not_before": datetime(2026, 6, 1, 13), "expires_at": datetime(2026, 6, 2, 1),
    "alternatives": '{"email": "allowed: inquiry until 2026-11-27", "call": "no_address"}',
}  # fmt: skip


def tell(site: Site, dataset: str, **row: Any) -> None:
    table = pa.Table.from_pylist([{"person_id": PERSON, "as_of_date": AS_OF, **row}])
    publish(site.published, dataset=dataset, as_of=AS_OF, table=table)


def ask(client: TestClient) -> dict[str, Any]:
    answer = client.get(f"/v1/people/{PERSON}/insights")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    TypeAdapter(InsightsOut).validate_python(found)
    return found


def test_a_day_that_published_scores_alone_says_what_it_has(client: TestClient, site: Site) -> None:
    site.publish_scores(AS_OF - timedelta(days=7))
    found = ask(client)
    assert [(day["as_of_date"], day["score_kind"]) for day in found["trend"]] == [
        ("2026-05-25", "model"), ("2026-06-01", "model"),
    ]  # fmt: skip
    assert found["score"]["person_id"] == PERSON
    assert found["contact"] is found["value"] is found["best"] is found["chance"]["low"] is None
    assert found["next_step"].startswith("Nothing is planned")


def test_chance_value_channel_hour_and_next_step(client: TestClient, site: Site) -> None:
    score = client.get(f"/v1/people/{PERSON}/score").json()
    bins = ((score["p"] / 2, 0.1, 500.0), (score["p"] + 0.001, 0.3, 400.0))
    site.publish_model(small_model(), version="2", reliability=bins)
    client.app.state.api.source.refresh()  # type: ignore[attr-defined]
    tell(site, "lead_timing", **TIMING)
    tell(site, "campaign_plan", **PLAN)
    found = ask(client)
    chance = found["chance"]
    assert chance["p_return_90d"] == 0.18
    assert chance["low"] / chance["p"] == pytest.approx(0.2572 / bins[1][0], rel=1e-3)  # Wilson: .3 of 400
    assert chance["high"] / chance["p"] == pytest.approx(0.3466 / bins[1][0], rel=1e-3)
    assert found["value"] == {"expected": 120.0, "low": 80.0, "high": 190.0}
    assert found["best"]["channel"] == "email", "a call would be answered more often and has no number"
    assert found["best"]["answers"] == {"email": 0.05, "call": 0.08}
    assert (found["best"]["weekday"], found["best"]["hour"]) == (1, 9)
    assert found["contact"]["channels"]["call"] == "no_address"
    assert found["next_step"] == "Contact by email from 2026-06-01 13:00:00 to 2026-06-02 01:00:00 UTC, as planned."


@pytest.mark.parametrize(
    ("plan", "step"),
    [
        ({"decision": "held_out"}, "None: this person is held out, to measure what contact changes."),
        ({"decision": "skipped", "reason": "no_address", "unlock": "Add an address."}, "Add an address."),
        ({"decision": "skipped", "reason": "not_worth_it"}, "None: not worth it."),
    ],
)
def test_the_next_step_follows_the_plan(client: TestClient, site: Site, plan: dict[str, Any], step: str) -> None:
    tell(site, "campaign_plan", **(PLAN | plan))
    assert ask(client)["next_step"] == step


def test_rules_and_models_without_a_record_have_no_interval() -> None:
    facts: dict[str, Any] = {
        "version": "1", "path": "", "sha256": "", "bytes": 0, "fingerprint": "f", "recipe": "r", "anchor": 0.1,
        "anchor_version": 1, "definition_version": "1", "horizon_days": 30, "live_since": AS_OF,
    }  # fmt: skip
    assert interval_of(0.1, None) == (None, None)
    assert interval_of(0.1, PublishedModel(**facts)) == (None, None)
    low, high = interval_of(0.9, PublishedModel(**facts, reliability=((0.5, 0.9, 10.0),)))
    assert low is not None
    assert high == 1.0
