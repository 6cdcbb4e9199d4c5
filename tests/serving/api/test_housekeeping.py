from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from fastapi.testclient import TestClient

from contracts.errors import PassingError
from recovery.ledger.schema_access import api_answers
from serving.api.housekeeping import EVERY_SECONDS, Housekeeper
from tests.serving.api.conftest import Site


def test_answers_are_kept_for_a_day_and_no_longer(client: TestClient, site: Site) -> None:
    state = site.state()

    def kept() -> int:
        with site.engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(api_answers)).scalar_one())

    assert client.post("/v1/score", json={"lead": {}}, headers={"Idempotency-Key": "a"}).status_code == 200
    site.moment += timedelta(hours=23)
    state.housekeeper.look()
    assert kept() == 1
    site.moment += timedelta(hours=1)
    site.state().housekeeper.look()
    assert kept() == 0


def test_it_is_done_once_an_hour_and_again_soon_when_it_failed() -> None:
    moment, done, broken = [0.0], [0], [True]

    def forget() -> int:
        if broken[0]:
            raise PassingError("the ledger is busy", where="ledger", remedy="wait")
        done[0] += 1
        return 0

    keeper = Housekeeper(forget, clock=lambda: moment[0])
    keeper.look()
    broken[0] = False
    keeper.look()
    keeper.look()
    assert done == [1]
    moment[0] += EVERY_SECONDS
    keeper.look()
    assert done == [2]
