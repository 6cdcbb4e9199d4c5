"""Requests generated from the OpenAPI: no 5xx, no hang, every answer in its schema."""

from __future__ import annotations

import os

import pyarrow as pa

from bench.serving_schema import check_operations, check_sequences
from contracts.published import publish
from recovery.access import Role
from serving.api.app import create_app
from tests.serving.api.conftest import AS_OF, NOW, PEOPLE, Site
from tests.serving.api.processes import in_thread
from tests.serving.api.small_model import histories

CASES = 100 if "CI" in os.environ else 8


def test_every_operation_keeps_its_promises(site: Site) -> None:
    site.publish_histories(histories(len(PEOPLE), seed=21))
    drift = pa.table({"feature": ["replies_last_90d"], "psi": [0.01]})
    publish(site.published, dataset="feature_drift", as_of=AS_OF, table=drift, facts={"drifted": [], "severe": False})
    _, token = site.keys.issue(name="all", role=Role.ADMIN, now=NOW.replace(tzinfo=None), per_minute=10_000_000)
    with in_thread(create_app(site.state())) as url:
        found = check_operations(url, token=token, people=PEOPLE, cases=CASES)
        followed = check_sequences(url, token=token, people=PEOPLE, runs=CASES)
    assert found.failures == []
    assert found.slow == []
    assert followed.failures == followed.slow == []
    assert followed.cases["GET /v1/people/{person_id}/insights"] > 0
    assert followed.statuses[200] > 5
    assert len(found.cases) >= 12
    assert found.statuses[200] > 20
    assert found.statuses[422] >= 3
