"""Connector tables, Olist, suppression lists, proposed mappings and the Dagster assets on small installations."""

import shutil
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from contracts.errors import BadInputError, SettingError
from contracts.sources import load_sources
from contracts.words import Crm
from pipelines.ingest import assets, checks
from pipelines.ingest.aliases import alias_table, match_headers, match_object
from pipelines.ingest.asof import default_as_of
from pipelines.ingest.discover import FileProblem
from pipelines.ingest.evaluate import Limits, evaluate_all
from pipelines.ingest.mapping import propose_mapping
from pipelines.ingest.run import IngestOptions, ingest
from pipelines.ingest.suppress import land_suppressions
from pipelines.resources import Engine
from pipelines.warehouse import Warehouse
from tests.pipelines.ingest.helpers import NOW, Site, contacts

PROJECT = Path(__file__).parents[3]
CONNECTOR = """version: 1
sources:
  - name: hub
    crm: hubspot
    path: hub
    time_zone: UTC
    exported_at: 2026-01-01T00:00:00Z
    files: {contacts: contact_data.csv, companies: company_data.csv, deals: deal_data.csv}
  - name: sf
    crm: salesforce
    path: sf
    time_zone: UTC
    exported_at: 2026-01-01T00:00:00Z
"""


def test_connector_tables_map_by_their_columns(site: Site, example_data: Path) -> None:
    site.text = CONNECTOR
    (site.root / "hub").mkdir()
    (site.root / "sf").mkdir()
    for name in ("contact_data", "company_data", "deal_data"):
        shutil.copy(example_data / "hubspot_warehouse" / f"{name}.csv", site.root / "hub")
    for name in ("lead", "contact", "account", "task", "opportunity"):
        shutil.copy(example_data / "salesforce_warehouse" / f"sf_{name}_data.csv", site.root / "sf" / f"{name}s.csv")
    assert site.ingest(Crm.HUBSPOT).problems == []
    merged = site.rows("select merged_ids from raw.hubspot__contacts where merged_ids is not null")
    assert any(len(row[0]) > 1 for row in merged)
    site.ingest(Crm.SALESFORCE)
    assert site.rows("select count(*) > 0 from raw.salesforce__leads") == [(True,)]
    conserved = site.rows("select bool_and(rows_in = rows_loaded + rows_rejected) from raw.landings")
    assert conserved == [(True,)]


def test_olist_maps_to_leads_forms_and_wins(tmp_path: Path, example_data: Path, site: Site) -> None:
    path = PROJECT / "examples" / "olist" / "sources.yml"
    sources = load_sources(path, variables={"RECOVERY_EXAMPLE_DATA": str(example_data)})
    warehouse = Warehouse(tmp_path / "w.duckdb", memory="1GB", threads=1)
    report = ingest(warehouse.open, sources, Crm.MAPPED_CSV, options=IngestOptions(tmp_path / "landing"), now=NOW)
    assert report.problems == []
    with warehouse.open() as connection:
        found = dict(connection.execute("select object, rows_loaded from raw.landings").fetchall())
        assert found == {"leads": 8000, "activities": 8000, "outcomes": 842}
        assert connection.execute("select distinct level from raw.mapped__outcomes").fetchall() == [(4,)]
        assert connection.execute("select bool_and(is_history) from raw.landings").fetchone() == (True,)
    assert default_as_of(warehouse) == date(2018, 11, 15)


def test_a_list_of_leads_becomes_people_forms_and_opt_outs(tmp_path: Path) -> None:
    sources = load_sources(PROJECT / "examples" / "sample_leads" / "sources.yml")
    site = Site(tmp_path)
    options = IngestOptions(site.landing, memory="1GB", threads=1)
    assert ingest(site.warehouse.open, sources, Crm.MAPPED_CSV, options=options, now=NOW).problems == []
    assert site.rows("select object, rows_in, rows_loaded from raw.landings order by 1") == [
        ("activities", 36, 36),
        ("leads", 36, 36),
    ]
    assert site.rows("select columns_unmapped from raw.landings where object = 'leads'") == [([],)]
    assert site.rows("select count(*) from raw.field_issues") == [(0,)]
    assert site.rows(
        "select count(email), count(country_code), count(*) filter (is_opted_out_email), min(employee_count) "
        "from raw.mapped__leads"
    ) == [(34, 30, 3, 1)]
    assert site.rows(
        "select count(*) from raw.mapped__activities a join raw.mapped__leads l on a.lead_id = l.record_id "
        "where (a.kind, a.direction, a.actor) = ('form', 'inbound', 'person') and a.occurred_at = l.created_at"
    ) == [(36,)]
    assert default_as_of(site.warehouse) == date(2026, 4, 14)


