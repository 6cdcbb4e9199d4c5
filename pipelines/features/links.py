"""Person links: edges of the warehouse and links of the ledger become `intermediate.person_links`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time

import duckdb
import pyarrow as pa

from recovery.identity import FIRST, Edge, Link, Record, changes, resolve
from recovery.ledger import LINKS_SCHEMA, Ledger


@dataclass(frozen=True)
class LinkReport:
    """Counts of one run.

    Attributes:
        records: records known at the as-of date.
        people: distinct people at the as-of date.
        new_links: links added to the ledger.
        merges: new links that moved a record to another person.
        unmerges: new links that took a record back.
    """

    records: int
    people: int
    new_links: int
    merges: int
    unmerges: int


def update_links(connection: duckdb.DuckDBPyConnection, ledger: Ledger, *, as_of: date) -> LinkReport:
    """Resolve identity, append what is new to the ledger and rebuild `intermediate.person_links` from it.

    Records without an edge and without a ledger link get their own person in SQL; the resolver sees only the rest.
    A rerun adds nothing. Reads `intermediate.int_records` and `int_identity_edges`.
    """
    held = ledger.read_links()
    connection.register("ledger_links", held)
    try:
        moved = changes(*_resolved(connection), now=datetime.combine(as_of, time()))
        new = pa.concat_tables([_single_links(connection, as_of), _as_table(moved, as_of)])
        appended = ledger.append_links(new)
    finally:
        connection.unregister("ledger_links")
    # Fewer than were sent: somebody else wrote some of them meanwhile, and theirs stand.
    is_all_new = appended == new.num_rows
    connection.register("all_links", pa.concat_tables([held, new]) if is_all_new else ledger.read_links())
    try:
        connection.execute(
            """
            create or replace table intermediate.person_links as
            select l.record_key, l.person_id, l.since, l.why
            from all_links as l
            semi join intermediate.int_records as r on l.record_key = r.record_key
            order by l.record_key, l.since, l.person_id
            """
        )
    finally:
        connection.unregister("all_links")
    records, people = _counts(connection, as_of)
    return LinkReport(
        records=records,
        people=people,
        new_links=new.num_rows,
        merges=sum(link.why not in (FIRST, "unmerged") for link in moved),
        unmerges=sum(link.why == "unmerged" for link in moved),
    )


def _resolved(connection: duckdb.DuckDBPyConnection) -> tuple[tuple[Link, ...], list[Link]]:
    connection.execute(
        """
        create or replace temp table touched as
        select left_key as record_key from intermediate.int_identity_edges
        union select right_key from intermediate.int_identity_edges
        union select record_key from ledger_links group by record_key having count(*) > 1
        """
    )
    records = connection.execute(
        "select r.record_key, r.first_observed_at from intermediate.int_records as r "
        "semi join touched using (record_key)"
    ).fetchall()
    edges = connection.execute("select left_key, right_key, since, why from intermediate.int_identity_edges").fetchall()
    held = connection.execute(
        "select l.record_key, l.since, l.person_id, l.why from ledger_links as l semi join touched using (record_key)"
    ).fetchall()
    known = [Link(*row) for row in held]
    observed = {row[0] for row in records}
    return resolve((Record(*row) for row in records), (Edge(*row) for row in edges), known), [
        link for link in known if link.record_key in observed
    ]


def _single_links(connection: duckdb.DuckDBPyConnection, as_of: date) -> pa.Table:
    rows = connection.execute(
        """
        select r.record_key, r.own_person_id as person_id, r.first_observed_at as since, $why as why,
            $as_of::date as as_of_date
        from intermediate.int_records as r
        anti join touched using (record_key)
        anti join ledger_links using (record_key)
        order by r.record_key
        """,
        {"why": FIRST, "as_of": as_of},
    ).to_arrow_table()
    return rows.cast(LINKS_SCHEMA)


def _as_table(links: tuple[Link, ...], as_of: date) -> pa.Table:
    return pa.table(
        {
            "record_key": [link.record_key for link in links],
            "person_id": [link.person_id for link in links],
            "since": [link.since for link in links],
            "why": [link.why for link in links],
            "as_of_date": [as_of] * len(links),
        },
        schema=LINKS_SCHEMA,
    )


def _counts(connection: duckdb.DuckDBPyConnection, as_of: date) -> tuple[int, int]:
    row = connection.execute(
        """
        with newest as (
            select record_key, arg_max(person_id, (since, why)) as person_id
            from intermediate.person_links where since < ?::date::timestamp group by record_key
        )
        select count(*), count(distinct person_id) from newest
        """,
        [as_of],
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
