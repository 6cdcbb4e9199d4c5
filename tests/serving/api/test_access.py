from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from recovery.access import Role, read_usage
from serving.api.app import create_app
from tests.serving.api.conftest import PEOPLE, Site

OWNERS = {person: "anna" if n % 2 else "ben" for n, person in enumerate(reversed(PEOPLE))}


@pytest.fixture
def bare(site: Site) -> Iterator[TestClient]:
    """A client without a key."""
    with TestClient(create_app(site.state()), raise_server_exceptions=False) as opened:
        yield opened


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def operations(client: TestClient) -> list[tuple[str, str]]:
    paths = client.get("/openapi.json").json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods if path.startswith("/v1/")]


def test_every_route_wants_a_key(bare: TestClient) -> None:
    found = operations(bare)
    assert len(found) >= 8
    for method, path in found:
        for headers in ({}, bearer("lre_000000000000_wrong"), bearer("a.b.c"), {"X-API-Key": "é".encode()}):
            answer = bare.request(method, path.replace("{person_id}", PEOPLE[0]), headers=headers)
            assert answer.status_code in (401, 429), (method, path)
            if answer.status_code == 401:
                assert "Bearer" in answer.headers["WWW-Authenticate"]


def test_nobody_sees_people_of_another_owner_on_any_route(bare: TestClient, site: Site) -> None:
    token = site.token(Role.ADMIN, owner_id="anna")
    foreign = next(person for person, owner in OWNERS.items() if owner == "ben")
    own = next(person for person, owner in OWNERS.items() if owner == "anna")
    for method, path in operations(bare):
        if "{person_id}" in path:
            hidden = bare.request(method, path.replace("{person_id}", foreign), headers=bearer(token))
            nobody = bare.request(method, path.replace("{person_id}", "0" * 36), headers=bearer(token))
            assert hidden.status_code == nobody.status_code == 404
            assert hidden.content == nobody.content
            shown = bare.request(method, path.replace("{person_id}", own), headers=bearer(token))
            assert shown.status_code == 200
    lines = bare.post("/v1/score/bulk", json={"person_ids": PEOPLE}, headers=bearer(token)).text.splitlines()
    seen = {line["person_id"] for line in map(json.loads, lines) if "error" not in line}
    assert seen == {person for person, owner in OWNERS.items() if owner == "anna"}
    hidden = bare.post("/v1/score", json={"person_id": foreign}, headers=bearer(token))
    assert hidden.status_code == 404


def test_a_team_and_an_unknown_owner_see_their_own_only(bare: TestClient, site: Site) -> None:
    for scope, expected in (({"team_id": "north"}, 30), ({"owner_id": "nobody"}, 0)):
        answer = bare.post("/v1/score/bulk", json={"person_ids": PEOPLE}, headers=bearer(site.token(**scope)))
        assert sum("error" not in json.loads(line) for line in answer.text.splitlines()) == expected


@pytest.mark.parametrize(
    ("role", "allowed"),
    [(Role.VIEWER, {"score": 200, "usage": 403}), (Role.COMPLIANCE, {"score": 403, "usage": 200}),
     (Role.ADMIN, {"score": 200, "usage": 200})],
)  # fmt: skip
def test_roles_have_their_rights(bare: TestClient, site: Site, role: Role, allowed: dict[str, int]) -> None:
    headers = bearer(site.token(role))
    assert bare.get(f"/v1/people/{PEOPLE[0]}/score", headers=headers).status_code == allowed["score"]
    assert bare.get("/v1/usage", headers=headers).status_code == allowed["usage"]


def test_limits_answer_429_with_standard_headers(bare: TestClient, site: Site) -> None:
    _, token = site.keys.issue(
        name="slow", role=Role.VIEWER, now=site.moment.replace(tzinfo=None), per_minute=3, valid_days=None
    )
    answers = [bare.get(f"/v1/people/{PEOPLE[0]}/score", headers=bearer(token)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[-1].headers["Retry-After"] == answers[-1].headers["RateLimit-Reset"]


def test_wrong_keys_are_slowed_down(bare: TestClient) -> None:
    statuses = [bare.get("/v1/model", headers=bearer("lre_a_b")).status_code for _ in range(70)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


def test_usage_is_stored_by_key(site: Site) -> None:
    key, token = site.keys.issue(name="a", role=Role.ADMIN, now=site.moment.replace(tzinfo=None), valid_days=None)
    with TestClient(create_app(site.state())) as client:
        client.post("/v1/score/bulk", json={"person_ids": PEOPLE[:5]}, headers=bearer(token))
        client.get("/v1/people/nobody/score", headers=bearer(token))
    rows = {(row.route, row.outcome): row for row in read_usage(site.engine, since=site.moment.date())}
    assert rows["score_bulk", "ok"].items == 5
    assert rows["person_score", "failed"].requests == 1
    assert {row.key_id for row in rows.values()} == {key.key_id}
