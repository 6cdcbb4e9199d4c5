"""A random world without any signal, built once."""

from __future__ import annotations

from datetime import date

import pytest

from pipelines.features.build import FeatureStage
from tests.pipelines.features import raw_world as raw

AS_OF = date(2026, 6, 1)
PEOPLE = 900


@pytest.fixture(scope="session")
def random_world(tmp_path_factory: pytest.TempPathFactory) -> FeatureStage:
    """Contacts with a latest-only column that tells the outcome, and activities that depend on nothing."""
    stage = raw.stage(tmp_path_factory.mktemp("random"))
    acts = raw.activities(PEOPLE, seed=3, per_person=9)
    people = raw.contacts(PEOPLE)
    recent = set(acts.loc[acts["occurred_at"] > "2026-04-01", "contact_id"])
    people["lead_status"] = ["Connected" if one in recent else "Open" for one in people["record_id"]]
    with stage.warehouse.open() as connection:
        raw.make_raw(connection)
        raw.declare(connection, ("hs", "hubspot"))
        raw.landing(connection, "hubspot__contacts", people)
        raw.landing(connection, "hubspot__activities", acts)
    raw.run(stage, AS_OF)
    return stage
