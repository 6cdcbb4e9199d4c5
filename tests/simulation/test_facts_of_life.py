"""The rates of the specification, counted in the files and in the truth of 5,000 people."""

from __future__ import annotations

import pytest

from tests.simulation.conftest import FIRST_DAY, LAST_DAY, Made


def truth(made: Made, name: str, day=FIRST_DAY) -> str:
    return f"'{made.truth}/{name}/{day.isoformat()}.parquet'"


@pytest.mark.parametrize("day", [FIRST_DAY, LAST_DAY])
def test_most_people_are_dormant_and_few_come_back(made: Made, day):
    figures = "avg(dormant::int), avg(reacted::int) filter (dormant), avg(p) filter (dormant)"
    sql = f"select {figures} from {truth(made, 'p', day)}"
    dormant, back, p = made.rows(sql)[0]
    assert 0.6 <= dormant <= 0.8
    assert 0.03 <= back <= 0.08
    assert abs(back - p) < 0.009


def test_a_contact_helps_on_average_and_harms_some(made: Made):
    mean, harmed = made.rows(f"select avg(uplift), avg((uplift < 0)::int) from {truth(made, 'p')} where dormant")[0]
    assert 0.005 <= mean <= 0.015
    assert 0.05 <= harmed <= 0.25


def test_mails_bounce_and_lose_people_at_the_stated_rates(made: Made):
    events = made.relation(FIRST_DAY, "hubspot", "email_events.csv")
    kinds = dict(made.rows(f'select "Event type", count(*) from {events} group by all'))
    texts = made.value(
        f"select count(*) from {truth(made, 'replies')} where crm = 'hubspot' and intent = 'unsubscribe'"
    )
    assert 0.002 <= (kinds["STATUSCHANGE"] + texts) / kinds["SENT"] <= 0.01
    assert 0 < kinds["SPAMREPORT"] / kinds["DELIVERED"] < 0.002
    old = made.value(
        f"select avg((dead_week < 104)::int) from '{made.truth}/traits.parquet' where pid in "
        f"(select pid from '{made.truth}/identity.parquet' where slot = 0 and created < epoch(timestamp '2024-07-17'))"
    )
    assert 0.02 <= old <= 0.08


def test_countries_are_missing_and_consent_is_rare(made: Made):
    hubspot = made.relation(FIRST_DAY, "hubspot", "contacts.csv")
    missing, consent = made.rows(
        f"""select avg(("Country/Region" is null)::int),
        avg(coalesce("Legal basis for processing contact's data" like 'Freely given%', false)::int) from {hubspot}"""
    )[0]
    assert 0.2 <= missing <= 0.4
    assert 0 < consent <= 0.15
    for source, name, column in (("salesforce", "leads.csv", "Country"), ("gohighlevel", "contacts.csv", "country")):
        share = made.value(f"select avg(({column} is null)::int) from {made.relation(FIRST_DAY, source, name)}")
        assert 0.2 <= share <= 0.4


def test_a_quarter_of_the_dormant_can_be_mailed_in_the_us(made: Made):
    parts = (
        ("hubspot", "contacts.csv", "Record ID", "Country/Region", "Email"),
        ("salesforce", "leads.csv", "Id", "Country", "Email"),
        ("salesforce", "contacts.csv", "Id", "MailingCountry", "Email"),
        ("gohighlevel", "contacts.csv", "id", "country", "email"),
    )
    records = " union all ".join(
        f'select "{key}" as record_id, "{country}" as country, "{email}" as email from {made.relation(FIRST_DAY, s, n)}'
        for s, n, key, country, email in parts
    )
    share = made.value(f"""
        with reachable as (
            select distinct i.pid from ({records}) r join '{made.truth}/identity.parquet' i using (record_id)
            where r.country in ('US', 'USA', 'United States') and r.email like '%_@_%.%'
        )
        select avg((p.pid in (from reachable) and not suppressed and dormant_days <= 365)::int)
        from {truth(made, "p")} p where dormant""")
    assert share >= 0.25


def test_there_are_about_twenty_activities_a_person(made: Made):
    names = ("activities", "email_events", "tasks", "events", "email_messages", "messages", "appointments")
    rows = sum(count for name, count in made.first.files.items() if name.split("/")[1].removesuffix(".csv") in names)
    assert 16 <= rows / made.first.people <= 24


def test_reps_call_the_better_leads(made: Made):
    called, others = made.rows(f"""
        with called as (select distinct "Associated Contact IDs" as record_id
            from {made.relation(FIRST_DAY, "hubspot", "activities.csv")}
            where "Activity type" = 'CALL' and "Email direction" = 'OUTBOUND')
        select avg(intent) filter (called), avg(intent) filter (not called) from (
            select t.intent, i.record_id in (from called) as called from '{made.truth}/traits.parquet' t
            join '{made.truth}/identity.parquet' i using (pid) where i.crm = 'hubspot' and i.slot = 0)""")[0]
    assert called > others + 0.1


def test_fields_are_filled_after_the_outcome(made: Made):
    contacts = made.relation(LAST_DAY, "hubspot", "contacts.csv")
    filled, blank = made.rows(f"""
        select avg(reacted::int) filter ("Mobile Phone Number" is not null),
            avg(reacted::int) filter ("Mobile Phone Number" is null)
        from {contacts} c join '{made.truth}/identity.parquet' i on c."Record ID" = i.record_id
        join {truth(made, "p")} p using (pid) where i.slot = 0""")[0]
    assert filled > blank


def test_people_have_several_records_with_other_spellings_and_addresses(made: Made):
    several = made.value(f"""
        select avg((n > 1)::int) from (
            select count(distinct crm) as n from '{made.truth}/identity.parquet' group by pid)""")
    assert 0.1 <= several <= 0.25
    other = made.value(f"""
        select count(*) from '{made.truth}/identity.parquet' a join '{made.truth}/identity.parquet' b using (pid)
        where a.slot = 0 and b.slot = 1 and a.email <> b.email""")
    assert other > 100


def test_records_merge_and_vanish(made: Made):
    merged = made.value(f'select count("Merged contact IDs") from {made.relation(LAST_DAY, "hubspot", "contacts.csv")}')
    gone = made.relation(FIRST_DAY, "hubspot", "contacts.csv")
    vanished = made.value(
        f'select count(*) from {gone} where "Record ID" not in '
        f'(select "Record ID" from {made.relation(LAST_DAY, "hubspot", "contacts.csv")} where "Record ID" is not null)'
    )
    leads = made.relation(LAST_DAY, "salesforce", "leads.csv")
    masters = made.value(f"select count(MasterRecordId) from {leads} where IsDeleted = 'true'")
    assert merged > 10
    assert vanished > 0
    assert masters > 5
