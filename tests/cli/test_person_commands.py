"""`recovery person`: names are resolved before anything is written, and nobody unknown is promised anything."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipelines.runlock import take_run_lock
from recovery.ledger import schema as tables
from recovery.ledger.engine import make_engine, reading
from recovery.rights.asking import RequestKind
from recovery.rights.requests import open_request
from tests.cli.installation import Installation, Told, house

__all__ = ["house"]
WRITTEN = (tables.restrictions, tables.person_aliases, tables.rights_requests, tables.audit, tables.erasure_receipts)


@pytest.fixture
def planned(house: Installation) -> Installation:
    """People 0 to 19 got touches, so that the ledger knows them."""
    assert house.run("plan").code == 0
    return house


def rows(house: Installation, table: sa.Table) -> list[dict[str, Any]]:
    engine = make_engine(house.settings.ledger_sqlalchemy_url)
    with reading(engine) as connection:
        found = [dict(row._mapping) for row in connection.execute(sa.select(table))]
    engine.dispose()
    return found


def somebody(house: Installation, number: int = 0) -> tuple[str, str]:
    """Person id and e-mail address of a planned touch."""
    touches = sorted(
        (row["person_id"], row["address"])
        for row in rows(house, tables.contents)
        if row["kind"] == "touch" and "@" in row["address"]
    )
    return touches[number]


def everything(house: Installation) -> list[list[dict[str, Any]]]:
    return [rows(house, table) for table in WRITTEN]


def refused(told: Told, what: str) -> None:
    assert told.code == 1, told.text
    assert what in told.errors
    assert "remedy" in told.errors


def test_an_address_restricts_its_person_by_id_and_stands_nowhere_in_the_ledger(planned: Installation) -> None:
    who, email = somebody(planned)
    told = planned.run("person", "restrict", email)
    assert told.code == 0, told.text
    assert f"Found {who}" in told.text
    assert [(row["person_id"], row["kind"]) for row in rows(planned, tables.restrictions)] == [(who, "restrict")]
    assert email not in str(everything(planned))
    assert "asked that nothing be done" in planned.run("explain", who, "--channel", "email").text
    planned.clock = "2026-06-01T05:01:00+00:00"
    assert planned.run("person", "restrict", email, "--lift").code == 0
    now, _, past = planned.run("explain", who, "--channel", "email").text.partition("Touches, each decided again")
    assert "asked that nothing be done" not in now
    assert "asked that nothing be done" in past, "the touch of the minute before"


@pytest.mark.parametrize(
    "words",
    [
        ("restrict", "person-99999"),
        ("restrict", "nobody@x.example"),
        ("restrict", "person-99999", "--lift"),
        ("export", "nobody@x.example", "--to", "{folder}/nobody.zip"),
        ("export", "+12125559999", "--to", "{folder}/nobody.zip"),
        ("erase", "nobody@x.example", "--yes"),
        ("merge", "person-99999", "person-99998"),
        ("merge", "person-99999", "person-99998", "--undo"),
    ],
)
def test_a_name_of_nobody_is_refused_and_leaves_no_trace(
    planned: Installation, tmp_path: Path, words: tuple[str, ...]
) -> None:
    before = everything(planned)
    told = planned.run("person", *(word.format(folder=tmp_path) for word in words))
    refused(told, "No merge of these two stands" if "--undo" in words else "Nobody here is known by that")
    assert everything(planned) == before
    assert not (tmp_path / "nobody.zip").exists()


def test_an_undo_ends_the_merge_in_either_order(planned: Installation) -> None:
    (one, email), (other, _) = somebody(planned, 0), somebody(planned, 1)
    assert planned.run("person", "merge", email, other).code == 0
    refused(planned.run("person", "merge", other, one), "Both are one person already")
    planned.clock = "2026-06-01T05:01:00+00:00"
    told = planned.run("person", "merge", other, one, "--undo")
    assert told.code == 0, told.text
    assert [(row["person_id"], row["canonical_id"], row["kind"]) for row in rows(planned, tables.person_aliases)] == [
        (one, other, "merge"),
        (one, other, "unmerge"),
    ]
    refused(planned.run("person", "merge", one, other, "--undo"), "No merge of these two stands")


def test_export_and_erasure_show_who_was_found(planned: Installation, tmp_path: Path) -> None:
    who, email = somebody(planned)
    told = planned.run("person", "export", email, "--to", str(tmp_path / "p.zip"))
    assert told.code == 0, told.text
    assert f"Found {who} records: none addresses of their own: 1" in told.text
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        assert email in archive.read("ledger.json").decode()
    told = planned.run("person", "erase", email, "--yes")
    assert told.code == 0, told.text
    assert f"Found {who}" in told.text
    assert [row["state"] for row in rows(planned, tables.rights_requests)] == ["completed", "completed"]
    refused(planned.run("person", "export", email, "--to", str(tmp_path / "q.zip")), "Nobody here is known")


def test_an_erasure_that_was_stopped_is_finished_by_the_same_command(planned: Installation) -> None:
    who, email = somebody(planned)
    stuck = planned.settings.var_dir / "cache" / "own.sqlite"
    stuck.parent.mkdir(exist_ok=True)
    stuck.write_bytes(b"\x00" + email.encode())
    refused(planned.run("person", "erase", email, "--yes"), "1 files still hold somebody")
    (request,) = rows(planned, tables.rights_requests)
    assert request["request_id"] in planned.run("person", "requests").text
    stuck.unlink()
    told = planned.run("person", "erase", who, "--yes")
    assert told.code == 0, told.text
    assert [row["request_id"] for row in rows(planned, tables.rights_requests)] == [request["request_id"]]
    assert "No request is open" in planned.run("person", "requests").text


@pytest.mark.parametrize("words", [("erase", "{who}", "--yes"), ("retention", "--apply")])
def test_nothing_is_removed_under_a_run_that_goes_on(planned: Installation, words: tuple[str, ...]) -> None:
    who, email = somebody(planned)
    lock = take_run_lock(planned.settings.var_dir, wait_seconds=0)
    try:
        told = planned.run("person", *(word.format(who=who) for word in words))
    finally:
        lock.release()
    refused(told, "Another run of this installation is going on")
    assert somebody(planned) == (who, email)


def test_open_requests_are_listed_late_ones_first_and_a_late_one_fails(house: Installation) -> None:
    assert "No request is open" in house.run("person", "requests").text
    engine = make_engine(house.settings.ledger_sqlalchemy_url)
    now = house.world.engine().now().replace(tzinfo=None)
    law = {name: open_request(engine, RequestKind.ERASE, name, by="dpo", received_at=now, law=name)
           for name in ("ccpa", "gdpr")}  # fmt: skip
    engine.dispose()
    told = house.run("person", "requests")
    assert told.code == 0, told.text
    assert told.text.index(law["gdpr"]) < told.text.index(law["ccpa"])
    assert "due 2026-06-29 erase gdpr" in told.text
    house.clock = "2026-06-29T05:00:01+00:00"
    told = house.run("person", "requests")
    assert told.code == 1
    assert "late 2026-06-29 erase gdpr" in told.text
    assert "2 open, 1 late." in told.text
