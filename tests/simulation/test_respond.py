from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path

import duckdb
import pytest

from contracts.errors import BadInputError
from simulation import WorldSettings, respond, write_exports

DAY, NEXT = date(2026, 4, 20), date(2026, 5, 25)
COLUMNS = (
    "touch_id", "person_id", "source", "crm", "record_object", "record_id", "channel", "to_address", "not_before",
    "expires_at", "subject", "body",
)  # fmt: skip


def write_batch(outbox: Path, batch: str, rows: dict[str, list[tuple[str, str]]], day: date | None = None) -> None:
    folder = outbox / batch
    folder.mkdir(parents=True)
    for channel, records in rows.items():
        with (folder / f"{channel}.csv").open("w", newline="") as handle:
            writer = csv.DictWriter(handle, COLUMNS)
            writer.writeheader()
            for crm, record in records:
                writer.writerow({
                    "touch_id": f"{batch}-{record}", "person_id": "x", "crm": crm, "record_id": record,
                    "channel": channel, "not_before": "2026-04-20T15:00:00Z", "expires_at": "2026-04-21T15:00:00Z",
                    "subject": "Hello",
                })  # fmt: skip
    manifest = {"batch_id": batch} | ({"as_of_date": day.isoformat()} if day else {})
    (folder / "manifest.json").write_text(json.dumps(manifest))


def records(truth: Path, crm: str, limit: int) -> list[tuple[str, str]]:
    sql = f"""
        select i.crm, i.record_id from '{truth}/identity.parquet' i join '{truth}/p/{DAY}.parquet' p using (pid)
        where p.dormant and i.slot = 0 and i.crm = '{crm}' order by i.pid limit {limit}"""
    return duckdb.sql(sql).fetchall()


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("respond")
    world, out, truth, outbox = WorldSettings(people=1_500), root / "out", root / "truth", root / "outbox"
    write_exports(world, out=out, truth=truth, as_of=DAY)
    write_exports(world, out=root / "quiet", truth=root / "quiet-truth", as_of=NEXT)
    touched = {crm: records(truth, crm, 150) for crm in ("hubspot", "salesforce", "gohighlevel")}
    rows = {"email": touched["hubspot"] + touched["salesforce"][:100], "sms": touched["gohighlevel"][:20]}
    rows["call"] = touched["salesforce"][100:110] + touched["gohighlevel"][20:30] + [("hubspot", "unheard of")]
    write_batch(outbox, "b1", rows, DAY)
    report = respond(world, outbox=outbox, truth=truth, as_of=NEXT)
    again = respond(world, outbox=outbox, truth=truth, as_of=DAY)
    write_exports(world, out=out, truth=truth, as_of=NEXT, since=DAY)
    return root, touched, report, again


def test_every_touch_is_answered_once(answered):
    root, touched, report, again = answered
    mails = len(touched["hubspot"]) + len(touched["salesforce"][:100])
    assert (report.batches, report.unknown_records) == (1, 1)
    assert report.by_channel["email"] == mails
    assert report.touches == mails + report.by_channel["sms"] + report.by_channel["call"]
    assert (again.batches, again.touches) == (0, 0)
    stored = duckdb.sql(f"select count(*), count(distinct touch_id) from '{root}/truth/treatments.parquet'").fetchone()
    assert stored == (report.touches, report.touches)


def test_a_second_batch_adds_to_the_first(answered):
    root, touched, report, _ = answered
    write_batch(root / "outbox", "b2", {"email": touched["gohighlevel"][40:50]})
    world = WorldSettings(people=1_500)
    more = respond(world, outbox=root / "outbox", truth=root / "truth", as_of=date(2026, 4, 27))
    assert more.touches == 10
    when = duckdb.sql(f"select min(t.at) from '{root}/truth/treatments.parquet' as t where batch = 'b2'").fetchone()[0]
    assert when >= world.epoch(date(2026, 4, 27))
    kept = duckdb.sql(f"select count(*) from '{root}/truth/treatments.parquet' where batch = 'b1'").fetchone()[0]
    assert kept == report.touches


def test_the_next_export_shows_the_mails_and_what_came_of_them(answered):
    root, touched, _, _ = answered
    events = f"read_csv('{root}/out/exports/{NEXT}/hubspot/email_events.csv', all_varchar=true, ignore_errors=true)"
    engine = f"""(select * from {events} where try_cast("Email campaign ID" as bigint) >= 509000)"""
    kinds = dict(duckdb.sql(f'select "Event type", count(distinct "Event ID") from {engine} group by all').fetchall())
    assert kinds["SENT"] == len(touched["hubspot"])
    assert kinds["DELIVERED"] <= kinds["SENT"]
    assert kinds["OPEN"] > 0
    first = duckdb.sql(f"""select min("Event date") from {engine} where "Event type" = 'SENT'""").fetchone()[0]
    assert first >= "2026-04-20 15:00"
    mails = f"read_csv('{root}/out/exports/{NEXT}/salesforce/email_messages.csv', all_varchar=true, ignore_errors=true)"
    own = duckdb.sql(f"select count(distinct Id) from {mails} where Subject = 'Hello' and Automated__c = 'true'")
    assert own.fetchone()[0] == len(touched["salesforce"][:100])
    texts = f"read_csv('{root}/out/exports/{NEXT}/gohighlevel/messages.csv', all_varchar=true, ignore_errors=true)"
    sent = duckdb.sql(
        f"select count(distinct id) from {texts} where messageType = 'TYPE_SMS' and direction = 'outbound'"
    ).fetchone()[0]
    assert sent == len(touched["gohighlevel"][:20])


def test_people_who_were_not_contacted_go_on_as_they_would(answered):
    root, touched, _, _ = answered
    sql = """
        select "Record ID", "Associated Contact IDs", "Create Date"
        from read_csv('{}/exports/{}/hubspot/activities.csv', all_varchar=true, ignore_errors=true)
        where "Create Date" >= '2026-04-20' and "Create Date" < '2026-05-25' and "Record ID" is not null"""
    contacted = {record for _, record in touched["hubspot"]}
    mates = duckdb.sql(f"""
        select record_id from '{root}/truth/identity.parquet' join '{root}/truth/traits.parquet' using (pid)
        where account in (select account from '{root}/truth/treatments.parquet'
            join '{root}/truth/traits.parquet' using (pid))""").fetchall()
    near = contacted | {record for (record,) in mates}
    real, quiet = (set(duckdb.sql(sql.format(folder, NEXT)).fetchall()) for folder in (root / "out", root / "quiet"))
    assert {row for row in real if row[1] not in near} == {row for row in quiet if row[1] not in near}
    assert real != quiet


def test_answering_before_any_export_is_refused(tmp_path: Path):
    with pytest.raises(BadInputError, match="no records yet"):
        respond(WorldSettings(), outbox=tmp_path, truth=tmp_path, as_of=DAY)


def test_a_truth_folder_belongs_to_one_world(tmp_path: Path):
    world = WorldSettings(people=100)
    out, truth, outbox = tmp_path / "out", tmp_path / "truth", tmp_path / "outbox"
    write_exports(world, out=out, truth=truth, as_of=DAY)
    write_batch(outbox, "b1", {"email": records(truth, "hubspot", 5)}, DAY)
    respond(world, outbox=outbox, truth=truth, as_of=DAY)
    other = WorldSettings(people=100, seed=8)
    with pytest.raises(BadInputError, match="other settings"):
        respond(other, outbox=outbox, truth=truth, as_of=DAY)
    write_exports(other, out=out, truth=truth, as_of=DAY)
    assert not (truth / "treatments.parquet").exists()
