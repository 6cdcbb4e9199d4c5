"""The outbox: safe cells, complete or absent folders."""

from __future__ import annotations

import csv
import json
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import PermanentError
from contracts.files import sha256_file
from contracts.words import Channel
from recovery.batch import Batch, Touch, assignments_of, make_batch
from recovery.drafting import Draft, SenderFacts
from recovery.sinks import CRM_UPDATE_SCHEMA, emit_batch, emit_scores, guard, write_crm_updates
from recovery.tokens import key_of

SENDER = SenderFacts("Acme", "1 Main Street", "hello@acme.example", "https://acme.example/u")
KEY = key_of(bytes(32))
SIGNS = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "−"]
BLANKS = ["", " ", "  ", "\t", "\u00a0",
          "\u2003", "\ufeff", "\u200b", "\x00", "\x01", "\x0b",
          "\u3000", '"', "'", " \u200e", '" ', "\r\n"]  # fmt: skip
PREFIXES = [blank + sign for blank in BLANKS for sign in SIGNS]


def starts_a_formula(cell: str) -> bool:
    """What a spreadsheet does at its most lenient: blanks and invisible characters are dropped first."""
    import unicodedata

    rest = cell.replace("\x00", "")
    if rest[:1] in ("\t", "\r", "\n"):
        return True
    while rest and (unicodedata.category(rest[0])[0] in "ZC" or rest[0] == '"'):
        rest = rest[1:]
    return rest[:1] in ("=", "+", "-", "@", "＝", "＋", "－", "＠", "−")


def touch(number: int, *, channel: Channel = Channel.EMAIL, arm: str = "contacted", text: str = "Hello") -> Touch:
    address = f"lead{number}@x.example" if channel is Channel.EMAIL else f"+1212555{number:04d}"
    draft = Draft(channel, address, f"Subject {number}", text, f"<p>{text}</p>", f"{number:064d}")
    return Touch(
        touch_id=f"touch-{number:04d}",
        person_id=f"person-{number}",
        account_id=None,
        source="main",
        crm="hubspot",
        record_object="contacts",
        record_id=str(number),
        draft=draft,
        not_before=datetime(2026, 6, 1, 13),
        expires_at=datetime(2026, 6, 1, 21),
        playbook="b2b_starter",
        step=1,
        cycle=1,
        arm=arm,
        propensity=0.9,
        rank=number,
    )


def batch(*touches: Touch) -> Batch:
    return make_batch(touches, as_of=date(2026, 6, 1), sender_id="main", policy_version="p", model="m")


def updates(*values: str) -> pa.Table:
    rows = [
        {"crm": "hubspot", "record_id": v, "record_object": v, "score": 50, "tier": "high", "percent": 7.2,
         "reason_1": v, "reason_2": None, "reason_3": v, "next_step": v, "owner": v}
        for v in values
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=pa.schema([("crm", pa.string()), *CRM_UPDATE_SCHEMA]))


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


def test_200_formula_prefixes_are_harmless_in_every_export(tmp_path: Path) -> None:
    assert len(PREFIXES) >= 200
    texts = [f"{prefix}HYPERLINK(0)" for prefix in PREFIXES]
    evil = [touch(n, text=text) for n, text in enumerate(texts)]
    folder = emit_batch(tmp_path, batch(*evil), sender=SENDER, key=KEY, crm_updates=updates(*texts))
    for name in ("email.csv", "crm_update_hubspot.csv"):
        rows = cells(folder / name)
        assert len(rows) == len(texts) + 1
        assert not [cell for row in rows for cell in row if starts_a_formula(cell)]


@pytest.mark.parametrize("text", ["Ann", "3 apples", "a=b", "e-mail", "(1)", "", "  indented", "é", "#1", "/path"])
def test_harmless_cells_stay_as_they_are(text: str) -> None:
    assert guard(text) == text


@settings(max_examples=150, deadline=None)
@given(st.text())
def test_no_text_is_ever_a_formula(text: str) -> None:
    assert not starts_a_formula(guard(text))


def test_phone_numbers_are_written_as_tel_addresses(tmp_path: Path) -> None:
    folder = emit_batch(
        tmp_path, batch(touch(1, channel=Channel.CALL)), sender=SENDER, key=KEY, crm_updates=updates("1")
    )
    assert cells(folder / "call.csv")[1][7] == "tel:+12125550001"
    assert not (folder / "eml").exists()


def test_held_out_touches_are_counted_and_written_nowhere(tmp_path: Path) -> None:
    made = batch(touch(1), touch(2, arm="held_out"), touch(3, arm="explored"))
    folder = emit_batch(tmp_path, made, sender=SENDER, key=KEY, crm_updates=updates("1"))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["planned"], manifest["held_out"]) == (2, 1)
    assert not any(b"touch-0002" in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert assignments_of(made).num_rows == 3


def test_the_batch_is_named_by_its_content() -> None:
    one = batch(touch(1), touch(2))
    assert batch(touch(2), touch(1)).batch_id == one.batch_id
    assert batch(touch(1), touch(2, arm="held_out")).batch_id != one.batch_id
    assert batch(touch(1)).batch_id != one.batch_id


def test_emitting_twice_changes_nothing_and_leftovers_are_replaced(tmp_path: Path) -> None:
    made = batch(touch(1))
    leftover = tmp_path / f".{made.batch_id}.tmp"
    leftover.mkdir()
    (leftover / "email.csv").write_text("half")
    folder = emit_batch(tmp_path, made, sender=SENDER, key=KEY, crm_updates=updates("1"))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
    assert emit_batch(tmp_path, made, sender=SENDER, key=KEY, crm_updates=updates("2")) == folder
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert [path.name for path in tmp_path.iterdir()] == [made.batch_id]


def test_a_folder_that_somebody_changed_is_told(tmp_path: Path) -> None:
    made = batch(touch(1))
    folder = emit_batch(tmp_path, made, sender=SENDER, key=KEY, crm_updates=updates("1"))
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(PermanentError, match="another content"):
        emit_batch(tmp_path, made, sender=SENDER, key=KEY, crm_updates=updates("1"))


def test_scores_alone_follow_the_day(tmp_path: Path) -> None:
    def emit(*values: str) -> Path | None:
        return emit_scores(tmp_path, as_of=date(2026, 6, 1), sender_id="main", crm_updates=updates(*values))

    assert emit() is None
    folder = emit("1")
    assert folder == tmp_path / "2026-06-01-scores"
    assert emit("1") == folder
    emit("1", "2")
    assert len(cells(folder / "crm_update_hubspot.csv")) == 3
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["kind"], manifest["batch_id"], manifest["planned"]) == ("scores", None, 0)
    described = manifest["files"]["crm_update_hubspot.csv"]
    assert described == {"sha256": sha256_file(folder / "crm_update_hubspot.csv"), "rows": 2}


def test_each_crm_gets_its_own_file(tmp_path: Path) -> None:
    two = pa.concat_tables([updates("1"), updates("2").set_column(0, "crm", pa.array(["salesforce"]))])
    written = write_crm_updates(tmp_path, two)
    assert written == {"crm_update_hubspot.csv": 1, "crm_update_salesforce.csv": 1}
