"""Web tokens: what must be right about them, whose people they show, and an issuer that is away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi.testclient import TestClient

from contracts.errors import SettingError
from contracts.settings import Settings
from serving.api.app import create_app
from serving.api.auth import Authenticator
from serving.api.main import serve_api
from serving.api.tokens import JwtRules, key_finder
from tests.serving.api.conftest import PEOPLE, Site
from tests.serving.api.test_access import OWNERS, bearer

Issue = Callable[..., str]


def claims(**more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"iss": "https://issuer", "aud": "recovery", "sub": "s", "role": "operator", "iat": now,
            "exp": now + timedelta(minutes=5), "owner_id": "anna"} | more  # fmt: skip


def made(algorithm: str) -> tuple[Any, dict[str, Any]]:
    secret: Any = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        if algorithm == "RS256"
        else ec.generate_private_key(ec.SECP256R1())
    )
    kind = jwt.algorithms.RSAAlgorithm if algorithm == "RS256" else jwt.algorithms.ECAlgorithm
    return secret, json.loads(kind.to_jwk(secret.public_key())) | {"kid": "k1", "alg": algorithm, "use": "sig"}


def client_of(site: Site, jwks: str) -> TestClient:
    rules = JwtRules("https://issuer", "recovery", jwks)
    state = replace(site.state(), authenticator=Authenticator(site.keys, rules))
    return TestClient(create_app(state), raise_server_exceptions=False)


@pytest.fixture
def secret() -> Any:
    return made("ES256")


@pytest.fixture
def client(site: Site, tmp_path: Path, secret: Any) -> Iterator[TestClient]:
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [secret[1]]}))
    with client_of(site, str(tmp_path / "jwks.json")) as opened:
        yield opened


@pytest.fixture
def issue(secret: Any) -> Issue:
    def token(**more: Any) -> str:
        given = {name: value for name, value in claims(**more).items() if value is not None}
        return jwt.encode(given, secret[0], algorithm="ES256", headers={"kid": "k1"})

    return token


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_web_tokens_are_believed_when_all_of_it_is_right(site: Site, tmp_path: Path, algorithm: str) -> None:
    secret, public = made(algorithm)
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [public]}))
    good, now = claims(), datetime.now(UTC)

    def status(claims: dict[str, Any], key: Any = secret, how: str = algorithm) -> int:
        token = jwt.encode(claims, key, algorithm=how, headers={"kid": "k1"})
        return client.get("/v1/model", headers=bearer(token)).status_code

    with client_of(site, str(tmp_path / "jwks.json")) as client:
        assert status(good) == 200
        for wrong in ({"iss": "x"}, {"aud": "x"}, {"exp": now - timedelta(minutes=5)}, {"role": "king"},
                      {"owner_id": 7}):  # fmt: skip
            assert status(good | wrong) == 401, wrong
        for missing in ("exp", "sub", "role", "iat", "owner_id"):
            assert status({k: v for k, v in good.items() if k != missing}) == 401
        assert status(good, "a shared secret of many bytes, long", "HS256") == 401
        assert status(good, None, "none") == 401


def test_a_token_sees_everybody_only_where_it_says_so(client: TestClient, issue: Issue) -> None:
    def seen(**more: Any) -> int:
        answer = client.post("/v1/score/bulk", json={"person_ids": PEOPLE}, headers=bearer(issue(**more)))
        return sum("error" not in json.loads(line) for line in answer.text.splitlines())

    own = sum(owner == "anna" for owner in OWNERS.values())
    assert seen() == own
    assert seen(owner_id=None, people="all") == len(PEOPLE)
    assert seen(people="all") == own
    assert client.get("/v1/model", headers=bearer(issue(owner_id=None))).status_code == 401


def test_an_answer_is_not_given_again_to_the_same_subject_with_another_scope(client: TestClient, issue: Issue) -> None:
    person = next(person for person, owner in OWNERS.items() if owner == "anna")

    def ask(token: str) -> Any:
        headers = {**bearer(token), "Idempotency-Key": "same"}
        return client.post("/v1/score", json={"person_id": person}, headers=headers)

    assert ask(issue()).status_code == 200
    assert ask(issue()).headers["Idempotent-Replayed"] == "true"
    assert ask(issue(owner_id="ben")).status_code == 404
    assert ask(issue(team_id="south")).status_code == 404
    assert "Idempotent-Replayed" not in ask(issue(role="viewer")).headers


def test_an_issuer_that_is_away_is_not_the_callers_fault(site: Site, issue: Issue) -> None:
    with client_of(site, "http://127.0.0.1:9/keys") as client:
        answer = client.get("/v1/model", headers=bearer(issue()))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "issuer's keys cannot be fetched" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("jwks", "what"),
    [
        ("/nowhere/keys.json", "cannot be read: No such file"),
        ("http://localhost.evil.example/keys", "by https only"),
        ("http://issuer.example/keys", "by https only"),
        ("file:///etc/keys", "by https only"),
        ("{folder}/half.json", "no JSON Web Key Set"),
        ("{folder}/empty.json", "no JSON Web Key Set"),
    ],
)
def test_wrong_keys_of_an_issuer_are_told_at_the_start(site: Site, tmp_path: Path, jwks: str, what: str) -> None:
    (tmp_path / "half.json").write_text('{"keys": [')
    (tmp_path / "empty.json").write_text("[]")
    where = jwks.format(folder=tmp_path)
    with pytest.raises(SettingError, match=what):
        key_finder(where)
    settings = Settings(
        var_dir=site.root, ledger_url=site.url, api_jwt_issuer="i", api_jwt_audience="a", api_jwks=where
    )
    with pytest.raises(SettingError, match=what):
        serve_api(settings, host="127.0.0.1", port=0, workers=1)


@pytest.mark.parametrize("jwks", ["https://issuer.example/keys", "http://localhost:1/k", "http://[::1]:1/k"])
def test_addresses_of_keys_that_are_safe_are_taken(jwks: str) -> None:
    assert callable(key_finder(jwks))
