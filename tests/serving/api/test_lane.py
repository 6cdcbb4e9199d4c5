"""The short way takes only what the long way takes, and reads the same from it."""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.feature_batch import ActivityTable
from serving.api import lane
from serving.api.lane import columns_of, read_bulk, read_score
from serving.api.leads import Leads, leads_of
from serving.api.parsing import parse, parse_large
from serving.api.problems import ProblemError
from serving.api.schemas import BulkRequest, LeadIn, ScoreRequest, faults_of_time

NOW = datetime(2026, 6, 2, 12, tzinfo=UTC)
PLAIN_ACT = {"occurred_at": "2026-03-01T10:00:00Z", "kind": "email", "direction": "inbound"}
PLAIN = {
    "ref": "a",
    "attributes": {
        "created_at": "2024-01-01T00:00:00.25+02:00",
        "job_title": "CTO",
        "country": "us",
        "has_phone": True,
    },
    "activities": [PLAIN_ACT, PLAIN_ACT | {"direction": "outbound", "observed_at": "2026-03-02T00:00:00-05:00"}],
}
ODD_MOMENTS: list[Any] = [
    "2026-03-01T10:00:00Z", "2026-03-01t10:00:00z", "2026-03-01 10:00:00+05:30", "2026-03-01T10:00:00.123456Z",
    "2026-03-01T10:00:00.1234567Z", "2026-03-01T10:00:00.9999999Z", "2026-03-01T10:00:00", "2026-03-01", 1772359200,
    "2026-03-01T24:00:00Z", "2026-03-01T10:00:60Z", "2026-02-30T00:00:00Z", "1899-12-31T23:59:59Z",
    "1900-01-01T00:00:00Z", "1900-01-01T00:00:00+05:00", "2026-06-02T12:05:00Z", "2026-06-02T12:05:00.000001Z",
    "2026-06-03T00:00:00Z", "2201-01-01T00:00:00Z", "0001-01-01T00:00:00+10:00", "2026-03-01T10:00:00+24:00",
    "2026-03-01T10:00Z", "2026-03-01T10:00:00,5Z", "2026-03-01T10:00:00-00:00", "", None,
]  # fmt: skip
ODD_TEXTS: list[Any] = ["VP", "", "ü" * 200, "ü" * 201, "a\x00b", 'quote":', "x\n", 5, True, None, ["x"]]
ODD_COUNTRIES: list[Any] = ["us", "DE", "US\n", "\nUS", "USA", "ÄÖ", "", 7, None]
ODD_FLAGS: list[Any] = [True, False, 1, 0, "yes", None, 2]
ODD_NUMBERS: list[Any] = [0, 1, 4, 5, -1, 1.0, 1.5, "3", True, 3650, 3651, 10_000_000, 10_000_001, 10**30, None]
MOMENTS, TEXTS, COUNTRIES = st.sampled_from(ODD_MOMENTS), st.sampled_from(ODD_TEXTS), st.sampled_from(ODD_COUNTRIES)
FLAGS, NUMBERS = st.sampled_from(ODD_FLAGS), st.sampled_from(ODD_NUMBERS)
ODD: dict[tuple[str | int, ...], list[Any]] = {
    ("lead", "ref"): ["r" * 64, "r" * 65, None, 3],
    ("lead", "dormant_after_days"): ODD_NUMBERS,
    ("lead", "attributes"): [{}, None, []],
    ("lead", "activities"): [[], None, {}, [{}]],
    ("lead", "colleagues"): [[], None, [PLAIN_ACT], [PLAIN_ACT] * 2_000, [PLAIN_ACT] * 2_001],
    **{("lead", "attributes", name): ODD_TEXTS for name in ("job_title", "industry", "lead_source", "crm")},
    **{("lead", "attributes", name): ODD_FLAGS for name in ("is_free_mail", "has_phone", "has_account")},
    ("lead", "attributes", "created_at"): ODD_MOMENTS,
    ("lead", "attributes", "employee_count"): ODD_NUMBERS,
    ("lead", "attributes", "country"): ODD_COUNTRIES,
    ("lead", "attributes", "salary"): [1],
    ("lead", "activities", 0, "occurred_at"): ODD_MOMENTS,
    ("lead", "activities", 0, "observed_at"): ODD_MOMENTS,
    ("lead", "activities", 0, "kind"): ["call", "EMAIL", "dance", None, 1],
    ("lead", "activities", 0, "direction"): ["outbound", "sideways", None],
    ("lead", "activities", 0, "actor"): ["person", "rep", "machine", "nobody", "", None],
    ("lead", "activities", 0, "outcome_level"): ODD_NUMBERS,
    ("lead", "activities", 0, "reply_class"): ODD_TEXTS,
    ("lead", "activities", 0, "is_machine"): ODD_FLAGS,
    ("lead", "activities", 0, "color"): ["red"],
    ("as_of_date",): ["2026-06-01", "2026-06-01T00:00:00", "2026-06-01T00:00:00Z", 20_000, "2026-02-30", "", None],
    ("person_id",): ["p", None],
    ("color",): ["red"],
}
ACTS = st.fixed_dictionaries(
    {
        "occurred_at": MOMENTS,
        "kind": st.sampled_from(["email", "call", "form", "dance", "EMAIL", None]),
        "direction": st.sampled_from(["inbound", "outbound", "sideways"]),
    },
    optional={
        "actor": st.sampled_from(["person", "rep", "machine", "nobody", None]), "outcome_level": NUMBERS,
        "reply_class": TEXTS, "is_machine": FLAGS, "observed_at": MOMENTS, "unknown": st.just(1),
    },
)  # fmt: skip
GOOD_ACTS = st.fixed_dictionaries(
    {
        "occurred_at": st.datetimes(datetime(1900, 1, 2), datetime(2026, 6, 1)).map(lambda at: at.isoformat() + "Z"),
        "kind": st.sampled_from(["email", "call", "form"]),
        "direction": st.sampled_from(["inbound", "outbound"]),
    },
    optional={"outcome_level": st.integers(0, 4), "observed_at": st.sampled_from(["2026-06-01T00:00:00+01:00", None])},
)
LEADS = st.fixed_dictionaries(
    {},
    optional={
        "ref": st.sampled_from(["r", "r" * 65, None, 3]),
        "attributes": st.fixed_dictionaries(
            {},
            optional={
                "created_at": MOMENTS, "job_title": TEXTS, "industry": TEXTS, "employee_count": NUMBERS,
                "country": COUNTRIES, "lead_source": TEXTS, "is_free_mail": FLAGS, "has_phone": FLAGS,
                "has_account": FLAGS, "crm": TEXTS,
            },
        ),
        "activities": st.lists(ACTS, max_size=3) | st.lists(GOOD_ACTS, max_size=90),
        "colleagues": st.lists(GOOD_ACTS, max_size=3) | st.none(),
        "dormant_after_days": NUMBERS,
    },
)  # fmt: skip
BODIES = st.fixed_dictionaries(
    {}, optional={"lead": LEADS, "person_id": st.sampled_from(["p", "", None]), "as_of_date": st.sampled_from(
        ["2026-06-01", "2026-06-01T00:00:00", 20_000, None, "soon"])}
)  # fmt: skip
WRITERS = st.sampled_from(
    [
        lambda body: json.dumps(body).encode(),
        lambda body: json.dumps(body, separators=(",", ":")).encode(),
        lambda body: json.dumps(body, separators=(", ", " : ")).encode(),
        lambda body: json.dumps(body, ensure_ascii=False, indent=1).encode(),
        lambda body: json.dumps(body).encode().replace(b'"kind": ', b'"kind": "call", "kind": ', 1),
        lambda body: json.dumps(body).encode().replace(b'"ref": ', b'"ref": "twice", "ref" : ', 1),
        lambda body: b"\xef\xbb\xbf" + json.dumps(body).encode(),
        lambda body: json.dumps(body).encode()[:-1],
    ]
)


