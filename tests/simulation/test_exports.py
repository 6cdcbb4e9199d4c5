from __future__ import annotations

import csv
import hashlib
import json
from datetime import date
from pathlib import Path

import pytest
import yaml

from contracts.errors import BadInputError, SettingError
from contracts.sources import ExportManifest, load_sources
from simulation import WorldSettings, write_exports
from simulation.campaigns import HEADER
from simulation.exports import queries
from tests.simulation.conftest import FIRST_DAY, LAST_DAY, Made

ALIASES = Path(__file__).parents[2] / "pipelines" / "ingest" / "aliases"
ACTIVITY_FILES = (
    ("hubspot", "activities.csv", "Record ID", "Activity date"),
    ("hubspot", "email_events.csv", "Event ID", "Event date"),
    ("salesforce", "tasks.csv", "Id", "CreatedDate"),
    ("salesforce", "events.csv", "Id", "CreatedDate"),
    ("salesforce", "email_messages.csv", "Id", "MessageDate"),
    ("gohighlevel", "messages.csv", "id", "dateAdded"),
    ("gohighlevel", "appointments.csv", "id", "startTime"),
)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        world = WorldSettings(people=300, seed=seed)
        write_exports(world, out=tmp_path / name / "out", truth=tmp_path / name / "truth", as_of=FIRST_DAY)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a" / "out") != digests(tmp_path / "c" / "out")


def test_people_do_not_depend_on_how_many_come_after_them(made: Made, tmp_path: Path):
    write_exports(WorldSettings(people=200), out=tmp_path / "out", truth=tmp_path / "truth", as_of=FIRST_DAY)
    for source, name, key, _ in ACTIVITY_FILES:
        small = made.relation(FIRST_DAY, source, name).replace(str(made.out), str(tmp_path / "out"))
        large = made.relation(FIRST_DAY, source, name)
        assert made.value(f'select count(*) from {small} where "{key}" is not null') > 0
        assert made.value(f"select count(*) from (select distinct * from {small} except select * from {large})") == 0


@pytest.mark.parametrize(("source", "name", "key", "time"), ACTIVITY_FILES)
def test_a_later_export_holds_the_same_past(made: Made, tmp_path_factory, source: str, name: str, key: str, time: str):
    again = tmp_path_factory.getbasetemp() / "full-later"
    if not again.exists():
        write_exports(made.settings, out=again / "out", truth=again / "truth", as_of=LAST_DAY)
    before = made.relation(FIRST_DAY, source, name)
    later = made.relation(LAST_DAY, source, name).replace(str(made.out), str(again / "out"))
    fills = {"Call outcome", "Status", "status", "CompletedDateTime", "appointmentStatus"}
    columns = [row[0] for row in made.rows(f"describe select * from {before}") if row[0] not in fills]
    names = ", ".join(f'"{column}"' for column in columns)
    assert made.value(f"select count(*) from {before}") > 100
    assert made.rows(f"select {names} from {before} except select {names} from {later}") == []


def test_nothing_is_exported_before_it_was_observed(made: Made):
    for source, name, _, time in ACTIVITY_FILES:
        if time in ("Activity date", "startTime"):
            time = "Create Date" if source == "hubspot" else "dateAdded"
        newest = made.value(
            f'select max(substr("{time}", 1, 10)) from {made.relation(FIRST_DAY, source, name)} '
            f"where try_cast(substr(\"{time}\", 1, 10) as date) > date '2000-01-01'"
        )
        assert date(2026, 4, 13) < date.fromisoformat(newest) < FIRST_DAY


def test_an_incremental_export_holds_only_what_is_new(made: Made):
    relation = made.relation(LAST_DAY, "hubspot", "activities.csv")
    oldest = made.value(f"""select min(try_strptime("Create Date", '%Y-%m-%d %H:%M')) from {relation}""")
    assert oldest.date() >= FIRST_DAY
    assert made.last.files["hubspot/activities.csv"] < made.first.files["hubspot/activities.csv"] / 4
    assert made.last.files["hubspot/contacts.csv"] >= made.first.files["hubspot/contacts.csv"]


def known_headers(crm: str, name: str) -> set[str]:
    tables = yaml.safe_load((ALIASES / f"{crm}.yml").read_text())["objects"]
    return {header for column in tables[name]["columns"].values() for header in column["labels"] + column["api"]}


