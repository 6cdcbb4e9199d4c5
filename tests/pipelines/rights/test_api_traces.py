"""Erasure takes people out of what the API keeps: answers made ready, answers to be repeated, told activities."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from contracts.published import publish, read_manifest
from contracts.settings import Settings
from pipelines.rights.erasure import erase_people
from recovery.access.activities import ToldActivity, store_activities, told_since
from recovery.access.answers import claim_answer, keep_answer
from recovery.ledger.engine import make_engine, reading
from recovery.ledger.schema_access import api_answers
from recovery.rights.files import hits
from recovery.rights.matching import Identifiers
from serving.api.people import NOBODY, open_people
from tests.ledgers import ledger_templates, url
from tests.recovery.inbound.ledger_world import ADDRESSES
from tests.serving.api.conftest import AS_OF, PEOPLE, scores_table

__all__ = ["ledger_templates", "url"]
NOW = datetime(2026, 6, 1, 12)
GONE = PEOPLE[3:5]


def tell(engine: sa.Engine, person: str) -> None:
    """One told activity, and one answer that is given again for the same request."""
    canary = f"canary-{person[-4:]}"
    store_activities(
        engine, [ToldActivity(canary, person, "key", NOW, NOW, "form", "inbound", "person", 2, None, False)]
    )
    claim_answer(engine, key_id="key", idempotency_key=canary, route="score", body_sha256="x", now=NOW)
    text = f'{{"results": [{{"person_id": "{person}", "reasons": "{canary}"}}]}}'
    keep_answer(engine, key_id="key", idempotency_key=canary, status=200, answer=text)


def test_no_byte_of_the_erased_is_left_in_what_the_api_keeps(tmp_path: Path, url: str) -> None:
    settings = Settings(var_dir=tmp_path / "var", ledger_url=url)
    cache = settings.var_dir / "cache" / "api"
    publish(settings.published_dir, dataset="lead_scores", as_of=AS_OF, table=scores_table(), facts={})
    before = read_manifest(settings.published_dir, dataset="lead_scores", as_of=AS_OF)
    assert before is not None
    served = open_people(settings.published_dir, cache, before)
    (cache / "told").write_bytes(bytes(8))
    engine = make_engine(url)
    for person in PEOPLE:
        tell(engine, person)
    words = tuple(word for person in GONE for word in (person, f"canary-{person[-4:]}"))
    assert {path.parent.name for path, _ in hits(cache, words)} == {next(p.name for p in cache.iterdir() if p.is_dir())}

    people = Identifiers(person_ids=frozenset(GONE))
    done = erase_people(settings, engine, people, addresses=ADDRESSES, now=NOW)
    receipts = {(receipt.place, receipt.item.partition("/")[0]): receipt.rows for receipt in done.receipts}
    assert receipts["ledger", "api_activities"] == receipts["ledger", "api_answers"] == len(GONE)
    assert ("cache", "api") in receipts

    assert list(hits(settings.var_dir, words)) == []
    assert list(hits(settings.published_dir, ("0 replies in 90 days",))), "the search looks into lists"
    assert (cache / "told").exists(), "a running server goes on with its counter"
    assert {one.person_id for one in told_since(engine, NOW)} == set(PEOPLE) - set(GONE)
    with reading(engine) as connection:
        kept = str(connection.execute(sa.select(api_answers.c.answer)).scalars().all())
    engine.dispose()
    assert not [word for word in words if word in kept]
    if url.startswith("sqlite"):
        canaries = tuple(word for word in words if word.startswith("canary"))
        assert list(hits(tmp_path, canaries)) == []
        assert list(hits(tmp_path, ("canary-0009",))), "the others are there"

    after = read_manifest(settings.published_dir, dataset="lead_scores", as_of=AS_OF)
    assert after is not None
    again = open_people(settings.published_dir, cache, after)
    assert len(served) == len(PEOPLE)
    assert len(again) == len(PEOPLE) - len(GONE)
    assert again.find(GONE).tolist() == [NOBODY] * len(GONE)
    assert (again.find([PEOPLE[9]]) != NOBODY).all()
    assert list(hits(cache, words)) == []