def test_headers_match_by_label_or_api_name_whatever_their_case() -> None:
    spec = alias_table(Crm.HUBSPOT).objects["contacts"]
    found = match_headers(spec, ["RECORD id", "property_createdate", "e mail", "zonk"])
    assert found.headers == {"record_id": "RECORD id", "created_at": "property_createdate", "email": "e mail"}
    assert found.unmapped == ("zonk",)


@pytest.mark.parametrize(
    ("crm", "name", "expected"),
    [
        (Crm.SALESFORCE, "do_not_contact.csv", "suppressions"),
        (Crm.SALESFORCE, "contacts.csv", "contacts"),
        (Crm.HUBSPOT, "unsubscribes_and_bounces.csv", "suppressions"),
        (Crm.HUBSPOT, "readme.csv", None),
    ],
)
def test_longest_pattern_decides(crm: Crm, name: str, expected: str | None) -> None:
    assert match_object(crm, name) == expected


def _engine(site: Site) -> Engine:
    (site.root / "sources.yml").write_text(site.text, encoding="utf-8")
    overrides = {"var_dir": "var", "sources_file": "sources.yml", "duckdb_memory": "1GB", "duckdb_threads": 1}
    return Engine(root=str(site.root), overrides=overrides, fixed_now=NOW.isoformat())


def test_suppression_list_holds_from_the_next_run(site: Site, tmp_path: Path) -> None:
    engine = _engine(site)
    listed = tmp_path / "list.csv"
    listed.write_text("who\nAnn@x.example\nbob@x.example\nnot an address\nc@x.example\nd@x.example\n")
    report = land_suppressions(engine, listed, reason="objection")
    again = land_suppressions(engine, listed, reason="objection")
    assert (report.rows, report.rejected) == (4, 1)
    assert again == report
    assert "4 addresses" in str(report)
    site.ingest(Crm.MAPPED_CSV)
    assert site.rows("select email, reason, _source from raw.mapped__suppressions order by 1 limit 1") == [
        ("ann@x.example", "objection", "operator")
    ]


def test_suppression_list_without_addresses_is_refused(site: Site, tmp_path: Path) -> None:
    engine = _engine(site)
    listed = tmp_path / "list.csv"
    listed.write_text("who\nAnn\nBob\n")
    with pytest.raises(BadInputError, match="No column holds"):
        land_suppressions(engine, listed, reason="opt_out")
    with pytest.raises(SettingError, match="is no reason"):
        land_suppressions(engine, listed, reason="whim")


