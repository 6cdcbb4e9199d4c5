"""Guessed keys, forbidden routes, slow connections and too many bulk requests at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from recovery.access import Role
from serving.api import timed_http
from serving.api.app import create_app
from serving.api.doors import MOST_BULK
from tests.serving.api.conftest import NOW, PEOPLE, Site
from tests.serving.api.processes import in_thread
from tests.serving.api.test_access import bearer


@pytest.fixture
def bare(site: Site) -> Iterator[TestClient]:
    with TestClient(create_app(site.state()), raise_server_exceptions=False) as opened:
        yield opened


def test_guesses_beyond_the_limit_are_not_looked_up_and_known_keys_still_work(
    bare: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    state: Any = bare.app.state.api  # type: ignore[attr-defined]
    known, fresh = site.token(), site.token()
    assert bare.get("/v1/model", headers=bearer(known)).status_code == 200
    looked: list[str] = []
    verify = state.authenticator.verify
    monkeypatch.setattr(state.authenticator, "verify", lambda token: looked.append(token) or verify(token))
    statuses = [bare.get("/v1/model", headers=bearer(f"lre_a_{n}")).status_code for n in range(80)]
    assert statuses == [401] * 60 + [429] * 20
    assert len(looked) == 60
    state.authenticator._clock = lambda: time.monotonic() + 5.0  # no longer believed unasked
    assert bare.get("/v1/model", headers=bearer(known)).status_code == 200
    assert bare.get("/v1/model", headers=bearer(fresh)).status_code == 429, (
        "a new key waits for the address to calm down"
    )


def test_what_a_role_may_not_do_counts_against_its_limit(bare: TestClient, site: Site) -> None:
    _, token = site.keys.issue(
        name="nosy", role=Role.VIEWER, now=NOW.replace(tzinfo=None), per_minute=3, valid_days=None
    )
    assert [bare.get("/v1/usage", headers=bearer(token)).status_code for _ in range(5)] == [403, 403, 403, 429, 429]


def test_bulk_requests_beyond_the_places_are_told_to_come_back(bare: TestClient, site: Site) -> None:
    state: Any = bare.app.state.api  # type: ignore[attr-defined]
    headers = bearer(site.token())
    ask = {"person_ids": PEOPLE[:2]}
    for _ in range(3 * MOST_BULK):  # places are given back, of refused bodies too
        assert bare.post("/v1/score/bulk", json=ask, headers=headers).status_code == 200
        assert bare.post("/v1/score/bulk", json={"person_ids": 1}, headers=headers).status_code == 422
    assert state.bulk.taken == 0
    state.bulk.taken = MOST_BULK
    refused = bare.post("/v1/score/bulk", json=ask, headers=headers)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert bare.get(f"/v1/people/{PEOPLE[0]}/score", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "said",
    [b"", b"GET /health/live HTTP/1.1\r\nHost: x\r\n", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nGET /hea"],
    ids=["silent", "half a request", "half a second request"],
)
def test_a_connection_that_dawdles_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(timed_http, "HEADER_SECONDS", 0.3)
    with in_thread(create_app(site.state()), http=timed_http.TimedHttp) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(said)
            dripping = threading.Thread(target=_drip, args=(connection,), daemon=True)
            dripping.start()
            while connection.recv(4096):
                pass  # ends only when the service closes


def _drip(connection: socket.socket) -> None:
    try:
        for _ in range(100):
            time.sleep(0.2)
            connection.sendall(b"x")
    except OSError:
        return
