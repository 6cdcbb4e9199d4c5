"""Features: declared once, the same in SQL and Python, and blind for what was observed later."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.feature_algebra import Activity, LeadHistory, is_inbound_sql
from models.feature_attributes import DERIVED, RAW_ATTRIBUTES, TITLE_LEVEL
from models.feature_codegen import (
    account_aggregates_sql,
    aggregates_sql,
    attributes_sql,
    features_sql,
    macros_text,
    schema_text,
)
from models.features import FEATURES, evaluate

AS_OF = date(2026, 6, 1)
MIDNIGHT = datetime(2026, 6, 1)
DBT = Path(__file__).resolve().parents[2] / "dbt"

KINDS = ["email", "sms", "call", "meeting", "form", "click", "open", "page_view", "bounce", "deal", "won", "note"]
MOMENTS = st.one_of(
    st.integers(0, 500 * 86_400).map(lambda s: MIDNIGHT - timedelta(seconds=s)),
    st.sampled_from([7, 30, 90, 180, 365]).map(lambda d: MIDNIGHT - timedelta(days=d)),
    st.integers(0, 86_400).map(lambda s: MIDNIGHT + timedelta(seconds=s)),
)
ACTIVITIES = st.builds(
    lambda moment, lag, kind, direction, actor, level, reply, machine: Activity(
        moment, moment + timedelta(hours=lag), kind, direction, actor, level, reply, machine
    ),
    MOMENTS,
    st.integers(-48, 72),
    st.sampled_from(KINDS),
    st.sampled_from(["inbound", "outbound", "internal"]),
    st.sampled_from(["person", "rep", "engine", "other_automation", "machine"]),
    st.integers(0, 4),
    st.sampled_from([None, "interested", "auto_reply", "refusal", "opt_out"]),
    st.booleans(),
)
OWN = st.lists(ACTIVITIES, max_size=12).map(
    lambda rest: (
        Activity(MIDNIGHT - timedelta(days=40), MIDNIGHT - timedelta(days=40), "form", "inbound", "person", 2),
        *rest,
    )
)  # fmt: skip
ATTRIBUTES = st.fixed_dictionaries(
    {
        "created_at": st.none() | MOMENTS,
        "job_title": st.none() | st.sampled_from(["", "VP Sales", "Head of IT", "CTO", "Team Lead", "clerk"]),
        "industry": st.none() | st.sampled_from(["Computer Software", "Banking", "non-profit", "IT", "Space"]),
        "employee_count": st.none() | st.integers(0, 10**6),
        "country": st.none() | st.sampled_from(["US", "DE", "ZA"]),
        "lead_source": st.none() | st.sampled_from(["Paid Search", "referral", "x"]),
        "is_free_mail": st.none() | st.booleans(),
        "has_phone": st.none() | st.booleans(),
        "has_account": st.none() | st.booleans(),
        "crm": st.none() | st.just("hubspot"),
    }
)

COLUMNS = "occurred_at, observed_at, kind, direction, actor, outcome_level, reply_class, is_machine"


@pytest.fixture(scope="module")
def connection() -> Any:
    with duckdb.connect(config={"threads": "1"}) as opened:
        types = ["timestamp", "timestamp", "varchar", "varchar", "varchar", "int", "varchar", "boolean"]
        columns = ", ".join(f"{name} {kind}" for name, kind in zip(COLUMNS.split(", "), types, strict=True))
        opened.execute(f"create table acts (mine boolean, {columns})")
        yield opened


def in_sql(connection: Any, lead: LeadHistory) -> dict[str, Any]:
    connection.execute("delete from acts")
    for mine, group in ((True, lead.activities), (False, lead.colleagues)):
        for a in group:
            connection.execute(
                "insert into acts values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [mine, a.occurred_at, a.observed_at, a.kind, a.direction, a.actor, a.outcome_level, a.reply_class,
                 a.is_machine],
            )  # fmt: skip
    kinds = {"created_at": "timestamp", "employee_count": "bigint", "is_free_mail": "boolean", "has_phone": "boolean",
             "has_account": "boolean"}  # fmt: skip
    raw = ", ".join(f"${name}::{kinds.get(name, 'varchar')} as {name}" for name in RAW_ATTRIBUTES)
    cursor = connection.execute(
        f"""
        with a as (select *, {is_inbound_sql()} as is_inbound from acts
                   where observed_at < $at::timestamp and occurred_at < $at::timestamp),
        given as (select $at::timestamp as as_of_at, $at::date as as_of_date, {raw}),
        steps as (select occurred_at, lag(occurred_at) over (order by occurred_at) as before_at from a
                  where mine and is_inbound),
        raw_spine as (select g.*, (select max(occurred_at) from a where mine and is_inbound) as last_inbound_at,
            (select 1 + count(*) filter (where occurred_at - before_at >= interval 30 day) from steps) as spell
            from given as g),
        spine as (select s.*, {attributes_sql()} from raw_spine as s),
        f as (select {aggregates_sql()} from spine as s, a where a.mine),
        t as (select {account_aggregates_sql()} from spine as s, a),
        o as (select {account_aggregates_sql()} from spine as s, a where a.mine)
        select {features_sql()} from spine as s, f, t, o
        """,
        {"at": MIDNIGHT} | {name: lead.attributes.get(name) for name in RAW_ATTRIBUTES},
    )
    row = cursor.fetchone()
    return dict(zip([column[0] for column in cursor.description], row, strict=True))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(own=OWN, colleagues=st.lists(ACTIVITIES, max_size=5), attributes=ATTRIBUTES)
def test_sql_and_python_agree(connection: Any, own: Any, colleagues: Any, attributes: Any) -> None:
    lead = LeadHistory(tuple(own), tuple(colleagues), attributes)
    expected, found = evaluate(lead, AS_OF), in_sql(connection, lead)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        if isinstance(value, float):
            assert found[name] is not None, name
            assert math.isclose(found[name], value, rel_tol=1e-12, abs_tol=1e-12), name
        else:
            assert found[name] == value, name


@settings(max_examples=100, deadline=None)
@given(own=OWN, later=st.lists(ACTIVITIES, max_size=5))
def test_what_is_observed_later_changes_nothing(own: Any, later: list[Activity]) -> None:
    unseen = tuple(
        Activity(a.occurred_at, MIDNIGHT + timedelta(days=1), a.kind, a.direction, a.actor, 4, None) for a in later
    )
    assert evaluate(LeadHistory(tuple(own)), AS_OF) == evaluate(LeadHistory((*own, *unseen)), AS_OF)


@pytest.mark.parametrize(("age_days", "counted"), [(7, 1.0), (8, 0.0)])
def test_a_window_includes_its_first_moment(age_days: int, counted: float) -> None:
    moment = MIDNIGHT - timedelta(days=age_days)
    lead = LeadHistory((Activity(moment, moment, "email", "outbound", "rep"),))
    assert evaluate(lead, AS_OF)["outbound_last_7d"] == counted


def test_an_activity_at_the_as_of_moment_does_not_count() -> None:
    lead = LeadHistory((Activity(MIDNIGHT, MIDNIGHT, "form", "inbound", "person", 2),))
    assert evaluate(lead, AS_OF)["inbound_ever"] == 0.0


def test_there_are_thirty_to_sixty_features_with_unique_names_and_an_exact_aggregate() -> None:
    names = [spec.name for spec in FEATURES]
    assert 30 <= len(names) <= 60
    assert len(set(names)) == len(names)
    assert all(spec.aggregate is not None and spec.description and spec.words for spec in FEATURES)
    assert any(spec.group == "exposure" for spec in FEATURES)


def test_words_can_be_formatted() -> None:
    for spec in FEATURES:
        assert spec.words.format(value="x" if spec.kind == "category" else 1.0)


@pytest.mark.parametrize(
    ("title", "level"),
    [("Vice President", "vp"), ("CEO & Founder", "c_level"), ("IT Director", "director"), ("Sales Manager", "manager"),
     ("Analyst", "individual"), ("", None), (None, None)],
)  # fmt: skip
def test_titles_have_a_level(title: str | None, level: str | None) -> None:
    assert TITLE_LEVEL.group(title) == level


def test_generated_files_are_fresh() -> None:
    assert (DBT / "macros/generated_features.sql").read_text() == macros_text()
    assert (DBT / "models/marts/_lead_snapshots.yml").read_text() == schema_text()


def test_no_feature_reads_what_a_crm_fills_later() -> None:
    assert {derived.raw for derived in DERIVED} <= set(RAW_ATTRIBUTES)
    assert not {"lead_status", "lifecycle_stage", "owner_id", "last_activity_at"} & set(RAW_ATTRIBUTES)