def test_mapping_is_proposed_from_names_and_values(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(
        "Customer ID,Signup Date,E-Mail Adress,Firstname,Shoe\n"
        + "".join(f"{i},{13 + i % 10}/02/2024,a{i}@x.example,Ann,{i}\n" for i in range(30))
    )
    proposal = propose_mapping(path)
    found = {column.name: column.canonical for column in proposal.columns}
    assert proposal.object == "leads"
    assert found["E-Mail Adress"] == "email"
    assert found["Signup Date"] == "created_at"
    assert found["Shoe"] is None
    assert "mapped_csv" in proposal.yaml


@pytest.mark.parametrize(
    ("header", "values", "canonical"),
    [
        ("has_company", ["yes", "no"], None),  # shares a word only
        ("Company Phone Type", ["mobile", "desk"], None),
        ("Subscribed", ["yes", "no"], None),  # the opposite of a name that it resembles
        ("Owner Email", ["rep@us.example", "rep2@us.example"], None),  # somebody else's address
        ("Email", ["call after six", "never"], None),  # the right name over the wrong values
        ("Status", ["open", "lost"], None),
        ("lead_email", ["a@x.example", "b@x.example"], "email"),
        ("Name, first", ["Ann", "Bo"], "first_name"),
        ("Unsubscribed", ["yes", "no"], "is_opted_out_email"),
        ("Job Titel", ["VP", "CTO"], "job_title"),
        ("Company size", ["51-200", "5,000+"], "employee_count"),
    ],
)
def test_nothing_is_proposed_rather_than_something_wrong(
    tmp_path: Path, header: str, values: list[str], canonical: str | None
) -> None:
    path = tmp_path / "people.csv"
    rows = "".join(f'{i},{13 + i % 10}/02/2024,"{values[i % 2]}"\n' for i in range(20))
    path.write_text(f'Customer ID,Signup Date,"{header}"\n{rows}')
    proposal = propose_mapping(path)
    assert proposal.object == "leads"
    assert proposal.columns[2].canonical == canonical


def test_problems_are_told_in_one_paragraph_a_file() -> None:
    problems = [
        FileProblem("hub", "deals", "The file is empty.", "exports/deals.csv", "Export it again."),
        FileProblem("hub", "contacts", "The text is not ascii.", "exports/contacts.csv, line 2", "Save it as UTF-8."),
        FileProblem("hub", "contacts", "The order is unclear.", "exports/contacts.csv, line 2", "Declare it."),
    ]
    assert checks.told(problems).split("\n\n") == [
        "2 exports could not be used; everything else was loaded.",
        "Source hub, deals in exports/deals.csv: The file is empty. What to do: Export it again.",
        "Source hub, contacts in exports/contacts.csv, line 2: The text is not ascii. The order is unclear. "
        "What to do: Save it as UTF-8. Declare it.",
    ]
    assert checks.told([]) == ""
    assert checks.told(problems * 9 + [FileProblem("s", "", "x", str(i), "") for i in range(30)]).endswith(
        "... and 12 more in raw.problems."
    )


def test_findings_can_fail(site: Site) -> None:
    limits = Limits(62, 0.2)
    site.put("contacts.csv", contacts(40))
    header = "Record ID,Activity type,Activity date,Associated Contact IDs"
    rows = [f"a{i},EMAIL,2024-0{1 + i % 2}-1{i % 3} 10:00,{i + 20}" for i in range(40)]
    site.put("activities.csv", "\n".join([header, *rows]))
    site.put("contacts.csv", contacts(10), day="2026-05-02")
    site.ingest()
    with site.warehouse.open() as connection:
        found = {item.name: item.is_true for item in evaluate_all(connection, limits)}
        assert found["rows_in_are_loaded_or_rejected"]
        assert not found["activities_refer_to_known_people"]
        assert not found["history_spans_the_label_window"]
        assert not found["full_exports_have_not_shrunk"]
        assert not found["sources_have_permission_data"]
        connection.execute("delete from raw.hubspot__contacts where record_id = '3'")
        broken = {item.name: item for item in evaluate_all(connection, limits)}
        assert not broken["rows_in_are_loaded_or_rejected"].is_true
        assert broken["rows_in_are_loaded_or_rejected"].is_blocking


def test_a_bad_file_fails_the_run_after_the_others_loaded(site: Site) -> None:
    site.put("contacts.csv", contacts(5))
    site.put("deals.csv", "")

    @dg.asset(deps=[dg.AssetKey(["raw", "hubspot__contacts"])])
    def downstream() -> None:
        return None

    result = dg.materialize(
        [*assets.ASSETS, *checks.CHECKS, downstream],
        resources={"engine": _engine(site)},
        partition_key="2026-06-01",
        raise_on_error=False,
    )
    assert not result.success
    failed = {event.step_key for event in result.all_events if event.is_step_failure}
    assert failed == {"every_export_is_usable"}
    assert result.asset_materializations_for_node("downstream")
    verdicts = {item.check_name: item for item in result.get_asset_check_evaluations()}
    assert not verdicts["every_export_is_usable"].passed
    assert "deals.csv" in (verdicts["every_export_is_usable"].description or "")
    assert verdicts["rows_in_are_loaded_or_rejected"].passed
    counts = {
        item.asset_key.path[-1]: item.metadata["dagster/row_count"].value
        for item in result.asset_materializations_for_node("raw_hubspot")
    }
    assert counts["hubspot__contacts"] == 5
