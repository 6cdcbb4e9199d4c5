"""Who is found by an id, an address or a number: every record of the person, and nobody who shares an address."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from contracts.errors import BadInputError
from contracts.words import Crm
from pipelines.rights.access import export_person
from pipelines.rights.erasure import erase_people
from pipelines.rights.landed_people import declared_countries
from pipelines.rights.landing import people_rows
from pipelines.rights.people import find_people
from recovery.identity import person_id_of
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading, writing
from recovery.rights.asking import RequestKind
from recovery.rights.files import hits
from recovery.rights.matching import Identifiers
from recovery.rights.requests import merge
from tests.ledgers import LedgerTemplates, ledger_templates
from tests.pipelines.ingest.helpers import CONTACTS_HEADER, HUBSPOT
from tests.pipelines.rights.place import NOW, Place
from tests.recovery.inbound.ledger_world import ADDRESSES

__all__ = ["ledger_templates"]
CHAIN = (
    "1,2024-01-02 10:00,Ann,Applewhite,ann@acme.example,(212) 555-0100,US",
    "2,2024-01-02 10:00,Bob,Brandywine,bob@acme.example,(212) 555-0100,US",
    "3,2024-01-02 10:00,Cyd,Cottonwood,bob@acme.example,(212) 555-0199,US",
    "4,2024-01-02 10:00,Dan,Dragonetti,dan@other.example,(212) 555-0199,US",
)
At = Callable[..., Place]


@pytest.fixture
def at(tmp_path: Path, ledger_templates: LedgerTemplates) -> Iterator[At]:
    """Makes a site that landed some contacts."""
    made: list[Place] = []

    def make(*lines: str) -> Place:
        (tmp_path / "var" / "ledger").mkdir(parents=True)
        place = Place(tmp_path, ledger_templates.fresh("sqlite", tmp_path / "var" / "ledger"))
        place.put("contacts.csv", "\n".join([CONTACTS_HEADER, *lines]) + "\n")
        place.ingest(Crm.HUBSPOT)
        made.append(place)
        return place

    yield make
    for place in made:
        place.engine.dispose()


def find(place: Place, *who: str) -> Identifiers:
    return find_people(place.settings.landing_dir, place.engine, who)


def record(number: int) -> str:
    return f"hub:contacts:{number}"


def ids(*numbers: int) -> set[str]:
    return {person_id_of(record(number)) for number in numbers}


def link(place: Place, number: int, person: int, hours: int, why: str = "email") -> None:
    row = {"record_key": record(number), "person_id": person_id_of(record(person)), "why": why,
           "since": datetime(2026, 5, 1) + timedelta(hours=hours), "as_of_date": date(2026, 5, 1)}  # fmt: skip
    with writing(place.engine) as connection:
        connection.execute(sa.insert(tables.person_links), [row])


def landed(place: Place, people: Identifiers, target: Path) -> list[str]:
    export_person(place.settings, place.engine, people, target, addresses=ADDRESSES, now=NOW)
    with zipfile.ZipFile(target) as archive:
        return [row["First Name"] for rows in json.loads(archive.read("landing.json")).values() for row in rows]


def test_a_shared_number_or_mailbox_makes_nobody_the_same_person(at: At, tmp_path: Path) -> None:
    place = at(*CHAIN)
    people = find(place, "ann@acme.example")
    assert people.person_ids == people.current_ids == ids(1)
    assert people.emails == {"ann@acme.example"}
    assert people.numbers == people.phones == set()
    assert people.shared == 1
    assert landed(place, people, tmp_path / "ann.zip") == ["Ann"]


def test_erasing_one_leaves_the_others_with_the_shared_number(at: At) -> None:
    place = at(*CHAIN)
    place.erase("ann@acme.example")
    assert not list(hits(place.settings.var_dir, ("ann@acme.example", "ann applewhite")))
    landing = place.settings.landing_dir
    for word in ("(212) 555-0100", "bob@acme.example", "Cottonwood", "dan@other.example"):
        assert list(hits(landing, (word,))), word
    with reading(place.engine) as connection:
        closed = set(connection.execute(sa.select(tables.suppressions.c.address_hash)).scalars())
        kept = connection.execute(
            sa.select(tables.erasure_receipts.c.rows).where(tables.erasure_receipts.c.place == "kept")
        ).scalar_one()
        event = tables.permission_events
        refused = connection.execute(sa.select(event.c.person_id).where(event.c.stance == "refused")).scalars().all()
    assert closed == {ADDRESSES.hash("ann@acme.example")}
    assert kept == 1
    assert set(refused) == ids(1), "who has no address of their own left stays blocked by id"


@pytest.mark.parametrize(
    ("address", "holders"), [("bob@acme.example", (2, 3)), ("+12125550100", (1, 2)), ("+12125550199", (3, 4))]
)
def test_an_address_of_several_people_asks_for_the_id(at: At, address: str, holders: tuple[int, int]) -> None:
    with pytest.raises(BadInputError, match="2 people have that address") as caught:
        find(at(*CHAIN), address)
    assert all(f"{person_id_of(record(number))} ({record(number)})" in caught.value.where for number in holders)
    assert "person id" in caught.value.remedy


def test_records_with_an_agreeing_name_are_the_same_person_through_any_address(at: At) -> None:
    place = at(
        "1,2024-01-02 10:00,Ann,Applewhite,ann@acme.example,(212) 555-0100,US",
        "5,2024-01-02 10:00,Ann,Aplewhite,ann@home.example,212-555-0100,US",
        "6,2024-01-02 10:00,,,ann@home.example,,US",
        "7,2024-01-02 10:00,Bob,Brandywine,bob@acme.example,(212) 555-0100,US",
    )
    people = find(place, "ann@acme.example")
    assert people.person_ids == ids(1, 5, 6)
    assert people.emails == {"ann@acme.example", "ann@home.example"}
    assert people.shared == 1


def test_links_and_merges_of_the_ledger_join_and_an_undone_link_does_not(at: At) -> None:
    place = at(
        "1,2024-01-02 10:00,Ann,Applewhite,ann@acme.example,,US",
        "5,2024-01-02 10:00,Anna,Smith,ann@home.example,,US",
        "6,2024-01-02 10:00,Cyd,Cottonwood,cyd@home.example,,US",
        "7,2024-01-02 10:00,Dan,Dragonetti,dan@home.example,,US",
    )
    for number, person, hours, why in (
        (1, 1, 0, "first_observed"), (5, 5, 0, "first_observed"), (5, 1, 1, "crm_merge"),
        (6, 6, 0, "first_observed"), (6, 1, 1, "crm_merge"), (6, 6, 2, "unmerged"),
    ):  # fmt: skip
        link(place, number, person, hours, why)
    people = find(place, person_id_of(record(5)))
    assert people.person_ids == ids(1, 5)
    assert people.current_ids == ids(1)
    assert find(place, "cyd@home.example").person_ids == ids(6)
    pair = [person_id_of(record(number)) for number in (7, 1)]
    merge(place.engine, *pair, kind=RequestKind.MERGE, why="same", by="dpo", now=NOW)
    assert find(place, "ann@acme.example").person_ids == ids(1, 5, 7)
    later = NOW + timedelta(minutes=1)
    merge(place.engine, *reversed(pair), kind=RequestKind.UNMERGE, why="not", by="dpo", now=later)
    assert find(place, "ann@acme.example").person_ids == ids(1, 5)
    with pytest.raises(BadInputError, match="No merge of these two stands"):
        merge(place.engine, *pair, kind=RequestKind.UNMERGE, why="not", by="dpo", now=later)


@pytest.mark.parametrize(
    ("number", "country", "e164"),
    [
        ("030 12345678", "Germany", "+493012345678"),
        ("(212) 555-0100", "United States", "+12125550100"),
        ("030 12345678", "", "+493012345678"),
    ],
)
def test_the_number_of_an_erased_person_is_blocked_as_ingest_reads_it(
    at: At, number: str, country: str, e164: str
) -> None:
    text = HUBSPOT.replace("UTC}", "UTC, declaration: {by: desk, at: 2026-01-01, words: ours, country: DE}}")
    place = at(f"1,2024-01-02 10:00,Anna,Apfelbaum,anna@acme.example,{number},{country}")
    place.text = text
    place.settings = place.settings.model_copy(update={"sources_file": place.root / "sources.yml"})
    assert place.sources
    countries = declared_countries(place.settings)
    people = find_people(place.settings.landing_dir, place.engine, ["anna@acme.example"], countries=countries)
    assert people.numbers == {e164}
    assert e164 in people.words


@pytest.mark.parametrize("who", ["nobody@x.example", "+12125559999", "person-99999", "  "])
def test_a_name_of_nobody_is_refused(at: At, who: str) -> None:
    with pytest.raises(BadInputError, match="Nobody here is known"):
        find(at(*CHAIN), who)


def test_a_record_of_somebody_else_that_mentions_the_person_stays_without_the_words(at: At, tmp_path: Path) -> None:
    place = at(
        "1,2024-01-02 10:00,Ann,Applewhite,ann@acme.example,(212) 555-0100,US",
        "2,2024-01-02 10:00,Bob,(for Ann Applewhite; ANN@acme.example; 212.555.0100),bob@acme.example,,US",
        ",2024-01-02 10:00,Ann,Applewhite,ann@acme.example,,US",
        ",2024-01-02 10:00,Cyd,Cottonwood,cyd@acme.example,,US",
    )
    assert landed(place, find(place, "ann@acme.example"), tmp_path / "ann.zip") == ["Ann"]
    place.erase("ann@acme.example")
    rows = [row for _, _, table in people_rows(place.settings.landing_dir) for row in table.to_pylist()]
    assert sorted((row["First Name"], row["Last Name"]) for row in rows) == [
        ("Bob", "(for [erased]; [erased]; [erased])"),
        ("Cyd", "Cottonwood"),
    ]


def test_half_an_address_in_a_record_takes_nobody_else_out(at: At) -> None:
    place = at(
        "1,2024-01-02 10:00,Ann,Applewhite,ann@,(212) 555-0100,US",
        "2,2024-01-02 10:00,Joann,Brandywine,joann@acme.example,(212) 555-0199,US",
    )
    people = find(place, person_id_of(record(1)))
    assert people.emails == frozenset()
    erase_people(place.settings, place.engine, people, addresses=ADDRESSES, now=NOW)
    assert [path.parent.name for path, _ in hits(place.settings.landing_dir, ("joann@acme.example",))]
    assert not list(hits(place.settings.landing_dir, ("applewhite",)))