def test_every_header_stands_in_the_alias_tables(made: Made):
    invented = {"Favourite colour", "Lead_Rating__c"}
    for day in (FIRST_DAY, LAST_DAY):
        for query in queries(made.settings, as_of=day, since=None):
            unknown = set(query.columns) - known_headers(query.spec.source, query.spec.object) - invented
            assert not unknown, (query.spec, unknown)
            path = made.out / "exports" / day.isoformat() / query.spec.source / query.spec.name
            with path.open(encoding=query.spec.encoding, newline="") as handle:
                assert tuple(next(csv.reader(handle))) == tuple(query.columns)


def test_required_columns_are_always_there(made: Made):
    for query in queries(made.settings, as_of=LAST_DAY, since=None):
        table = yaml.safe_load((ALIASES / f"{query.spec.source}.yml").read_text())["objects"][query.spec.object]
        for name in table["required"]:
            aliases = set(table["columns"][name]["labels"] + table["columns"][name]["api"])
            assert aliases & set(query.columns), (query.spec, name)


def test_manifests_and_sources_are_what_the_contract_reads(made: Made):
    for source in ("hubspot", "salesforce", "gohighlevel", "campaign_history"):
        folder = made.out / "exports" / LAST_DAY.isoformat() / source
        manifest = ExportManifest.model_validate(json.loads((folder / "_export.json").read_text()))
        assert manifest.exported_at is not None
        assert manifest.exported_at.isoformat() == "2026-05-31T23:00:00+00:00"
        assert set(manifest.files) == {path.name for path in folder.glob("*.csv")}
    modes = json.loads((made.out / "exports" / "2026-06-01" / "hubspot" / "_export.json").read_text())["files"]
    assert modes["activities.csv"]["mode"] == "incremental"
    assert modes["contacts.csv"]["mode"] == "full"
    sources = load_sources(made.out / "sources.yml").sources
    assert [source.name for source in sources] == ["hubspot", "salesforce", "gohighlevel", "campaign_history"]
    assert sources[0].history is not None
    assert sources[0].history.until == FIRST_DAY


def test_past_campaigns_carry_random_assignment(made: Made):
    path = made.out / "exports" / FIRST_DAY.isoformat() / "campaign_history" / "assignments.csv"
    with path.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert tuple(rows[0]) == HEADER
    assert len({row["campaign"] for row in rows}) == 12
    assert len({row["assignment_id"] for row in rows}) == len(rows)
    held_out = [row for row in rows if row["arm"] == "held_out"]
    assert {row["propensity"] for row in held_out} == {"0.30"}
    assert abs(len(held_out) / len(rows) - 0.3) < 0.03


def test_truth_never_lies_below_the_exports(made: Made, tmp_path: Path):
    hidden = {"intent", "effect", "uplift", "p_email", "effect_class", "persuadable", "lost_cause"}
    for path in made.out.rglob("*"):
        assert path.suffix in ("", ".csv", ".json", ".yml")
        if path.suffix == ".csv":
            with path.open("rb") as handle:
                assert not hidden & set(handle.readline().decode("latin-1").replace('"', "").strip().split(","))
    with pytest.raises(SettingError, match="must not lie below"):
        write_exports(made.settings, out=tmp_path, truth=tmp_path / "truth", as_of=FIRST_DAY)


def test_an_open_deal_does_not_tell_when_it_will_close(made: Made):
    sql = """
        select count(*) from {before} b join {after} a using ("Record ID")
        where b."Is Deal Closed?" = 'false' and a."Is Deal Closed?" = 'true' and {same}"""
    files = {
        "before": made.relation(FIRST_DAY, "hubspot", "deals.csv"),
        "after": made.relation(LAST_DAY, "hubspot", "deals.csv"),
    }
    assert made.value(sql.format(**files, same="true")) > 10
    assert made.value(sql.format(**files, same='a."Close Date" = b."Close Date"')) == 0


def test_the_same_world_can_live_at_another_time():
    world = WorldSettings()
    later = world.shifted(365)
    assert later.start.weekday() == world.start.weekday() == 0
    assert (later.anchor - later.start) == (world.anchor - world.start)
    assert (later.anchor - world.anchor).days == 364


def test_a_date_before_the_world_is_refused(tmp_path: Path):
    with pytest.raises(BadInputError, match="starts on"):
        write_exports(WorldSettings(), out=tmp_path / "o", truth=tmp_path / "t", as_of=date(2020, 1, 1))
