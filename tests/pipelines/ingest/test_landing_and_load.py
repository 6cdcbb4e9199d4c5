"""Landing and loading: the same file twice, corrections, kills, rebuilds."""

import shutil
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from contracts.words import Crm
from pipelines.ingest.asof import default_as_of
from pipelines.ingest.books import refresh_books
from pipelines.ingest.evaluate import Limits
from pipelines.ingest.tables import object_tables
from tests.pipelines.ingest.helpers import CONTACTS_HEADER, HUBSPOT, NOW, Site, contacts

PROJECT = Path(__file__).parents[3]


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def test_every_raw_table_exists_without_rows(site: Site) -> None:
    site.ingest()
    names = {row[0] for row in site.rows("select table_name from information_schema.tables where table_schema = 'raw'")}
    assert set(object_tables(Crm)) <= names
    assert {"landings", "rejects", "field_issues", "sources", "coverage"} <= names


def test_the_same_file_twice_changes_nothing(site: Site) -> None:
    site.put("contacts.csv", contacts(5))
    first = site.ingest()
    tree, dump = _tree(site.landing), site.dump()
    second = site.ingest(now=NOW + timedelta(days=1))
    assert (len(first.landed), len(first.loaded)) == (1, 1)
    assert (second.landed, second.loaded, second.removed) == ([], [], [])
    assert (_tree(site.landing), site.dump()) == (tree, dump)


def test_a_repeated_export_adds_no_rows_and_a_return_does(site: Site) -> None:
    """Full exports A, A, B, A: the second adds nothing, the fourth counts again or B's deletions would stand."""
    for day, count in (("2026-05-01", 3), ("2026-05-02", 3), ("2026-05-03", 2), ("2026-05-04", 3)):
        site.put("contacts.csv", contacts(count), day=day)
    site.ingest()
    assert site.rows("select exported_at::date::varchar, rows_loaded from raw.landings order by 1") == [
        ("2026-05-01", 3),
        ("2026-05-03", 2),
        ("2026-05-04", 3),
    ]


def test_a_corrected_file_supersedes(site: Site) -> None:
    site.put("contacts.csv", contacts(5))
    site.ingest()
    old = site.rows("select landing_id from raw.landings")[0][0]
    site.put("contacts.csv", contacts(4))
    site.ingest(now=NOW + timedelta(hours=1))
    assert site.rows("select is_superseded, rows_loaded, supersedes from raw.landings order by 1") == [
        (False, 4, old),
        (True, 0, None),
    ]
    assert site.rows("select count(*), count(distinct _landing_id) from raw.hubspot__contacts") == [(4, 1)]


def test_a_correction_that_is_taken_back_leaves_the_newest_delivery(site: Site) -> None:
    """A, B and A again under one name and time of export: what the file holds now counts, also after a rebuild."""
    for hour, count in enumerate((5, 4, 5, 4, 5)):
        site.put("contacts.csv", contacts(count))
        site.ingest(now=NOW + timedelta(hours=hour))
        assert site.rows("select count(*) from raw.hubspot__contacts") == [(count,)]
        assert site.rows("select count(*), sum(rows_loaded) from raw.landings where not is_superseded") == [(1, count)]
    before, tree = site.dump(), _tree(site.landing)
    assert site.ingest(now=NOW + timedelta(days=1)).loaded == []
    assert _tree(site.landing) == tree
    site.warehouse.path.unlink()
    site.ingest(now=NOW + timedelta(days=2))
    assert site.dump() == before


_KILL = """
import os, signal, sys
from pathlib import Path
import pipelines.ingest.{module} as module
from tests.pipelines.ingest.helpers import Site, quick_validate
import pipelines.ingest.expectations as expectations

expectations.validate = quick_validate
setattr(module{owner}, "{name}", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
Site(Path(sys.argv[1])).ingest()
"""


