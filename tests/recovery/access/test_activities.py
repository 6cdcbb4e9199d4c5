from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from recovery.access.activities import TOLD_SCHEMA, ToldActivity, store_activities, told_before, told_since
from recovery.access.answers import claim_answer, keep_answer
from recovery.ledger.schema_access import api_answers
from recovery.rights.matching import Identifiers
from recovery.rights.requests import erase_from_ledger

AT = datetime(2026, 6, 1, 12, 0, 0, 123456)
ONE = ToldActivity("a1", "p1", "k", AT - timedelta(hours=1), AT, "open", "inbound", "machine", 0, None, True)


def test_an_activity_is_stored_once_and_read_as_it_was(engine: sa.Engine) -> None:
    again = replace(ONE, key_id="other", observed_at=AT + timedelta(days=1))
    assert store_activities(engine, [ONE]).new == 1
    assert store_activities(engine, [again, again]).new == 0
    assert store_activities(engine, []).new == 0
    assert told_since(engine, AT) == (ONE,)
    assert told_since(engine, AT + timedelta(microseconds=1)) == ()
    table = told_before(engine, AT + timedelta(microseconds=1))
    assert table.schema == TOLD_SCHEMA
    assert ToldActivity(**table.to_pylist()[0]) == ONE
    assert told_before(engine, AT).num_rows == 0


def test_another_content_under_the_same_id_stores_nothing(engine: sa.Engine) -> None:
    store_activities(engine, [ONE])
    new = replace(ONE, activity_id="a2")
    assert store_activities(engine, [new, replace(ONE, kind="form")]).conflicts == ("a1",)
    assert told_since(engine, AT) == (ONE,)


def test_erasure_takes_what_was_told_and_answered_about_a_person(engine: sa.Engine) -> None:
    other = replace(ONE, activity_id="a2", person_id="p2")
    store_activities(engine, [ONE, other])
    for person in ("p1", "p2"):
        own = {"key_id": "k", "idempotency_key": person}
        claim_answer(engine, **own, route="score", body_sha256="x", now=AT)
        keep_answer(engine, **own, status=200, answer=f'{{"person_id":"{person}"}}')
    erase_from_ledger(engine, Identifiers(person_ids=frozenset({"p1"})), suppress=[], sender_id="main", now=AT)
    assert told_since(engine, AT) == (other,)
    with engine.connect() as connection:
        assert connection.execute(sa.select(api_answers.c.idempotency_key)).scalars().all() == ["p2"]
