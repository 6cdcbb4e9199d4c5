from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa

from contracts.errors import BadInputError
from recovery.access import KeyStore, Role, add_usage, read_usage, split_token
from recovery.access.answers import KEEP, Claim, claim_answer, forget_answers, keep_answer, release_answer

NOW = datetime(2026, 6, 1, 5)


def test_a_key_opens_until_it_ends_and_its_secret_is_not_kept(engine: sa.Engine) -> None:
    store = KeyStore(engine)
    key, token = store.issue(name="crm", role=Role.OPERATOR, now=NOW, owner_id="anna", valid_days=10)
    assert store.verify(token, now=NOW) == key
    assert store.verify(token, now=NOW + timedelta(days=10)) is None
    with engine.connect() as connection:
        stored = str(connection.exec_driver_sql("select * from api_keys").all())
    assert token.split("_", 2)[2] not in stored


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: t + "x", lambda t: "lre_x_y", lambda t: "", lambda t: "é"]
)
def test_a_wrong_token_opens_nothing(engine: sa.Engine, spoil: object) -> None:
    store = KeyStore(engine)
    _, token = store.issue(name="crm", role=Role.VIEWER, now=NOW)
    assert store.verify(spoil(token), now=NOW) is None  # type: ignore[operator]


def test_a_rotated_key_works_for_a_day_beside_the_new_one(engine: sa.Engine) -> None:
    store = KeyStore(engine)
    old, token = store.issue(name="crm", role=Role.VIEWER, now=NOW, team_id="north")
    new, fresh = store.rotate(old.key_id, now=NOW)
    assert new.replaces == old.key_id
    assert new.team_id == "north"
    for moment, works in ((NOW + timedelta(hours=23), True), (NOW + timedelta(hours=25), False)):
        assert (store.verify(token, now=moment) is not None) == works
        assert store.verify(fresh, now=moment) is not None


def test_a_revoked_key_is_over_at_once(engine: sa.Engine) -> None:
    store = KeyStore(engine)
    key, token = store.issue(name="crm", role=Role.ADMIN, now=NOW, valid_days=None)
    store.revoke(key.key_id, now=NOW)
    assert store.verify(token, now=NOW) is None
    with pytest.raises(BadInputError, match="No live API key"):
        store.revoke(key.key_id, now=NOW)


def test_a_secret_may_hold_underscores() -> None:
    assert split_token("lre_ab_c_d_e") == ("ab", "c_d_e")
    assert split_token("other_ab_cd") is None


def test_usage_adds_up(engine: sa.Engine) -> None:
    key = ("k", date(2026, 6, 1), "score", "ok")
    add_usage(engine, {key: (2, 5)})
    add_usage(engine, {key: (1, 1), ("j", date(2026, 6, 1), "score", "limited"): (1, 0)})
    add_usage(engine, {})
    rows = read_usage(engine, since=date(2026, 6, 1), key_id="k")
    assert [(row.requests, row.items) for row in rows] == [(3, 6)]
    assert len(read_usage(engine, since=date(2026, 6, 1))) == 2
    assert read_usage(engine, since=date(2026, 6, 2)) == ()


def test_an_idempotency_key_gives_the_first_answer_again(engine: sa.Engine) -> None:
    own = {"key_id": "k", "idempotency_key": "i"}

    def claim(body: str, now: datetime = NOW) -> Claim:
        return claim_answer(engine, **own, route="score", body_sha256=body, now=now).claim

    assert claim("a") is Claim.NEW
    assert claim("a") is Claim.IN_PROGRESS
    assert claim("b") is Claim.CONFLICT
    keep_answer(engine, **own, status=200, answer="{}")
    again = claim_answer(engine, **own, route="score", body_sha256="a", now=NOW)
    assert (again.claim, again.status, again.answer) == (Claim.REPEATED, 200, "{}")
    assert claim_answer(engine, **own, route="events", body_sha256="a", now=NOW).claim is Claim.CONFLICT
    assert claim_answer(engine, key_id="j", idempotency_key="i", route="score", body_sha256="a", now=NOW).claim is (
        Claim.NEW
    )
    assert claim("b", NOW + KEEP) is Claim.NEW


def test_a_failed_or_dead_request_gives_its_key_back(engine: sa.Engine) -> None:
    own = {"key_id": "k", "idempotency_key": "i"}
    assert claim_answer(engine, **own, route="s", body_sha256="a", now=NOW).claim is Claim.NEW
    release_answer(engine, **own)
    assert claim_answer(engine, **own, route="s", body_sha256="a", now=NOW).claim is Claim.NEW
    later = NOW + timedelta(minutes=1)
    assert claim_answer(engine, **own, route="s", body_sha256="a", now=later).claim is Claim.NEW
    assert forget_answers(engine, now=later) == 0
    assert forget_answers(engine, now=later + KEEP) == 1