@pytest.mark.parametrize(
    ("module", "owner", "name"), [("landing", "", "_finish"), ("load", "._Loader", "_note_landing")]
)
def test_a_process_that_is_killed_leaves_what_the_next_run_mends(
    site: Site, tmp_path: Path, module: str, owner: str, name: str
) -> None:
    undisturbed = Site(tmp_path / "other")
    for one in (site, undisturbed):
        one.put("contacts.csv", contacts(5, "77,,no date,,,,"))
        one.put("deals.csv", "Record ID,Create Date,Amount\n1,2024-01-15,5\n")
    site.sources  # noqa: B018 - writes sources.yml
    code = _KILL.format(module=module, owner=owner, name=name)
    ended = subprocess.run([sys.executable, "-c", code, str(site.root)], cwd=PROJECT, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert site.ingest().problems == []
    undisturbed.ingest()
    assert site.dump() == undisturbed.dump()
    assert _tree(site.landing) == _tree(undisturbed.landing)


def test_a_declared_correction_supersedes_an_earlier_export(site: Site) -> None:
    site.put("contacts.csv", contacts(5))
    site.put("fixed.csv", contacts(4), day="2026-05-02")
    site.put(
        "_export.json",
        '{"exported_at": "2026-05-02T00:00:00Z", '
        '"files": {"fixed.csv": {"object": "contacts", "supersedes": "contacts.csv"}}}',
        day="2026-05-02",
    )
    site.ingest()
    assert site.rows("select file_name, is_superseded from raw.landings order by 1") == [
        ("contacts.csv", True),
        ("fixed.csv", False),
    ]


def test_parts_of_one_export_all_count(site: Site) -> None:
    site.put("contacts_1.csv", contacts(2))
    site.put("contacts_2.csv", CONTACTS_HEADER + "\n70,2024-01-15,Z,Z,,,\n")
    site.ingest()
    assert site.rows("select count(*) from raw.hubspot__contacts") == [(3,)]


def test_increment_that_comes_again_counts_once(site: Site) -> None:
    site.text = HUBSPOT.replace("time_zone: UTC", "time_zone: UTC, mode: incremental")
    for day in ("2026-05-01", "2026-05-02"):
        site.put("contacts.csv", contacts(3), day=day)
    site.ingest()
    assert site.rows("select count(*), min(exported_at)::date::varchar from raw.landings") == [(1, "2026-05-01")]


def test_the_warehouse_is_rebuilt_from_the_landing_alone(site: Site) -> None:
    site.put("contacts.csv", contacts(5, "77,,no date,,,,"))
    site.put("deals.csv", "Record ID,Create Date,Amount\n1,2024-01-15,5\n")
    site.ingest()
    before = site.dump()
    shutil.rmtree(site.warehouse.path.parent / "exports", ignore_errors=True)
    site.warehouse.path.unlink()
    site.ingest()
    assert site.dump() == before


@pytest.mark.parametrize(
    "point",
    [
        "pipelines.ingest.landing.find_shape",
        "pipelines.ingest.landing.read_into",
        "pipelines.ingest.landing._finish",
        "pipelines.ingest.load.judge",
        "pipelines.ingest.load._Loader._insert_rows",
        "pipelines.ingest.load._Loader._insert_books",
        "pipelines.ingest.load._Loader._note_landing",
        "pipelines.ingest.run._note_problems",
    ],
)
def test_a_kill_at_any_step_is_mended_by_the_next_run(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, point: str
) -> None:
    undisturbed = Site(tmp_path / "other", site.text)
    for one in (site, undisturbed):
        one.put("contacts.csv", contacts(5, "77,,no date,,,,"))
        one.put("deals.csv", "Record ID,Create Date,Amount\n1,2024-01-15,5\n")

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(point, die)
        with pytest.raises(Killed):
            site.ingest()
    assert site.ingest().problems == []
    undisturbed.ingest()
    assert site.dump() == undisturbed.dump()
    assert _tree(site.landing) == _tree(undisturbed.landing)


def test_a_declared_format_added_later_mends_a_refused_file(site: Site) -> None:
    site.put("contacts.csv", CONTACTS_HEADER + "\n1,01/02/2024,A,B,,,\n")
    assert len(site.ingest().problems) == 1
    site.text = HUBSPOT.replace("time_zone: UTC", 'time_zone: UTC, date_format: {contacts: "%d/%m/%Y"}')
    assert site.ingest().problems == []
    assert site.rows("select created_at from raw.hubspot__contacts") == [(datetime(2024, 2, 1),)]
    assert site.rows("select count(*) from raw.refused_landings") == [(0,)]


def test_rows_of_a_source_that_is_no_longer_declared_leave(site: Site) -> None:
    site.put("contacts.csv", contacts(3))
    site.ingest()
    site.text = HUBSPOT.replace("name: hub,", "name: other,")
    report = site.ingest()
    assert len(report.removed) == 1
    assert len(report.landed) == 1
    assert site.rows("select distinct _source from raw.hubspot__contacts") == [("other",)]


def test_newest_observation_decides_the_default_date(site: Site) -> None:
    assert default_as_of(site.warehouse) is None
    site.put("contacts.csv", contacts(3))
    site.ingest()
    assert str(default_as_of(site.warehouse)) == "2024-01-04"


def test_whole_contract_is_kept_as_verdicts(full_site: Site) -> None:
    full_site.put("contacts.csv", contacts(30, "77,,no date,,,,"))
    assert full_site.ingest().problems == []
    found = full_site.rows("select column_name, is_met from raw.validations order by 1, expectation")
    assert all(is_met for _, is_met in found)
    assert {name for name, _ in found} >= {"record_id", "created_at", "email", "phone", "reject_share"}


def test_whole_contract_blocks_above_the_share(full_site: Site) -> None:
    full_site.put("contacts.csv", contacts(3, "77,,no date,,,,"))
    assert "too many rows are rejected (1 of 4 rows" in full_site.ingest().problems[0].what


ASSIGNMENTS = """version: 1
sources:
  - name: past
    crm: mapped_csv
    path: exports/*/past
    time_zone: UTC
    column_types: {leads: {job_title: mutable}}
    mapping:
      - object: assignments
        file: assignments.csv
        columns: {assignment_id: id, crm: crm, record_object: kind, record_id: who, assigned_at: at, arm: arm}
"""


def test_a_record_may_be_assigned_many_times_and_an_assignment_once(site: Site) -> None:
    site.text = ASSIGNMENTS
    rows = [f"a{i},hubspot,contacts,{i % 2},2025-01-{1 + i:02d},contacted" for i in range(9)]
    site.put("assignments.csv", "\n".join(["id,crm,kind,who,at,arm", *rows, rows[0]]) + "\n", source="past")
    assert site.ingest(Crm.MAPPED_CSV).problems == []
    assert site.rows("select count(*), count(distinct record_id) from raw.mapped__assignments") == [(9, 2)]
    assert site.rows("select row_number, column_name, reason from raw.rejects") == [
        (10, "assignment_id", "duplicate_id")
    ]


def test_a_declared_column_type_replaces_that_of_the_alias_table(site: Site) -> None:
    site.text = ASSIGNMENTS
    site.ingest(Crm.MAPPED_CSV)
    with site.warehouse.open() as connection:
        refresh_books(
            connection, site.sources, limits=Limits(label_window_days=60, max_reject_share=0.2), sender_id="us"
        )
    assert site.rows(
        "select source, object, column_name, type from raw.column_types where object = 'leads' "
        "and column_name in ('job_title', 'industry') order by 3"
    ) == [("past", "leads", "industry", "stable"), ("past", "leads", "job_title", "mutable")]
