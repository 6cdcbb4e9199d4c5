"""Hashes made set by set are those that are made one by one."""

from __future__ import annotations

import duckdb
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.campaigns.address_hashes import hashes_of_people
from recovery.addresses import address_key_of

KEY = address_key_of(bytes(range(1, 33)))
_mailbox = st.from_regex(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~ÄßéＡ-]{1,12}@[A-Za-z0-9.Äß-]{1,12}", fullmatch=True)
_number = st.from_regex(r"(tel:)?\+?[0-9٣ ()-]{0,14}", fullmatch=True)
_address = st.none() | _mailbox | _number | st.text(max_size=12)


def _warehouse(people: list[tuple[str | None, str | None]]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    names = [f"p{place:03}" for place in range(len(people))]
    table = {"person_id": names, "email": [one for one, _ in people], "phone_e164": [other for _, other in people]}
    connection.register("people", pa.table({name: pa.array(values, pa.string()) for name, values in table.items()}))
    connection.execute("create schema marts")
    connection.execute("create table marts.dim_people as select *, true as is_dormant from people")
    return connection


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_address, _address), max_size=8))
@example([("ann@acme.example", "+12125550100"), ("Ann@ACME.example.", "tel:+1 (212) 555-0100")])
@example([("a@müller.example", ""), ("a@b..example", "a@-b.example"), (" a@b.example", "+\uff11")])
def test_a_hash_made_in_a_set_is_the_one_made_alone(people: list[tuple[str | None, str | None]]) -> None:
    with _warehouse(people) as connection:
        everybody = [f"p{place:03}" for place in range(len(people))]
        found = hashes_of_people(connection, KEY, hashes=(), people=everybody)
    expected = {
        name: frozenset(KEY.hash(address) for address in own if address)
        for name, own in zip(everybody, people, strict=True)
        if any(own)
    }
    assert found == expected


def test_only_those_are_found_who_have_a_hash_or_are_named() -> None:
    people = [("ann@acme.example", None), ("bob@acme.example", "+12125550100"), ("cy@acme.example", None)]
    with _warehouse(people) as connection:
        found = hashes_of_people(connection, KEY, hashes=[KEY.hash("+1 212 555 0100")], people=["p002"])
    assert sorted(found) == ["p001", "p002"]
    assert found["p001"] == {KEY.hash("bob@acme.example"), KEY.hash("+12125550100")}
