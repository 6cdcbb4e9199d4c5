"""Access and erasure over real stores: nothing is left, nothing is loosened, the chain stays whole."""

from __future__ import annotations

import gzip
import json
import zipfile
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from contracts.errors import BadInputError, PermanentError
from contracts.published import read_published
from contracts.words import Crm
from pipelines.ingest.landing import all_manifests
from pipelines.rights.access import export_person
from pipelines.rights.people import find_people
from pipelines.rights.retention import apply_retention, list_expired
from recovery.ledger import schema as tables
from recovery.ledger.audit import verify_chain
from recovery.ledger.engine import make_engine, reading
from recovery.rights.asking import RequestKind
from recovery.rights.files import hits
from recovery.rights.matching import Identifiers
from recovery.rights.requests import complete, merge, open_request, overdue, restrict
from tests.ledgers import LedgerTemplates, ledger_templates
from tests.pipelines.ingest.helpers import CONTACTS_HEADER
from tests.pipelines.rights.place import GONE, NOW, Place, person, words
from tests.recovery.inbound.ledger_world import ADDRESSES

__all__ = ["ledger_templates"]


@pytest.fixture(scope="module")
def erased(tmp_path_factory: pytest.TempPathFactory, ledger_templates: LedgerTemplates) -> Place:
    """Thirty people, ten of whom were erased, each named in another way."""
    root = tmp_path_factory.mktemp("rights")
    (root / "var" / "ledger").mkdir(parents=True)
    place = Place(root, ledger_templates.fresh("sqlite", root / "var" / "ledger"))
    place.fill()
    place.erase(*(person(n) if n % 3 == 0 else words(n)[n % 3 - 1] for n in GONE))
    yield place
    place.engine.dispose()


def test_no_byte_of_the_erased_is_left_and_the_others_are_all_there(erased: Place) -> None:
    var = erased.settings.var_dir
    for n in range(30):
        email, phone, name = words(n)
        found = {path for path, _ in hits(var, (email, phone, phone[2:], name))}
        if n in GONE:
            assert found == set(), n
        else:
            assert {path.suffix for path in found} >= {".parquet", ".eml", ".html", ".json", ".log", ".gz", ".zip"}, n
            assert any(path.name == "ledger.sqlite" for path in found)


def test_the_search_finds_what_is_packed(tmp_path: Path) -> None:
    """The proof can fail: a word inside Parquet, gzip, zip and a database is seen."""
    import duckdb
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": ["x", "needle-1"]}), tmp_path / "a.parquet", compression="zstd")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"needle-1"))
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d", "NEEDLE-1")
    (tmp_path / "e.bin").write_bytes(b"\x00\xffneedle-1\x00")
    with duckdb.connect(tmp_path / "f.duckdb") as connection:
        connection.execute("create table t as select 'needle-1 is here' as a")
    assert {path.name for path, _ in hits(tmp_path, ("needle-1",))} == {
        "a.parquet",
        "b.gz",
        "c.zip",
        "e.bin",
        "f.duckdb",
    }
    assert not list(hits(tmp_path, ("needle-2",)))
    (tmp_path / "g.log").write_text("for Özgür Çelik")
    assert [path.name for path, _ in hits(tmp_path, ("özgür çelik",))] == ["g.log"]


def test_landing_stands_under_new_hashes_with_receipts_and_is_not_landed_again(erased: Place) -> None:
    with reading(erased.engine) as connection:
        receipts = [dict(row._mapping) for row in connection.execute(sa.select(tables.erasure_receipts))]
    places = {receipt["place"] for receipt in receipts}
    assert places >= {"landing", "published", "ledger", "outbox", "report", "mlflow", "cache", "logs", "warehouse"}
    landed = [receipt for receipt in receipts if receipt["place"] == "landing"]
    assert all(receipt["sha256_before"] != receipt["sha256_after"] and receipt["rows"] for receipt in landed)
    assert {m.sha256 for _, m in all_manifests(erased.landing)} == {receipt["sha256_after"] for receipt in landed}
    erased.ingest(Crm.HUBSPOT)
    assert {m.sha256 for _, m in all_manifests(erased.landing)} == {receipt["sha256_after"] for receipt in landed}
    assert erased.rows("select count(*) from raw.hubspot__contacts") == [(20,)]
    for n in GONE:
        assert not list(hits(erased.settings.var_dir, words(n)))


def test_published_days_keep_everybody_else_and_their_manifest_is_true(erased: Place) -> None:
    for day in (date(2026, 6, 1), date(2026, 6, 2)):
        rows = read_published(erased.settings.published_dir, dataset="lead_scores", as_of=day)
        assert sorted(rows["person_id"].to_pylist()) == sorted(person(n) for n in range(30) if n not in GONE)
    described = json.loads((erased.settings.var_dir / "outbox" / "batch" / "manifest.json").read_text())
    assert described["files"]["email.csv"]["rows"] == 20
    assert described["sha256"] == "batch"


