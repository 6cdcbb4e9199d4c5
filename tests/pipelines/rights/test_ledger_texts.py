"""What the ledger quotes is erased too, on both databases, and an erasure that was stopped can be finished."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from contracts.errors import BadInputError, PermanentError
from pipelines.rights.erasure import erase_people
from pipelines.rights.people import find_people
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading, writing
from recovery.rights.asking import RequestKind
from recovery.rights.files import hits
from recovery.rights.requests import open_request, open_requests
from recovery.rights.unfinished import unfinished_erasure
from tests.ledgers import LedgerTemplates, ledger_templates
from tests.pipelines.rights.place import NOW, Place, person, words
from tests.recovery.inbound.ledger_world import ADDRESSES

__all__ = ["ledger_templates"]
EMAIL, PHONE, NAME = words(3)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, ledger_templates: LedgerTemplates) -> Iterator[Place]:
    (tmp_path / "var" / "ledger").mkdir(parents=True)
    made = Place(tmp_path, ledger_templates.fresh(request.param, tmp_path / "var" / "ledger"))
    made.fill()
    yield made
    made.engine.dispose()


def say(place: Place, ref: str, *, address: str, text: str, person_id: str | None = None) -> None:
    row = {"kind": "event", "ref_id": ref, "person_id": person_id, "address": address, "text": text,
           "created_at": datetime(2026, 6, 1)}  # fmt: skip
    with writing(place.engine) as connection:
        connection.execute(sa.insert(tables.contents), [row])


def said(place: Place) -> dict[str, str]:
    content = tables.contents
    with reading(place.engine) as connection:
        return {row.ref_id: row.text for row in connection.execute(sa.select(content.c.ref_id, content.c.text))}


def all_rows(place: Place) -> str:
    with reading(place.engine) as connection:
        return str(
            [tuple(row) for table in tables.metadata.sorted_tables for row in connection.execute(table.select())]
        )


def test_replies_by_number_go_and_mentions_by_others_are_blotted_out(place: Place) -> None:
    say(place, "sms/1", address=PHONE, text="STOP")
    say(place, "sms/2", address="(212) 555-0003", text="STOP")
    say(place, "sms/3", address=words(25)[1], text="STOP")
    say(place, "mail/x", address=words(25)[0], person_id=person(25), text=f"ask {EMAIL.upper()} or {NAME}, not me")
    place.erase(EMAIL)
    left = said(place)
    assert {"sms/1", "sms/2"} & left.keys() == set()
    assert left["sms/3"] == "STOP"
    assert left["mail/x"] == "ask [erased] or [erased], not me"
    rows = all_rows(place)
    assert not [word for word in (EMAIL, PHONE, NAME) if word.lower() in rows.lower()]
    assert not list(hits(place.settings.var_dir, words(3)))


def test_a_text_that_cannot_be_cleaned_is_named_on_a_database_server_too(place: Place) -> None:
    note = {"approval_id": "a", "batch_id": "b", "sha256": "", "decision": "approved", "method": "whole",
            "decided_by": "desk", "decided_at": NOW, "note": f"looked at {EMAIL}"}  # fmt: skip
    batch = {"batch_id": "b", "sha256": "", "as_of_date": NOW.date(), "sender_id": "main", "state": "recorded",
             "planned": 0, "held_out": 0, "path": "", "created_at": NOW}  # fmt: skip
    with writing(place.engine) as connection:
        connection.execute(sa.insert(tables.batches), [batch])
        connection.execute(sa.insert(tables.approvals), [note])
    with pytest.raises(PermanentError, match=r"ledger: approvals\.note"):
        place.erase(EMAIL)


def receipts(place: Place) -> list[Any]:
    with reading(place.engine) as connection:
        return list(connection.execute(sa.select(tables.erasure_receipts.c.place)).scalars())


def erase(place: Place, request: str, who: str) -> None:
    begun = unfinished_erasure(place.engine, who)
    people = begun[1] if begun else find_people(place.settings.landing_dir, place.engine, [who])
    erase_people(place.settings, place.engine, people, addresses=ADDRESSES, now=NOW, request_id=request)


@pytest.mark.parametrize("again", [EMAIL, PHONE, person(3)])
def test_an_erasure_that_was_stopped_is_finished_by_the_second_run(place: Place, again: str) -> None:
    stuck = place.settings.var_dir / "cache" / "own.sqlite"
    stuck.write_bytes(b"\x00" + NAME.encode())
    request = open_request(place.engine, RequestKind.ERASE, person(3), by="dpo", received_at=NOW)
    with pytest.raises(PermanentError, match="1 files still hold"):
        erase(place, request, EMAIL)
    assert {"landing", "ledger", "outbox"} <= set(receipts(place)), "kept as they arise"
    with pytest.raises(BadInputError):
        find_people(place.settings.landing_dir, place.engine, [EMAIL])
    with pytest.raises(PermanentError, match="1 files still hold"):
        erase(place, request, again)
    stuck.unlink()
    erase(place, request, again)
    assert unfinished_erasure(place.engine, again) is None
    assert [row["request_id"] for row in open_requests(place.engine)] == [request]
    rows = all_rows(place)
    assert not [word for word in (EMAIL, PHONE, NAME) if word.lower() in rows.lower()]
    assert not list(hits(place.settings.var_dir, words(3)))
