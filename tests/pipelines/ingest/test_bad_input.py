"""Rows of the bad-input table that concern the door: each names file, line and remedy, and the others load."""

import gzip
import os
from pathlib import Path

import pytest

from contracts.errors import BadInputError
from pipelines.ingest.detect import find_shape
from pipelines.ingest.landing import all_manifests
from tests.pipelines.ingest.helpers import CONTACTS_HEADER, Site, contacts

DEALS = "Record ID,Create Date,Deal Name,Amount\n1,2024-01-15 10:00,Big,100.50\n"


def _problem(site: Site, part: str) -> str:
    site.put("deals.csv", DEALS)
    report = site.ingest()
    assert len(report.problems) == 1
    problem = report.problems[0]
    told = f"{problem.what} [{problem.where}] {problem.remedy}"
    assert part in told
    assert problem.remedy
    assert site.rows("select count(*) from raw.hubspot__deals") == [(1,)]  # the other file loaded
    assert site.rows("select place from raw.problems") == [(problem.where,)]
    return told


def test_source_without_a_folder_is_an_error(site: Site) -> None:
    report = site.ingest()
    assert [problem.what for problem in report.problems] == ["The source has no export."]
    assert "sources.yml" in report.problems[0].remedy


def test_empty_file(site: Site) -> None:
    site.put("contacts.csv", "")
    assert "contacts.csv" in _problem(site, "The file is empty")


def test_header_without_rows_would_delete_everyone(site: Site) -> None:
    site.put("contacts.csv", CONTACTS_HEADER + "\n")
    _problem(site, "no rows")


def test_listed_file_that_is_absent(site: Site) -> None:
    site.put(
        "_export.json", '{"exported_at": "2026-05-01T00:00:00Z", "files": {"contacts.csv": {"object": "contacts"}}}'
    )
    _problem(site, "not there")


