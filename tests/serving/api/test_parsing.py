"""A request is read in one go where that is safe, and answers as if it had been read slowly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.api.parsing import _parse_slowly, parse
from serving.api.problems import ProblemError
from serving.api.schemas import EventsRequest, LeadIn, ScoreRequest

ACT = '{"occurred_at": "2026-05-01T10:00:00Z", "kind": "email", "direction": "inbound"}'


def _answer(read: object, model: type, body: bytes) -> object:
    try:
        return read(model, body)  # type: ignore[operator]
    except ProblemError as error:
        return error.response().body


@pytest.mark.parametrize(
    "body",
    [
        '{"lead": {"ref": "a", "ref": "b"}}',
        '{"lead": {"ref": "a"}, "lead": {"ref": "a"}}',
        '{"lead": {"ref": "a", "ref" : "b"}}',
        '{"lead": {"ref"\n:"a", "activities": [], "activities"\t: []}}',
        '{"lead": {"ref": "x\\":", "activities": [' + ACT.replace('"kind"', '"kind": "call", "kind"') + "]}}",
        '{"lead": {"ref": "a", "\\u0072ef": "b"}}',
    ],
)
def test_a_name_that_stands_twice_is_refused(body: str) -> None:
    with pytest.raises(ProblemError, match="twice"):
        parse(ScoreRequest, body.encode())


@pytest.mark.parametrize("text", ['a":b', '\\":', '":":":', "\\", '"'])
def test_signs_of_json_within_texts_do_no_harm(text: str) -> None:
    body = json.dumps({"lead": {"ref": text, "attributes": {"job_title": text}}}).encode()
    found = parse(ScoreRequest, body)
    assert found.lead is not None
    assert found.lead.ref == text


_values = st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=4) | st.just("email")
_names = st.sampled_from(["ref", "attributes", "activities", "kind", "occurred_at", "lead", "person_id", "zonk"])
_json = st.recursive(
    _values | st.just(json.loads(ACT)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([ScoreRequest, EventsRequest, LeadIn]), _json, st.sampled_from([None, 1, 2]))
def test_any_body_has_the_same_answer_as_when_it_is_read_slowly(model: type, content: object, indent: int) -> None:
    body = json.dumps(content, indent=indent).encode()
    assert _answer(parse, model, body) == _answer(_parse_slowly, model, body)
