"""`sources.yml`: what it accepts, and the words with which it refuses."""

from pathlib import Path

import pytest

from contracts.errors import BadInputError
from contracts.sources import ExportManifest, Mode, expand_variables, load_sources
from contracts.words import ColumnType, Crm

GOOD = """version: 1
sources:
  - name: hub
    crm: hubspot
    path: ${FOLDER}/*/hub
    time_zone: Europe/Berlin
    date_format: {contacts: "%d/%m/%Y"}
    encoding: {companies: Windows-1252, contacts: UTF8}
    column_types: {contacts: {job_title: mutable}}
    history: {until: 2026-04-20}
  - name: list
    crm: mapped_csv
    path: lists
    mode: incremental
    exported_at: 2026-06-01T02:00:00+02:00
    mapping:
      - object: activities
        file: "*.csv"
        columns: {lead_id: ID, kind: {const: form}, record_id: {template: "{ID}-form"}}
"""


def _load(folder: Path, text: str) -> object:
    path = folder / "sources.yml"
    path.write_text(text, encoding="utf-8")
    return load_sources(path, variables={"FOLDER": "exports"})


def test_everything_declared_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sources.yml"
    path.write_text(GOOD, encoding="utf-8")
    loaded = load_sources(path, variables={"FOLDER": "exports"})
    hub, listed = loaded.sources
    assert loaded.root == tmp_path
    assert (hub.crm, hub.path, hub.mode) == (Crm.HUBSPOT, "exports/*/hub", Mode.FULL)
    assert hub.encoding == {"companies": "cp1252", "contacts": "utf-8"}
    assert hub.column_types == {"contacts": {"job_title": ColumnType.MUTABLE}}
    assert hub.history is not None
    assert hub.history.assumed_lag_hours == 24
    assert listed.mode is Mode.INCREMENTAL
    assert listed.mapping[0].columns["lead_id"] == "ID"
    assert listed.mapping[0].columns["kind"].model_dump() == {"const": "form"}  # type: ignore[union-attr]
    assert listed.mapping[0].columns["record_id"].model_dump() == {"template": "{ID}-form"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version: 1", "version: 2", "version: Input should be 1"),
        ("name: hub\n", "name: Hub 1\n", "source 'Hub 1' > name: String should match pattern"),
        ("name: list", "name: hub", "source names must be unique; repeated: hub"),
        ("time_zone: Europe/Berlin", "time_zone: Berlin", "'Berlin' is not an IANA time zone"),
        ("time_zone: Europe/Berlin", "timezone: UTC", "source 'hub' > timezone: unknown field"),
        ("Windows-1252", "klingon", "'klingon' is no text encoding; write for example utf-8, latin-1 or cp1252"),
        ("Windows-1252", "base64", "'base64' is no text encoding"),
        ("job_title: mutable", "job_title: fickle", "source 'hub' > column_types > contacts > job_title"),
        ("T02:00:00+02:00", "T02:00:00", "needs a UTC offset"),
        ("crm: mapped_csv", "crm: hubspot", "only a mapped_csv source has `mapping`"),
        ("crm: hubspot", "crm: mapped_csv", "needs `mapping`; `recovery map FILE` proposes one"),
        ("{const: form}", "{constant: form}", "source 'list' > mapping > 0 > columns > kind"),
        ('{template: "{ID}-form"}', "{template: form}", "source 'list' > mapping > 0 > columns > record_id"),
        ("object: activities", "object: invoices", "source 'list' > mapping > 0 > object"),
        ("until: 2026-04-20", "until: soon", "source 'hub' > history > until"),
        ("sources:\n", "root: /\nsources:\n", "must be a mapping with `version` and `sources` only"),
        ("sources:\n", "sources: [\n", "is not valid YAML"),
        ("${FOLDER}", "${NOWHERE}", "the variable NOWHERE, which has no value"),
    ],
)
def test_a_fault_is_told_by_source_field_and_reason(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(BadInputError) as caught:
        _load(tmp_path, GOOD.replace(old, new, 1))
    assert told in caught.value.what
    assert str(tmp_path) in caught.value.where
    assert caught.value.remedy


def test_a_missing_list_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="does not exist") as caught:
        load_sources(tmp_path / "sources.yml")
    assert "recovery init" in caught.value.remedy


def test_a_list_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "sources.yml").write_bytes(b"\xff\xfe\x00version")
    with pytest.raises(BadInputError, match="cannot be read"):
        load_sources(tmp_path / "sources.yml")


def test_an_export_describes_its_files() -> None:
    manifest = ExportManifest.model_validate_json(
        '{"exported_at": "2026-06-01T00:00:00Z", "files": {"a.csv": {"object": "contacts", "encoding": "latin1"}}}'
    )
    assert manifest.files["a.csv"].encoding == "iso8859-1"
    with pytest.raises(ValueError, match="UTC offset"):
        ExportManifest.model_validate_json('{"exported_at": "2026-06-01T00:00:00"}')


def test_variables_are_named_in_capitals_and_must_have_a_value() -> None:
    assert expand_variables("${A_1}/x$y", {"A_1": "data"}) == "data/x$y"
    with pytest.raises(KeyError):
        expand_variables("${A_1}", {})