def test_broken_export_description(site: Site) -> None:
    site.put("_export.json", "{broken")
    site.put("deals.csv", DEALS, day="2026-05-02")
    report = site.ingest()
    assert "description of an export" in report.problems[0].what
    assert site.rows("select count(*) from raw.hubspot__deals") == [(1,)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(site: Site) -> None:
    site.put("contacts.csv", contacts(3)).chmod(0)
    _problem(site, "cannot be read")


def test_a_folder_in_place_of_a_file_is_ignored(site: Site) -> None:
    (site.put("deals.csv", DEALS).parent / "contacts.csv").mkdir()
    assert site.ingest().problems == []


def test_truncated_gzip_names_the_line(site: Site) -> None:
    packed = gzip.compress(contacts(20_000).encode())
    site.put("contacts.csv.gz", packed[: len(packed) // 2])
    told = _problem(site, "cut off")
    assert "line " in told
    assert not list(site.landing.glob("hub/contacts/*"))


def test_workbook_is_told_apart(site: Site) -> None:
    site.put("contacts.csv", b"PK\x03\x04" + bytes(200))
    _problem(site, "workbook")


def test_binary_file(site: Site) -> None:
    site.put("contacts.csv", bytes(range(256)) * 40)
    site.put("deals.csv", DEALS)
    report = site.ingest()
    assert len(report.problems) == 1
    assert report.problems[0].remedy


def test_missing_required_column_refuses_the_file_whole(site: Site) -> None:
    site.put("contacts.csv", "Record ID,Email\n1,a@b.example\n")
    _problem(site, "required column 'created_at' (for example Create Date")
    assert site.rows("select count(*) from raw.hubspot__contacts") == [(0,)]


def test_more_than_a_fifth_rejected_refuses_the_file(site: Site) -> None:
    site.put("contacts.csv", contacts(7, "8,only", "9,only", "10,only"))
    told = _problem(site, "too many rows are rejected (3 of 10 rows")
    assert "malformed_row 3" in told
    assert site.rows("select count(*) from raw.hubspot__contacts") == [(0,)]
    assert site.rows("select count(*) from raw.landings where object = 'contacts'") == [(0,)]
    assert len(site.rows("select * from raw.rejects")) == 3
    assert site.ingest().problems[0].what.startswith("The file breaks its contract")  # told again, not judged again


def test_two_objects_claim_a_file(site: Site) -> None:
    site.text = site.text.replace("time_zone: UTC", 'time_zone: UTC, files: {contacts: "people*.csv"}')
    site.put("people.csv", contacts(2))
    assert site.ingest().problems == []
    assert site.rows("select count(*) from raw.hubspot__contacts") == [(2,)]


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("latin-1", "cp1252"), ("cp1252", "cp1252"), ("utf-16", "utf-16")],
)
def test_encodings(site: Site, encoding: str, found: str) -> None:
    text = CONTACTS_HEADER + '\n1,2024-01-15 10:00,Jürgen,Müller,j@x.example,,"Österreich"\n'
    site.put("contacts.csv", text.encode(encoding))
    assert site.ingest().problems == []
    assert site.rows("select first_name, last_name, country from raw.hubspot__contacts") == [("Jürgen", "Müller", "AT")]
    assert site.rows("select encoding from raw.landings") == [(found,)]


def test_a_broken_row_in_a_utf8_file_is_rejected_alone(site: Site) -> None:
    lines = contacts(8, "90,2024-01-15 10:00,Zoë,A,z@x.example,,US", "91,2024-01-15 10:00,Chloé,A,c@x.example,,US")
    site.put("contacts.csv", lines.encode() + b"92,2024-01-15 10:00,Bj\xf6rn,A,b@x.example,,US\n")
    assert site.ingest().problems == []
    assert site.rows("select row_number, reason from raw.rejects") == [(11, "encoding")]
    assert site.rows("select first_name from raw.hubspot__contacts where record_id = '90'") == [("Zoë",)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_and_quoted_newlines(site: Site, delimiter: str) -> None:
    header = CONTACTS_HEADER.replace(",", delimiter)
    row = delimiter.join(
        ["1", "2024-01-15 10:00", f'"An{delimiter}n"', '"two\nlines ""quoted"""', "a@b.example", "", "US"]
    )
    site.put("contacts.csv", f"{header}\n{row}\n")
    assert site.ingest().problems == []
    assert site.rows("select first_name, last_name from raw.hubspot__contacts") == [
        (f"An{delimiter}n", 'two\nlines "quoted"')
    ]
    assert site.rows("select delimiter, rows_in, rows_loaded from raw.landings") == [(delimiter, 1, 1)]


def test_compressed_files_load(site: Site) -> None:
    import pyarrow as pa

    site.put("contacts.csv.gz", gzip.compress(contacts(5).encode()))
    site.put("deals.csv.zst", pa.compress(DEALS.encode(), codec="zstd", asbytes=True))
    assert site.ingest().problems == []
    assert site.rows("select object, compression, rows_loaded from raw.landings order by 1") == [
        ("contacts", "gzip", 5),
        ("deals", "zstd", 1),
    ]


def test_parquet_input(site: Site) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = site.put("deals.parquet", b"")
    table = pa.table({"Record ID": [1, 2], "Create Date": ["2024-01-15", "2024-01-16"], "Amount": [1.5, None]})
    pq.write_table(table, path)
    assert site.ingest().problems == []
    assert site.rows("select record_id, amount::varchar from raw.hubspot__deals order by 1") == [
        ("1", "1.50"),
        ("2", None),
    ]


def test_l3_blank_missing_extra_and_reordered_columns_stop_nobody(site: Site) -> None:
    header = "Zonk,Email,Record ID,,Create Date,Email"
    site.put("contacts.csv", f"{header}\n1,a@b.example,7,x,2024-01-15,other@b.example\n,,8,,2024-01-16,\n")
    assert site.ingest().problems == []
    assert site.rows("select record_id, email from raw.hubspot__contacts order by 1") == [
        ("7", "a@b.example"),
        ("8", None),
    ]
    unmapped, missing = site.rows("select columns_unmapped, columns_missing from raw.landings")[0]
    assert unmapped == ["Zonk", "column_4", "Email_2"]
    assert "job_title" in missing
    assert "email" not in missing


def test_shared_addresses_do_not_vanish(site: Site) -> None:
    rows = [f"{i},2024-01-15,A,B,shared{i % 10}@acme.example,,US" for i in range(1000)]
    site.put("contacts.csv", "\n".join([CONTACTS_HEADER, *rows]))
    site.ingest()
    assert site.rows("select count(*), count(distinct email) from raw.hubspot__contacts") == [(1000, 10)]


def test_every_line_is_accounted_for(site: Site) -> None:
    """An open quote swallows lines; they are rejected, not lost."""
    lines = contacts(40, '40,2024-01-15,"open,B,x@y.example,,US', "41,2024-01-15,C,D,d@y.example,,US")
    site.put("contacts.csv", lines)
    site.ingest()
    rows_in, loaded, rejected = site.rows("select rows_in, rows_loaded, rows_rejected from raw.landings")[0]
    assert (rows_in, loaded, rejected) == (42, 40, 2)
    assert site.rows("select count(*) from raw.rejects") == [(2,)]


def test_row_numbers_count_rejected_rows_and_skip_blank_lines(site: Site) -> None:
    lines = contacts(3).splitlines()
    lines.insert(2, "")  # after row 1
    lines.insert(4, "50,short")  # after row 2
    site.put("contacts.csv", "\n".join([*lines, *contacts(30).splitlines()[5:]]))
    site.ingest()
    assert site.rows("select row_number, column_name, reason from raw.rejects") == [(3, "First Name", "malformed_row")]
    found = site.rows("select record_id, _row_number from raw.hubspot__contacts order by _row_number limit 4")
    assert found == [("0", 1), ("1", 2), ("2", 4), ("4", 5)]


def test_judgement_of_rows_and_fields(site: Site) -> None:
    header = CONTACTS_HEADER + ",Unsubscribed from all email,Time Zone"
    clean = [f"{i},2024-01-15,A,B,a{i}@x.example,,US,no,UTC" for i in range(40)]
    bad = [
        ",2024-01-15,no id,B,,,,,",
        "50,,no date,B,,,,,",
        "51,someday,bad date,B,,,,,",
        "52,2031-01-01,future,B,,,,,",
        "3,2024-01-15,again,B,,,,,",
        "53,2024-01-15,fields,B,a@@b,12,Atlantis,perhaps,Mars/Base",
        "1.23E+11,2024-01-15,spoiled,B,,,,,",
    ]
    site.put("contacts.csv", "\n".join([header, *clean, *bad]))
    assert site.ingest().problems == []
    assert site.rows("select row_number, column_name, reason from raw.rejects order by 1") == [
        (41, "record_id", "missing_required"),
        (42, "created_at", "missing_required"),
        (43, "created_at", "bad_timestamp"),
        (44, "created_at", "in_future"),
        (45, "record_id", "duplicate_id"),
        (47, "record_id", "bad_value"),
    ]
    assert site.rows("select column_name, reason from raw.field_issues order by 1") == [
        ("country", "bad_country"),
        ("email", "bad_email"),
        ("is_opted_out_email", "bad_boolean"),
        ("phone", "bad_phone"),
        ("timezone", "bad_time_zone"),
    ]
    # what cannot be read about permission counts as refused
    assert site.rows("select email, is_opted_out_email from raw.hubspot__contacts where record_id = '53'") == [
        (None, True)
    ]


def test_ambiguous_dates_are_asked_for(site: Site) -> None:
    site.put("contacts.csv", CONTACTS_HEADER + "\n1,01/02/2024,A,B,,,\n")
    _problem(site, "day first or month first")


def test_naive_times_need_a_zone(site: Site) -> None:
    site.text = site.text.replace(", time_zone: UTC", "")
    site.put("contacts.csv", contacts(1))
    report = site.ingest()
    assert "declares no zone" in report.problems[0].what
    assert "time_zone" in report.problems[0].remedy


def test_full_disk_leaves_nothing_half_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from contracts.errors import PassingError

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    site.put("contacts.csv", contacts(3))
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.ingest.landing.read_into", full)
        with pytest.raises(PassingError, match=r"disk is full.*Free space"):
            site.ingest()
    assert not list(site.landing.glob("hub/contacts/*"))
    assert all_manifests(site.landing) == []
    assert site.ingest().problems == []


def test_shape_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="does not exist"):
        find_shape(tmp_path / "none.csv")


WESTERN = [
    "Crème 28 Inc",
    "Sólida 33 LLC",
    "Sören Schäfer",
    "Jürgen Müller",
    "Bjørn Peña",
    "Zoë García",
    "José Lefèvre",
    "Chloé Renée",
    "Rnée Børn",
]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("first", range(9))
def test_western_text_stays_western(tmp_path: Path, first: int, count: int) -> None:
    """Few letters fit several code pages; the western one stands unless another is clearly better."""
    names = [WESTERN[(first + i) % len(WESTERN)] for i in range(count)]
    path = tmp_path / "companies.csv"
    path.write_bytes("\n".join(["Record ID,Name", *(f"{i},{name}" for i, name in enumerate(names))]).encode("latin-1"))
    shape = find_shape(path)
    assert shape.encoding in ("cp1252", "latin-1")
    assert path.read_bytes().decode(shape.encoding).splitlines()[1:] == [f"{i},{n}" for i, n in enumerate(names)]


def test_text_that_is_clearly_not_western_is_read_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "companies.csv"
    rows = [f"{i},Общество с ограниченной ответственностью Прогресс" for i in range(20)]
    path.write_bytes("\n".join(["Record ID,Name", *rows]).encode("cp1251"))
    assert find_shape(path).encoding == "cp1251"


POLISH = CONTACTS_HEADER + "\n1,2024-01-15 10:00,Jan,Łuczak,j@x.example,,PL\n"


def test_a_declared_encoding_wins_and_lands_the_file_again(site: Site) -> None:
    site.put("contacts.csv", POLISH.encode("cp1250"))
    site.ingest()
    assert site.rows("select last_name from raw.hubspot__contacts") == [("£uczak",)]
    site.text = site.text.replace("time_zone: UTC", "time_zone: UTC, encoding: {contacts: cp1250}")
    assert site.ingest().problems == []
    assert site.rows("select last_name from raw.hubspot__contacts") == [("Łuczak",)]
    assert site.rows("select encoding, count(*) from raw.landings group by all") == [("cp1250", 1)]
    before = site.dump()
    assert site.ingest().loaded == []
    assert site.dump() == before


def test_a_kill_while_a_file_lands_again_loses_nothing(site: Site) -> None:
    site.put("contacts.csv", POLISH.encode("cp1250"))
    site.ingest()
    (folder,) = [path.parent for path in site.landing.glob("*/*/*/manifest.json")]
    folder.rename(folder.parent / f".{folder.name}.old")
    assert site.ingest().problems == []
    assert folder.is_dir()
    assert list(site.landing.glob("*/*/.*.old")) == []


def test_an_encoding_of_one_file_is_declared_beside_it(site: Site) -> None:
    site.put("contacts.csv", POLISH.encode("cp1250"))
    site.put("_export.json", '{"files": {"contacts.csv": {"object": "contacts", "encoding": "windows-1250"}}}')
    assert site.ingest().problems == []
    assert site.rows("select last_name from raw.hubspot__contacts") == [("Łuczak",)]


def test_a_declared_encoding_that_is_wrong_names_the_line(site: Site) -> None:
    site.text = site.text.replace("time_zone: UTC", "time_zone: UTC, encoding: {contacts: ascii}")
    site.put("contacts.csv", POLISH.encode("cp1250"))
    _problem(site, "contacts.csv, line 2")


def test_declarations_of_nothing_are_told(site: Site) -> None:
    site.text = site.text.replace(
        "time_zone: UTC", "time_zone: UTC, column_types: {contacts: {job_titel: mutable}, people: {a: stable}}"
    )
    site.put("contacts.csv", contacts(2))
    told = _problem(site, "column_types: people; column_types: contacts.job_titel")
    assert "source 'hub'" in told
    assert site.rows("select count(*) from raw.hubspot__contacts") == [(2,)]
