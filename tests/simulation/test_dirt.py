"""Every stated kind of dirt is present, and no file is so dirty that it would be refused."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from datetime import date

import phonenumbers
import pytest

from simulation import WorldSettings
from simulation.exports import queries
from simulation.settings import DAY
from simulation.texts import INJECTIONS
from tests.simulation.conftest import FIRST_DAY, LAST_DAY, Made


def raw(made: Made, source: str, name: str, day: date = FIRST_DAY) -> bytes:
    return (made.out / "exports" / day.isoformat() / source / name).read_bytes()


def parsed(made: Made, source: str, name: str, encoding: str = "utf-8") -> list[list[str]]:
    return list(csv.reader(io.StringIO(raw(made, source, name).decode(encoding), newline="")))


def test_one_file_has_a_byte_order_mark_and_two_are_latin_1(made: Made):
    assert raw(made, "hubspot", "contacts.csv").startswith(b"\xef\xbb\xbf")
    for source, name in (("gohighlevel", "contacts.csv"), ("hubspot", "companies.csv")):
        assert not raw(made, source, name).startswith(b"\xef\xbb\xbf")
    with pytest.raises(UnicodeDecodeError):
        raw(made, "gohighlevel", "contacts.csv").decode("utf-8")
    with pytest.raises(UnicodeDecodeError):
        raw(made, "hubspot", "companies.csv").decode("utf-8")
    assert "José" in raw(made, "gohighlevel", "contacts.csv").decode("latin-1")


def test_dates_come_in_four_formats_and_the_odd_ones_are_declared(made: Made):
    shapes = {
        ("hubspot", "activities.csv", "Create Date"): r"\d{4}-\d\d-\d\d \d\d:\d\d",
        ("salesforce", "tasks.csv", "CreatedDate"): r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000",
        ("gohighlevel", "messages.csv", "dateAdded"): r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z",
        ("hubspot", "unsubscribes_and_bounces.csv", "Date"): r"\d\d/\d\d/\d{4} \d\d:\d\d",
        ("salesforce", "do_not_contact.csv", "CreatedDate"): r"\d\d/\d\d/\d{4} \d\d:\d\d",
    }
    for (source, name, column), shape in shapes.items():
        rows = parsed(made, source, name)
        index = rows[0].index(column)
        values = [row[index] for row in rows[1:] if len(row) == len(rows[0])]
        assert sum(bool(re.fullmatch(shape, value)) for value in values) / len(values) > 0.95
    first = {
        row[2].split("/")[0] for row in parsed(made, "hubspot", "unsubscribes_and_bounces.csv")[1:] if "/" in row[2]
    }
    second = {row[2].split("/")[1] for row in parsed(made, "salesforce", "do_not_contact.csv")[1:] if "/" in row[2]}
    assert max(map(int, first)) > 12
    assert max(map(int, second)) > 12
    for source, name in (("hubspot", "unsubscribes_and_bounces.csv"), ("salesforce", "do_not_contact.csv")):
        files = json.loads(raw(made, source, "_export.json"))["files"]
        assert files[name]["date_format"] in ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")


def test_naive_times_have_a_declared_zone(made: Made):
    for source in ("hubspot", "salesforce", "gohighlevel"):
        files = json.loads(raw(made, source, "_export.json"))["files"]
        assert {entry["time_zone"] for entry in files.values()} == {"UTC"}


def test_texts_hold_quoted_newlines_and_injections(made: Made):
    rows = parsed(made, "hubspot", "activities.csv")
    bodies = [row[rows[0].index("Email body")] for row in rows[1:] if len(row) == len(rows[0])]
    assert any("\n" in body for body in bodies)
    texts = [cell for source, name, encoding in (
        ("hubspot", "activities.csv", "utf-8"), ("salesforce", "email_messages.csv", "utf-8"),
        ("gohighlevel", "messages.csv", "utf-8"), ("hubspot", "contacts.csv", "utf-8-sig"),
        ("gohighlevel", "contacts.csv", "latin-1"),
    ) for row in parsed(made, source, name, encoding) for cell in row]  # fmt: skip
    for injection in INJECTIONS:
        assert injection in texts


def test_broken_rows_are_there_but_few(made: Made):
    for query in queries(made.settings, as_of=FIRST_DAY, since=None):
        spec = query.spec
        rows = parsed(made, spec.source, spec.name, spec.encoding)
        time = rows[0].index(spec.time_column)
        stray = [row for row in rows[1:] if len(row) != len(rows[0])]
        broken = [row for row in rows[1:] if not re.match(r"\d\d", row[time]) or not row[0]]
        assert (len(stray) + len(broken)) / len(rows) < 0.03, spec
        if len(rows) > 5_000:
            assert stray, spec
            assert broken, spec


def test_activities_come_twice_and_out_of_order(made: Made):
    rows = parsed(made, "hubspot", "activities.csv")
    whole = [tuple(row) for row in rows[1:] if len(row) == len(rows[0]) and row[0]]
    assert 0.001 < 1 - len(set(whole)) / len(whole) < 0.02
    contact, time = rows[0].index("Associated Contact IDs"), rows[0].index("Create Date")
    backwards = sum(a[contact] == b[contact] and a[time] > b[time] for a, b in itertools.pairwise(whole))
    assert backwards > 10


def test_addresses_and_numbers_are_sometimes_invalid(made: Made):
    rows = parsed(made, "hubspot", "contacts.csv", "utf-8-sig")
    emails = [row[rows[0].index("Email")] for row in rows[1:]]
    phones = [row[rows[0].index("Phone Number")] for row in rows[1:]]
    invalid = [e for e in emails if e and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z.]+", e)]
    assert 0 < len(invalid) / len(emails) < 0.03
    assert "call reception" in phones
    valid = [p for p in phones if p.startswith("+")]
    numbers = [phonenumbers.parse(phone) for phone in valid]
    assert sum(map(phonenumbers.is_valid_number, numbers)) / len(valid) > 0.98


def test_addresses_are_invented(made: Made):
    for source, name, encoding in (
        ("hubspot", "contacts.csv", "utf-8-sig"),
        ("salesforce", "leads.csv", "utf-8"),
        ("gohighlevel", "contacts.csv", "latin-1"),
    ):
        for row in parsed(made, source, name, encoding)[1:]:
            for cell in row:
                if re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z.]+", cell):
                    assert cell.endswith(".example") or re.match(r"p\d{7}\.", cell), cell


def test_permission_fields_disagree(made: Made):
    contacts = made.relation(FIRST_DAY, "hubspot", "contacts.csv")
    listed = made.relation(FIRST_DAY, "hubspot", "unsubscribes_and_bounces.csv")
    sql = f"""select count(*) from {contacts} where "Unsubscribed from all email" = '{{}}' and "Email" in
        (select "Email address" from {listed} where "Reason" = 'UNSUBSCRIBED')"""
    assert made.value(sql.format("true")) > 10
    assert made.value(sql.format("false")) > 3


def test_columns_change_silently(made: Made):
    before = parsed(made, "hubspot", "contacts.csv", "utf-8-sig")[0]
    after = raw(made, "hubspot", "contacts.csv", LAST_DAY).decode("utf-8-sig").splitlines()[0]
    assert "HubSpot Score" in before
    assert "HubSpot Score" not in after
    assert "Lead_Rating__c" in raw(made, "salesforce", "leads.csv", LAST_DAY).decode().splitlines()[0]
    ordered = raw(made, "gohighlevel", "contacts.csv", LAST_DAY).decode("latin-1").splitlines()[0]
    assert ordered.split(",")[0] != parsed(made, "gohighlevel", "contacts.csv", "latin-1")[0][0]
    assert "Favourite colour" in before


def test_an_export_gap_is_silent_and_fills_in_part(made: Made):
    world: WorldSettings = made.settings
    start = world.epoch(world.gap_on)
    counts = dict(
        made.rows(f"""
        select date_diff('day', date '{world.gap_on}', try_cast(substr(CreatedDate, 1, 10) as date)) as day, count(*)
        from {made.relation(FIRST_DAY, "salesforce", "tasks.csv")} where day between -7 and 9 group by day""")
    )
    inside = sum(counts.get(day, 0) for day in range(world.gap_days)) / world.gap_days
    around = sum(n for day, n in counts.items() if not 0 <= day < world.gap_days) / 14
    assert 0.1 < inside / around < 0.7
    assert start + (world.gap_days + world.gap_late_days) * DAY < world.epoch(FIRST_DAY)


def test_machines_open_and_click(made: Made):
    events = made.relation(FIRST_DAY, "hubspot", "email_events.csv")
    machine = made.value(
        f"""select count(*) from {events} where "Event type" = 'OPEN' and "Filtered event" = 'false'
        and "User agent" like '%GoogleImageProxy%'"""
    )
    bots = made.value(f"""select count(*) from {events} where "Event type" = 'CLICK' and "Filtered event" = 'true'""")
    hidden = made.value(
        f"""select count(*) from {events} where "Event type" = 'CLICK' and "Filtered event" = 'false'
        and "User agent" like '%Barracuda%'"""
    )
    assert min(machine, bots, hidden) > 20


def test_replies_carry_their_true_intent(made: Made):
    found = dict(made.rows(f"select intent, count(*) from '{made.truth}/replies/2026-04-20.parquet' group by all"))
    assert {"interested", "needs_info", "not_now", "not_interested", "out_of_office", "unsubscribe"} <= set(found)
    assert found["interested"] > found["out_of_office"] > 0
    automatic = made.value(f"""
        select count(*) from '{made.truth}/replies/2026-04-20.parquet' r
        join {made.relation(FIRST_DAY, "hubspot", "activities.csv")} a on r.message_id = a."Record ID"
        where r.intent = 'out_of_office' and a."Email headers" not like '%Auto-Submitted: auto-replied%'""")
    assert automatic == 0
