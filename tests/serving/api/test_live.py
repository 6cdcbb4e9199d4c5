from __future__ import annotations

import dataclasses
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from contracts.published import read_manifest
from models.scoring.published import folder_of
from serving.api.app import create_app
from serving.api.live import Source
from serving.api.metering import Figures
from serving.api.people import NOBODY, nobody, open_people
from tests.serving.api.conftest import AS_OF, NOW, PEOPLE, Site
from tests.serving.api.small_model import small_model


@pytest.fixture
def source(site: Site) -> Source:
    return site.state().source


def test_a_promotion_and_a_new_day_are_picked_up(site: Site, source: Source) -> None:
    assert source.refresh()
    assert not source.refresh()
    first = source.live
    assert first.pointer is not None
    assert first.pointer.version == "1"
    site.publish_model(small_model(seed=4), version="2")
    site.publish_scores(AS_OF + timedelta(days=1))
    assert source.refresh()
    assert source.live.pointer is not None
    assert source.live.pointer.version == "2"
    assert source.live.as_of == AS_OF + timedelta(days=1)
    assert first.pointer.version == "1"


@pytest.mark.parametrize("spoil", ["flip", "cut", "gone", "pointer", "foreign_key"])
def test_a_bad_model_never_replaces_a_good_one(site: Site, source: Source, spoil: str, tmp_path: Path) -> None:
    source.refresh()
    good = source.live
    site.publish_model(small_model(seed=4), version="2")
    folder = folder_of(site.published)
    file = next(folder.glob("2-*/model.bin"))
    if spoil == "flip":
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(bytes(data))
    elif spoil == "cut":
        file.write_bytes(file.read_bytes()[:100])
    elif spoil == "gone":
        file.unlink()
    elif spoil == "pointer":
        (folder / "current.json").write_text("{")
    else:
        site.secrets = tmp_path / "elsewhere"
        site.publish_model(small_model(seed=4), version="3")
    source.refresh()
    assert source.live.model is good.model
    assert "model" in source.live.faults
    assert source.live.why_not_ready() is None


def test_a_request_sees_the_new_model_by_itself(client: TestClient, site: Site) -> None:
    import time

    site.publish_model(small_model(seed=4), version="2")
    until = time.monotonic() + 60
    while client.get("/v1/model").json()["version"] != "2":
        assert time.monotonic() < until
        time.sleep(0.1)


def test_people_are_found_by_id_and_by_nothing_else(site: Site, tmp_path: Path) -> None:
    manifest = read_manifest(site.published, dataset="lead_scores", as_of=AS_OF)
    assert manifest is not None
    people = open_people(site.published, tmp_path / "maps", manifest)
    assert len(people) == len(PEOPLE)
    rows = people.find([*PEOPLE, "", "x", PEOPLE[0] + "x", PEOPLE[0][:-1], PEOPLE[0] + "\0", "\ud800"])
    assert rows[: len(PEOPLE)].tolist() == list(range(len(PEOPLE)))
    assert (rows[len(PEOPLE) :] == NOBODY).all()
    assert np.all(np.diff(people.p) >= 0)
    assert people.percentiles(np.array([0.0, 1.0])) == [0.0, 100.0]
    assert nobody().find(["x"]).tolist() == [NOBODY]


def test_old_maps_are_removed(site: Site, tmp_path: Path) -> None:
    for day in range(4):
        site.publish_scores(AS_OF + timedelta(days=day))
        manifest = read_manifest(site.published, dataset="lead_scores", as_of=AS_OF + timedelta(days=day))
        assert manifest is not None
        open_people(site.published, tmp_path / "maps", manifest)
    assert len([path for path in (tmp_path / "maps").iterdir() if path.is_dir()]) == 2


def test_health_and_metrics_need_no_key(client: TestClient) -> None:
    del client.headers["Authorization"]
    assert client.get("/health/live").json() == {"status": "alive"}
    assert client.get("/health/ready").json()["ready"] is True
    text = client.get("/metrics").text
    assert f"recovery_api_people {len(PEOPLE)}.0" in text
    assert not any(person in text for person in PEOPLE)


def test_the_days_figures(client: TestClient, site: Site) -> None:
    assert client.get("/v1/stats").json()["dormant"] == len(PEOPLE)
    assert client.get("/v1/drift").status_code == 503
    assert NOW.year == 2026
    model = client.get("/v1/model").json()
    assert model["version"] == "1"
    assert "signature" not in model
    assert model["metrics"] == {}


def test_the_champion_tells_what_it_was_measured_to_be(client: TestClient, site: Site) -> None:
    site.publish_model(small_model(), version="2", metrics={"roc_auc": 0.75, "log_loss": 0.2})
    while (model := client.get("/v1/model").json())["version"] != "2":
        time.sleep(0.05)
    assert model["metrics"] == {"roc_auc": 0.75, "log_loss": 0.2}


def test_answers_that_take_longer_than_is_acceptable_are_counted(site: Site) -> None:
    state = dataclasses.replace(site.state(), figures=Figures(acceptable_seconds=0.0))
    with TestClient(create_app(state)) as client:
        client.headers["Authorization"] = f"Bearer {site.token()}"
        for _ in range(3):
            assert client.get(f"/v1/people/{PEOPLE[0]}/score").status_code == 200
        assert client.post("/v1/score/bulk", json={"person_ids": [PEOPLE[0]]}).status_code == 200
        assert client.get("/v1/stats").json()["latency"] == {"acceptable_ms": 0.0, "answers": 3, "slower": 3}
        assert 'recovery_api_slow_total{route="person_score"} 3.0' in client.get("/metrics").text
