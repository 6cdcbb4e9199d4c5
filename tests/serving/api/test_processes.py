"""`python -m serving.api`: drain, killed workers, trusted proxies, and Redis that goes away."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from bench.rows import origin
from bench.serving_endurance import endurance_rows
from recovery.access import Role
from recovery.access.activities import told_since
from tests.serving.api.conftest import PEOPLE, Site
from tests.serving.api.processes import free_port, serving
from tests.serving.api.small_model import histories
from tests.serving.api.test_score import described


def bearer(site: Site) -> dict[str, str]:
    _, token = site.keys.issue(
        name="load", role=Role.OPERATOR, now=datetime.now(UTC).replace(tzinfo=None), per_minute=1_000_000
    )
    return {"Authorization": f"Bearer {token}"}


def test_requests_at_work_are_finished_after_the_order_to_stop(site: Site) -> None:
    leads = [described(lead) for lead in histories(200, seed=5)] * 25
    body = json.dumps({"leads": leads}).encode()
    headers = {**bearer(site), "Content-Type": "application/json"}
    with serving(site) as service:
        with (
            httpx.Client(base_url=service.url, headers=headers, timeout=60) as client,
            client.stream("POST", "/v1/score/bulk", content=body) as answer,
        ):
            lines = answer.iter_lines()
            first = [next(lines)]
            service.process.send_signal(signal.SIGTERM)
            rest = list(lines)
        assert len(first + rest) == len(leads)
        assert all(json.loads(line)["origin"] == "described" for line in first + rest)
        assert service.process.wait(timeout=30) in (0, -signal.SIGTERM)


def test_a_killed_worker_loses_only_what_was_in_flight(site: Site) -> None:
    site.publish_histories(histories(len(PEOPLE), seed=21))
    headers = bearer(site)
    stop = threading.Event()
    told: list[str] = []
    failed: list[int] = []

    def load(number: int, url: str) -> None:
        count = 0
        with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
            while not stop.is_set():
                count += 1
                name = f"{number}-{count}"
                at = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
                act = {"event_id": name, "occurred_at": at, "kind": "page_view", "direction": "inbound"}
                person = PEOPLE[(number * 7 + count) % len(PEOPLE)]
                try:
                    score = client.get(f"/v1/people/{person}/score")
                    answer = client.post("/v1/events", json={"person_id": person, "activities": [act]})
                except httpx.TransportError:
                    failed.append(number)
                    continue
                if score.status_code == answer.status_code == 200:
                    told.append(name)
                else:
                    failed.append(number)

    with serving(site, workers=2) as service:
        before = service.workers()
        threads = [threading.Thread(target=load, args=(number, service.url)) for number in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(1.5)
        os.kill(before[0], signal.SIGKILL)
        until = time.monotonic() + 60
        while not set(service.workers()) - set(before):
            assert time.monotonic() < until, "the killed worker was not replaced"
            time.sleep(0.1)
        stop.set()
        for thread in threads:
            thread.join()
        assert service.stop() == 0
    assert len(failed) <= len(threads)
    assert len(set(failed)) == len(failed)
    assert len(told) > 20
    stored = told_since(site.engine, datetime(2020, 1, 1))
    assert len(told) <= len(stored) <= len(told) + len(failed)


def test_figures_are_those_of_all_workers_also_of_one_that_was_killed(site: Site) -> None:
    headers = bearer(site)
    with serving(site, workers=2) as service:

        def told(name: str) -> float:
            lines = httpx.get(f"{service.url}/metrics", timeout=30).raise_for_status().text.splitlines()
            return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(name)))

        def ask(times: int) -> None:
            for _ in range(times):  # each on a connection of its own: any worker may answer
                httpx.get(f"{service.url}/v1/stats", headers=headers, timeout=30)

        counter = 'recovery_api_requests_total{route="stats"'
        ask(20)
        assert {told(counter) for _ in range(8)} == {20}
        before = service.workers()
        os.kill(before[0], signal.SIGKILL)
        until = time.monotonic() + 60
        while not set(service.workers()) - set(before):
            assert time.monotonic() < until, "the killed worker was not replaced"
            time.sleep(0.1)
        ask(5)
        assert {told(counter) for _ in range(4)} == {25}
        assert told("recovery_api_people") == len(PEOPLE)
        assert told("recovery_api_ready") == 1


def test_the_api_lasts_under_load_while_models_are_promoted(tmp_path: Path) -> None:
    rows = {row.name: row for row in endurance_rows(origin(), tmp_path / "ground", seconds=6.0, people=1_000)}
    assert rows["answers at half load"].value > 100
    assert rows["answers but 200, and broken connections"].value == 0
    assert rows["promotions that did not happen"].value == 0
    assert rows["longest wait for a promoted model"].ok


def test_proxies_are_trusted_only_where_told_and_a_lost_redis_is_said(site: Site) -> None:
    redis_away = f"redis://127.0.0.1:{free_port()}/0"
    with (
        serving(site, api_trusted_proxies="127.0.0.1", redis_url=redis_away) as service,
        httpx.Client(base_url=service.url, timeout=30) as client,
    ):
        wrong = {"Authorization": "Bearer lre_a_b"}
        seen = [
            client.get("/v1/model", headers={**wrong, "X-Forwarded-For": "192.0.2.1"}).status_code for _ in range(61)
        ]
        assert (seen[0], seen[-1]) == (401, 429)
        assert client.get("/v1/model", headers={**wrong, "X-Forwarded-For": "192.0.2.2"}).status_code == 401
        answer = client.get(f"/v1/people/{PEOPLE[0]}/score", headers=bearer(site))
        assert answer.status_code == 200
        assert "rate limits are counted by process" in answer.headers["Recovery-Degraded"]