def long_way(body: bytes) -> tuple[Leads, Any] | None:
    """What the long way reads of a described lead; None when it refuses it."""
    try:
        asked = parse(ScoreRequest, body)
    except ProblemError:
        return None
    if asked.lead is None or faults_of_time(asked.lead, NOW):
        return None
    return leads_of([asked.lead]), asked.as_of_date


def assert_equal(one: Leads, other: Leads) -> None:
    assert list(one.refs) == list(other.refs)
    assert list(one.attributes) == list(other.attributes)
    assert one.dormant_after_days.tolist() == other.dormant_after_days.tolist()
    assert (one.colleagues is None) == (other.colleagues is None)
    assert_tables(one.own, other.own)
    if one.colleagues is not None and other.colleagues is not None:
        assert_tables(one.colleagues, other.colleagues)


def assert_tables(one: ActivityTable, other: ActivityTable) -> None:
    for name in ("start", "occurred", "observed", "holds"):
        found, expected = getattr(one, name), getattr(other, name)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected), name


@pytest.mark.parametrize("path", ODD, ids=lambda path: ".".join(map(str, path)))
def test_one_odd_value_is_read_alike_or_left_to_the_long_way(path: tuple[str | int, ...]) -> None:
    for odd in ODD[path]:
        body: Any = copy.deepcopy({"lead": PLAIN})
        place = body
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = odd
        assert_alike(json.dumps(body).encode())


