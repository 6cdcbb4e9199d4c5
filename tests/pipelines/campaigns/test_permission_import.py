"""What exports, lists and the operator say reaches the ledger once, and holds at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from contracts.words import Channel
from pipelines.campaigns.permission_import import ImportReport, import_permissions
from pipelines.ingest.suppress import land_suppressions
from pipelines.resources import Engine
from pipelines.warehouse import Warehouse
from recovery.addresses import load_address_key
from recovery.ledger import Ledger, open_ledger
from recovery.ledger import schema as tables
from recovery.ledger.audit import verify_chain
from recovery.ledger.engine import reading
from recovery.permission import Stance
from recovery.permission.book import read_families, read_known
from recovery.permission.history import standing
from tests.recovery.permission.ledger_world import World, lead

NOW = datetime(2026, 6, 1, 6)
THEN = datetime(2026, 3, 1)
MAIL, PHONE = "ann@acme.example", "+12125550100"


class Site:
    """A warehouse with the few tables that matter, and a ledger."""

    def __init__(self, folder: Path) -> None:
        self.engine = Engine(
            root=str(folder), overrides={"var_dir": str(folder / "var")}, fixed_now="2026-06-01T06:00:00+00:00"
        )
        self.warehouse: Warehouse = self.engine.warehouse
        self.key = load_address_key(self.engine.settings.secrets_dir)
        self.ledger: Ledger = open_ledger(self.engine.settings.ledger_sqlalchemy_url)
        with self.warehouse.open() as connection:
            connection.execute(
                """
                create schema raw; create schema intermediate; create schema staging;
                create table raw.sources (source varchar, declared_by varchar, declared_at date,
                    declaration_words varchar, declared_basis varchar);
                create table intermediate.person_links (record_key varchar, person_id varchar, since timestamp,
                    why varchar);
                create table intermediate.int_record_versions (record_key varchar, email varchar, phone varchar);
                create table intermediate.int_permissions__facts (record_key varchar, channel varchar, stance varchar,
                    basis varchar, evidence varchar, source varchar, since timestamp, expires_at timestamp,
                    observed_at timestamp, collected_during varchar, optout_offered_at_collection boolean,
                    seller varchar, disclosure_version varchar);
                """
            )

    def record(self, key: str, person: str, *, email: str | None = MAIL, phone: str | None = None) -> None:
        self.add("intermediate.person_links", key, person, THEN, "first_observed")
        self.add("intermediate.int_record_versions", key, email, phone)

    def fact(self, key: str, basis: str, *, channel: str = "email", stance: str = "refused", **more: Any) -> None:
        values = dict.fromkeys(("expires_at", "during", "offered", "seller", "text")) | {"since": THEN} | more
        self.add("intermediate.int_permissions__facts", key, channel, stance, basis, "column", "crm",
                 values["since"], values["expires_at"], THEN, values["during"], values["offered"], values["seller"],
                 values["text"])  # fmt: skip

    def add(self, table: str, *values: Any) -> None:
        with self.warehouse.open() as connection:
            connection.execute(f"insert into {table} values ({', '.join('?' * len(values))})", list(values))

    def run(self, now: datetime = NOW) -> ImportReport:
        return import_permissions(self.warehouse, self.ledger, self.key, sender_id="main", now=now)

    def stands(self, person: str, *addresses: str) -> set[tuple[str, str]]:
        keys = [self.key.hash(address) for address in addresses]
        with reading(self.ledger.engine) as connection:
            known = read_known(connection, keys=keys, people=[person])
        return {
            (fact.channel, fact.basis) for fact in standing(known.of(person, keys)) if fact.stance is Stance.REFUSED
        }


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.ledger.close()


def test_an_opt_out_column_reaches_the_ledger_once_and_by_its_address(site: Site) -> None:
    site.record("crm:contacts:1", "p1", phone=PHONE)
    site.fact("crm:contacts:1", "opt_out")
    site.fact("crm:contacts:1", "do_not_contact", channel="call")
    assert site.run() == ImportReport(statements=2, suppressions=2, events=0, merges=0)
    assert site.run(NOW + timedelta(days=1)) == ImportReport(2, 0, 0, 0)
    assert site.stands("nobody", MAIL) == {("email", "opt_out")}  # whoever has the address
    assert site.stands("p1") == {("email", "opt_out"), ("call", "do_not_contact")}
    with reading(site.ledger.engine) as connection:
        text = str(list(connection.execute(sa.select(tables.suppressions))))
        assert verify_chain(connection).is_whole
    assert "acme" not in text
    assert PHONE not in text


def test_a_refusal_without_an_address_is_kept_by_the_person(site: Site) -> None:
    site.record("crm:contacts:1", "p1", email=None)
    site.fact("crm:contacts:1", "objection", channel="all")
    assert site.run().events == 1
    assert site.stands("p1") == {("all", "objection")}


def test_a_written_consent_allows_texts_to_its_own_number_once_its_record_is_full(site: Site) -> None:
    """T-04: number, seller, disclosure version, moment, source and evidence are all on record."""
    site.record("crm:leads:1", "p1", phone=PHONE)
    site.record("crm:leads:2", "p2", phone="+12125550102", email="bob@acme.example")
    consent = {"channel": "sms", "stance": "allowed", "seller": "Acme Recovery"}
    site.fact("crm:leads:1", "written_consent", text="2026-01", **consent)
    site.fact("crm:leads:2", "written_consent", **consent)
    site.run()
    assert site.run(NOW + timedelta(days=1)).events == 0
    with reading(site.ledger.engine) as connection:
        rows = {row.person_id: row for row in connection.execute(sa.select(tables.permission_events))}
        world = World(site.ledger.engine, now=NOW, key=site.key)
    assert (rows["p1"].seller, rows["p1"].disclosure_version) == ("Acme Recovery", "2026-01")
    assert rows["p2"].disclosure_version == ""
    world.now = datetime(2026, 6, 1, 15)
    world.batch()
    text = {"channel": Channel.SMS, "facts": lead(facts=frozenset())}
    mine, foreign, partial = (
        world.touch("p1", PHONE, **text), world.touch("p1", "+12125550199", **text),
        world.touch("p2", "+12125550102", **text),
    )  # fmt: skip
    assert world.ask(mine, foreign, partial) == ["allowed", "refused consent_required", "refused consent_incomplete"]


def test_consents_and_declarations_are_statements_of_an_import(site: Site) -> None:
    site.record("crm:contacts:1", "p1")
    site.fact("crm:contacts:1", "express_consent", stance="allowed", offered=True, during="sale")
    site.fact("crm:contacts:1", "inquiry", channel="all", stance="allowed")  # follows from activities: not written
    site.add("raw.sources", "crm", "R. Stone", THEN.date(), "Own customers of ten years", "relationship")
    assert site.run() == ImportReport(statements=2, suppressions=0, events=2, merges=0)
    with reading(site.ledger.engine) as connection:
        rows = {row.basis: row for row in connection.execute(sa.select(tables.permission_events))}
    assert not any(row.is_lead_originated for row in rows.values())
    assert rows["express_consent"].address_hash == site.key.hash(MAIL)
    assert (rows["relationship"].declared_by, rows["relationship"].person_id) == ("R. Stone", None)


def test_a_list_bars_addresses_that_no_record_has_yet(site: Site) -> None:
    with site.warehouse.open() as connection:
        connection.execute(
            "create table staging.stg_mapped__suppressions as select 'list' as source, r as reason, e as email, "
            "p as phone, timestamp '2026-02-01' as occurred_at, timestamp '2026-05-31' as exported_at from (values "
            f"('opt_out', 'new@x.example', null), ('complaint', null, '{PHONE}')) as t (r, e, p)"
        )
    assert site.run().suppressions == 2
    assert site.stands("anybody", "new@x.example") == {("email", "opt_out")}
    assert site.stands("anybody", PHONE) == {("all", "complaint")}


def test_a_refusal_in_an_export_of_the_day_is_written_at_once(site: Site) -> None:
    site.record("crm:contacts:1", "p1")
    with site.warehouse.open() as connection:
        connection.execute(
            "create table intermediate.int_permissions__late as select * from (values "
            "('crm:contacts:1', null::varchar, null::varchar, 'email', 'opt_out', 'column', 'crm', "
            "timestamp '2026-06-01 03:00'), "
            f"(null, null, '{PHONE}', 'sms', 'opt_out', 'list', 'crm', timestamp '2026-06-01 03:00')) "
            "as t (record_key, email, phone, channel, basis, evidence, source, since)"
        )
    assert site.run().suppressions == 2
    assert site.stands("anybody", MAIL) == {("email", "opt_out")}
    assert site.stands("anybody", PHONE) == {("sms", "opt_out")}


def test_merges_of_records_are_merges_of_permission_and_can_be_undone(site: Site) -> None:
    site.record("crm:contacts:1", "p1", email="one@x.example")
    site.record("crm:contacts:2", "p2", email="two@x.example")
    site.fact("crm:contacts:2", "objection", channel="all")
    site.run()
    assert site.stands("p1", "one@x.example") == set()
    site.add("intermediate.person_links", "crm:contacts:2", "p1", THEN + timedelta(days=9), "email")
    assert site.run(NOW + timedelta(days=1)).merges == 1
    assert site.stands("p1", "one@x.example") == {("all", "objection")}
    assert site.run(NOW + timedelta(days=2)).merges == 0


def test_who_parts_in_the_crm_keeps_what_was_refused_while_they_were_one(site: Site) -> None:
    site.record("crm:contacts:1", "p1", email="one@x.example")
    site.record("crm:contacts:2", "p2", email="two@x.example")
    site.add("intermediate.person_links", "crm:contacts:2", "p1", THEN + timedelta(days=9), "email")
    assert site.run().merges == 1
    site.fact("crm:contacts:2", "objection", channel="all")
    site.run(NOW + timedelta(days=1))
    site.add("intermediate.person_links", "crm:contacts:2", "p2", THEN + timedelta(days=20), "unmerged")
    assert site.run(NOW + timedelta(days=2)).merges == 1
    for person, address in (("p1", "one@x.example"), ("p2", "two@x.example")):
        assert site.stands(person, address) == {("all", "objection")}
    with reading(site.ledger.engine) as connection:
        assert read_families(connection, ["p1"])["p1"] == {"p1"}


def test_a_warehouse_without_features_changes_nothing(tmp_path: Path) -> None:
    engine = Engine(root=str(tmp_path), overrides={"var_dir": str(tmp_path / "var")})
    key = load_address_key(engine.settings.secrets_dir)
    with open_ledger(engine.settings.ledger_sqlalchemy_url) as ledger:
        assert import_permissions(engine.warehouse, ledger, key, sender_id="main", now=NOW) == ImportReport(0, 0, 0, 0)


@pytest.mark.parametrize(("reason", "closed"), [("opt_out", ("email", "sms")), ("objection", ("all", "all"))])
def test_a_list_of_the_operator_holds_before_the_next_run(
    site: Site, tmp_path: Path, reason: str, closed: tuple[str, str]
) -> None:
    stop = tmp_path / "stop.csv"
    stop.write_text(f"email,phone\n{MAIL.upper()},\n,{PHONE}\n")
    for _ in range(2):  # the same list twice is one
        told = land_suppressions(site.engine, stop, reason=reason)
        assert "from now on" in str(told)
    assert site.stands("p1", MAIL) == {(closed[0], reason)}
    assert site.stands("p1", PHONE) == {(closed[1], reason)}
    with reading(site.ledger.engine) as connection:
        assert len(list(connection.execute(sa.select(tables.suppressions)))) == 2