def test_suppression_outlives_erasure_and_the_chain_is_whole(erased: Place) -> None:
    """G-03: a re-import of the same address stays blocked."""
    with reading(erased.engine) as connection:
        closed = set(connection.execute(sa.select(tables.suppressions.c.address_hash)).scalars())
        assert verify_chain(connection).is_whole
        assert "s1" in set(connection.execute(sa.select(tables.suppressions.c.suppression_id)).scalars())
    for n in GONE:
        email, phone, _ = words(n)
        assert {ADDRESSES.hash(f" {email.upper()} "), ADDRESSES.hash(phone)} <= closed
    assert ADDRESSES.hash(words(20)[0]) not in closed


def test_logs_and_receipts_name_nobody(erased: Place) -> None:
    with reading(erased.engine) as connection:
        shown = str([tuple(row) for row in connection.execute(sa.select(tables.audit))])
        shown += str([tuple(row) for row in connection.execute(sa.select(tables.erasure_receipts))])
    for n in range(30):
        assert not any(word in shown for word in words(n))
    assert words(1)[0] not in repr(Identifiers(emails=frozenset({words(1)[0]}), names=frozenset({words(1)[2]})))


def test_access_holds_everything_about_one_and_nothing_about_others(erased: Place, tmp_path: Path) -> None:
    people = find_people(erased.settings.landing_dir, erased.engine, [words(20)[0]])
    target = tmp_path / "person.zip"
    rows = export_person(erased.settings, erased.engine, people, target, addresses=ADDRESSES, now=NOW)
    assert target.stat().st_mode & 0o777 == 0o600
    assert rows["landing"] >= 2
    assert rows["published"] == 2
    with zipfile.ZipFile(target) as archive:
        text = "".join(archive.read(name).decode() for name in archive.namelist())
    assert all(word in text for word in (words(20)[0], words(20)[2]))
    assert not [n for n in range(30) if n not in (20, 10) and words(n)[0] in text]


def test_nobody_by_that_name_is_told(erased: Place) -> None:
    with pytest.raises(BadInputError):
        find_people(erased.settings.landing_dir, erased.engine, [person(999)])


def test_a_file_that_cannot_be_cleaned_stops_the_erasure_by_name(
    tmp_path: Path, ledger_templates: LedgerTemplates
) -> None:
    place = Place(tmp_path, ledger_templates.fresh("sqlite", tmp_path))
    place.fill()
    (place.settings.var_dir / "cache" / "own.sqlite").write_bytes(b"\x00" + words(1)[0].encode())
    with pytest.raises(PermanentError, match="1 files still hold"):
        place.erase(words(1)[0])
    place.engine.dispose()


def test_requests_have_due_dates_and_alarm(tmp_path: Path, ledger_templates: LedgerTemplates) -> None:
    """G-05, K-05."""
    engine = make_engine(ledger_templates.fresh("sqlite", tmp_path))
    first = open_request(engine, RequestKind.EXPORT, "p1", by="dpo", received_at=NOW)
    second = open_request(engine, RequestKind.ERASE, "p2", by="dpo", received_at=NOW, law="ccpa")
    assert overdue(engine, now=NOW) == []
    assert [row["request_id"] for row in overdue(engine, now=NOW + timedelta(days=22))] == [first]
    assert [row["request_id"] for row in overdue(engine, now=NOW + timedelta(days=46))] == [first, second]
    complete(engine, first, now=NOW)
    assert [row["request_id"] for row in overdue(engine, now=NOW + timedelta(days=46))] == [second]
    restrict(engine, "p1", kind=RequestKind.RESTRICT, reason="asked", by="dpo", now=NOW)
    merge(engine, "p1", "p2", kind=RequestKind.MERGE, why="same", by="dpo", now=NOW)
    with reading(engine) as connection:
        assert connection.execute(sa.select(tables.restrictions.c.kind)).scalars().all() == ["restrict"]
        assert connection.execute(sa.select(tables.person_aliases.c.canonical_id)).scalars().all() == ["p2"]
        assert verify_chain(connection).is_whole
    engine.dispose()


def test_retention_lists_first_and_keeps_the_newest_and_every_suppression(
    tmp_path: Path, ledger_templates: LedgerTemplates
) -> None:
    place = Place(tmp_path, ledger_templates.fresh("sqlite", tmp_path))
    for day in ("2025-01-01", "2025-02-01", "2026-05-01"):
        place.put("contacts.csv", f"{CONTACTS_HEADER}\n1,2024-01-02 10:00,Ann,Lee{day},a@b.example,,US\n", day=day)
    place.ingest(Crm.HUBSPOT)
    place._ledger()
    late = NOW + timedelta(days=800)
    before = len(all_manifests(place.landing))
    expired = {item.what: item.count for item in list_expired(place.settings, place.engine, now=late)}
    assert expired == {"landed exports that newer ones replace": before - 1, "message texts": 60}
    assert len(all_manifests(place.landing)) == before
    apply_retention(place.settings, place.engine, now=late)
    assert len(all_manifests(place.landing)) == 1
    assert list_expired(place.settings, place.engine, now=late) == ()
    with reading(place.engine) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.suppressions)).scalar_one() == 1
    place.engine.dispose()