@given(BODIES, WRITERS)
def test_what_the_short_way_reads_the_long_way_reads_alike(body: dict[str, Any], write: Any) -> None:
    assert_alike(write(body))


def short_way(written: bytes) -> tuple[Leads, date | None] | None:
    asked = read_score(written)
    leads = None if asked is None else columns_of([asked], NOW)
    return None if asked is None or leads is None else (leads, asked.as_of)


def assert_alike(written: bytes) -> None:
    short = short_way(written)
    if short is None:
        return
    expected = long_way(written)
    assert expected is not None
    assert_equal(short[0], expected[0])
    assert short[1] == expected[1]


@given(st.lists(GOOD_ACTS, max_size=90), st.booleans())
def test_a_plain_lead_takes_the_short_way(acts: list[dict[str, Any]], spaced: bool) -> None:
    body = {"lead": PLAIN | {"activities": acts, "colleagues": acts[:2]}, "as_of_date": "2026-06-01"}
    written = json.dumps(body, indent=2 if spaced else None).encode()
    short, expected = short_way(written), long_way(written)
    assert short is not None
    assert expected is not None
    assert_equal(short[0], expected[0])


@pytest.mark.parametrize(
    "written",
    [
        b'{"lead": {"ref": "a", "ref": "b"}}',
        b'{"lead": {"ref" : "a", "ref": "b"}}',
        b'{"lead": {}, "lead": {}}',
        b'{"lead": {"attributes": {"crm": "x", "crm": "y"}}}',
    ],
)
def test_a_name_that_stands_twice_is_left_to_the_long_way(written: bytes) -> None:
    assert short_way(written) is None
    asked, other = read_score(written), read_score(b'{"lead": {"ref": "a"}}')
    assert other is not None
    assert asked is None or columns_of([other, asked], NOW) is None
    with pytest.raises(ProblemError, match="name twice"):
        parse(ScoreRequest, written)


def test_bulk_reads_alike_in_groups() -> None:
    leads = [PLAIN | {"ref": str(at), "activities": [PLAIN_ACT] * (at % 4)} for at in range(23)]
    written = json.dumps({"person_ids": ["p", "q"], "leads": leads, "as_of_date": "2026-06-01"}).encode()
    short = read_bulk(written, NOW, at_once=10)
    assert short is not None
    asked = parse_large(BulkRequest, written)
    assert (list(short.person_ids), short.as_of) == (asked.person_ids, asked.as_of_date)
    assert [len(group) for group in short.leads] == [10, 10, 3]
    for group, start in zip(short.leads, (0, 10, 20), strict=True):
        assert_equal(group, leads_of(asked.leads[start : start + 10]))


@given(st.lists(LEADS, max_size=3), st.lists(st.sampled_from(["p", "", "x" * 65]), max_size=2))
def test_bulk_takes_only_what_the_long_way_takes(leads: list[dict[str, Any]], people: list[str]) -> None:
    written = json.dumps({"leads": leads, "person_ids": people}).encode()
    short = read_bulk(written, NOW, at_once=2)
    if short is None:
        return
    asked = parse_large(BulkRequest, written)
    assert not any(faults_of_time(lead, NOW) for lead in asked.leads)
    assert list(short.person_ids) == asked.person_ids
    for group, start in zip(short.leads, range(0, len(leads), 2), strict=True):
        assert_equal(group, leads_of(asked.leads[start : start + 2]))


def test_without_compiled_loops_the_short_way_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "AVAILABLE", False)
    written = json.dumps({"lead": PLAIN}).encode()
    short = short_way(written)
    assert short is not None
    assert_equal(short[0], leads_of([LeadIn.model_validate_json(json.dumps(PLAIN))]))
    assert read_score(written.replace(b'"ref":', b'"ref" :')) is None
    assert read_score(written.replace(b".25+", b".2500001+")) is None
