"""What was published cannot be read, the ledger is away or hangs: old answers go on, say so, and recover."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from contracts.errors import PassingError
from contracts.published import published_path
from recovery.access import Role
from recovery.access.activities import ToldActivity
from serving.api.app import create_app
from serving.api.auth import Authenticator
from serving.api.live import RETRY_SECONDS, Source
from serving.api.patience import PAUSE_SECONDS, Patience
from serving.api.problems import ProblemError
from serving.api.told import Told
from tests.serving.api.conftest import AS_OF, NOW, PEOPLE, Site
from tests.serving.api.small_model import small_model

NEXT = AS_OF + timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def source_of(site: Site, clock: Clock) -> Source:
    return Source(site.published, secrets=site.secrets, cache=site.root / "cache", now=lambda: NOW, clock=clock)


def scores_file(site: Site, day: date) -> Path:
    return published_path(site.published, dataset="lead_scores", as_of=day)


def test_scores_that_cannot_be_read_stop_neither_the_old_ones_nor_a_promotion(site: Site, clock: Clock) -> None:
    source = source_of(site, clock)
    source.refresh()
    site.publish_scores(NEXT)
    whole = scores_file(site, NEXT).read_bytes()
    scores_file(site, NEXT).write_bytes(b"PAR1 no parquet")
    site.publish_model(small_model(seed=4), version="2")
    assert source.refresh()
    assert source.live.as_of == AS_OF
    assert source.live.pointer is not None
    assert source.live.pointer.version == "2"
    assert list(source.live.faults) == ["scores"]
    assert source.live.why_not_ready() is None
    scores_file(site, NEXT).write_bytes(whole)  # its manifest, by which changes are seen, is as it was
    assert not source.refresh()
    clock.at += RETRY_SECONDS
    assert source.refresh()
    assert (source.live.as_of, source.live.faults) == (NEXT, {})


def test_a_start_on_scores_that_cannot_be_read_is_alive_and_says_why_it_is_not_ready(site: Site) -> None:
    scores_file(site, AS_OF).write_bytes(b"")
    with TestClient(create_app(site.state())) as client:
        assert client.get("/health/live").status_code == 200
        ready = client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["reason"].startswith("it cannot be read")


def test_older_scores_that_answer_are_said_to_be_older(site: Site) -> None:
    state = site.state()
    with TestClient(create_app(state)) as client:
        client.headers["Authorization"] = f"Bearer {site.token()}"
        assert "Recovery-Degraded" not in client.get(f"/v1/people/{PEOPLE[0]}/score").headers
        site.publish_scores(NEXT)
        scores_file(site, NEXT).write_bytes(b"")
        state.source.refresh()
        answer = client.get(f"/v1/people/{PEOPLE[0]}/score")
        assert answer.json()["as_of_date"] == str(AS_OF)
        assert "older ones answer" in answer.headers["Recovery-Degraded"]


def test_scores_and_model_that_vanish_are_said_to_be_gone(site: Site, clock: Clock) -> None:
    source = source_of(site, clock)
    source.refresh()
    site.published.rename(site.root / "elsewhere")
    source.refresh()
    assert set(source.live.faults) == {"model", "scores"}
    assert source.live.model is not None
    assert len(source.live.people) == len(PEOPLE)


def test_a_model_of_other_definitions_is_not_used(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.publish_scores()
    site.publish_model(small_model(), definition_version="0")
    with TestClient(create_app(site.state())) as client:
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert "made with definitions 0, this release has 1" in ready.json()["reason"]


@pytest.fixture
def keyed(site: Site, clock: Clock) -> tuple[Site, Authenticator]:
    return site, Authenticator(site.keys, clock=clock, patience=Patience(clock=clock))


def test_known_keys_work_on_without_a_ledger_and_others_are_told_to_wait(
    keyed: tuple[Site, Authenticator], clock: Clock
) -> None:
    site, authenticator = keyed
    token, unseen, revoked = site.token(), site.token(), site.token()
    for one in (token, revoked):
        authenticator.verify(one)
    site.keys.revoke(revoked.split("_")[1], now=datetime(2026, 1, 1))
    with pytest.raises(ProblemError, match="revoked"):
        authenticator.verify(revoked)
    (site.root / "ledger.sqlite").write_bytes(b"no database" * 1_000)
    for seconds in (3.0, 300.0):
        clock.at += seconds
        assert authenticator.recall(token) is None
        assert authenticator.verify(token).role is Role.OPERATOR
        assert authenticator.is_degraded
    for one in (unseen, revoked):
        with pytest.raises(PassingError):
            authenticator.verify(one)
    clock.at += 600.0
    with pytest.raises(PassingError):
        authenticator.verify(token)


def test_a_key_that_ends_meanwhile_has_ended(keyed: tuple[Site, Authenticator], clock: Clock) -> None:
    site, authenticator = keyed
    real = datetime.now(UTC).replace(tzinfo=None)
    _, token = site.keys.issue(name="short", role=Role.VIEWER, now=real, valid_days=None)
    site.keys.revoke(token.split("_")[1], now=real + timedelta(seconds=60))
    authenticator.verify(token)
    (site.root / "ledger.sqlite").write_bytes(b"no database" * 1_000)
    clock.at += 3.0
    authenticator.verify(token)
    clock.at += 60.0
    with pytest.raises(PassingError):
        authenticator.verify(token)


def test_the_service_answers_without_a_ledger_and_says_so(site: Site) -> None:
    with TestClient(create_app(site.state()), raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {site.token()}"
        assert client.get(f"/v1/people/{PEOPLE[0]}/score").status_code == 200
        (site.root / "ledger.sqlite").write_bytes(b"no database" * 1_000)
        state = client.app.state.api  # type: ignore[attr-defined]
        state.told.refresh()
        answer = client.get(f"/v1/people/{PEOPLE[0]}/score")
        assert answer.status_code == 200
        assert "what was told since may be missing" in answer.headers["Recovery-Degraded"]
        described = client.post("/v1/score", json={"lead": {"ref": "a"}})
        assert described.status_code == 200


def test_a_store_that_hangs_is_waited_for_once_and_asked_again_when_it_is_free(clock: Clock) -> None:
    free = threading.Event()
    patience = Patience(answer_seconds=0.05, clock=clock)

    def hang() -> str:
        free.wait(20)
        return "late"

    with pytest.raises(PassingError):
        patience.ask(hang)
    assert patience.is_away
    clock.at += PAUSE_SECONDS
    asked: list[str] = []
    with pytest.raises(PassingError):  # the first question hangs still: no second one is put beside it
        patience.ask(lambda: asked.append("again"))
    assert asked == []
    free.set()
    for _ in range(1_000):
        try:
            assert patience.ask(lambda: "here") == "here"
            break
        except PassingError:
            threading.Event().wait(0.01)
    assert not patience.is_away


def test_what_was_told_before_a_new_day_is_not_counted_twice_while_the_ledger_is_away(tmp_path: Path) -> None:
    days = {"now": AS_OF}
    away = threading.Event()

    def act(number: int, at: datetime) -> ToldActivity:
        return ToldActivity(f"a{number}", "p", "k", at, at, "click", "inbound", "person", 1, None, False)

    def read(since: datetime) -> list[ToldActivity]:
        if away.is_set():
            raise PassingError("away", where="ledger", remedy="wait")
        return [act(1, datetime(2026, 6, 1, 12)), act(2, datetime(2026, 6, 2, 12))]

    told = Told(read, tmp_path / "told", lambda: days["now"])
    told.refresh()
    assert len(told.people["p"]) == 2
    away.set()
    days["now"] = NEXT
    told.refresh()
    assert told.fault is not None
    assert [one.activity_id for one in told.people["p"]] == ["a2"]


def test_the_promotion_is_seen_while_the_ledger_hangs(site: Site) -> None:
    state = site.state()
    hanging = threading.Event()

    def read(_since: datetime) -> list[Any]:
        hanging.wait(30)
        return []

    told = Told(read, site.root / "cache" / "slow", lambda: AS_OF, patience=Patience(answer_seconds=0.2))
    try:
        with TestClient(create_app(replace(state, told=told))) as client:
            client.headers["Authorization"] = f"Bearer {site.token()}"
            site.publish_model(small_model(seed=4), version="2")
            for _ in range(200):
                if client.get("/v1/model").json()["version"] == "2":
                    break
                threading.Event().wait(0.05)
            else:
                raise AssertionError("the promotion was not seen")
    finally:
        hanging.set()
