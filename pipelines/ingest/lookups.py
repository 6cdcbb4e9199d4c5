"""Look-ups of one landing: each distinct value that SQL cannot settle goes through its library once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import duckdb

from pipelines.ingest import places
from pipelines.ingest.aliases import Kind, ObjectSpec
from pipelines.ingest.normalise import (
    CLEAN_REGIONS,
    calling_code,
    clean_email_sql,
    clean_phone_sql,
    email_key,
    phone_key,
    settle,
    site_domain,
)
from pipelines.ingest.reading import quoted, text


@dataclass(frozen=True)
class Lookups:
    """Relation with the text columns and their look-ups, and the SQL of each looked-up column over it.

    For a phone column `p` the relation also has `p__region`, for `state` also `state__key`.
    """

    relation: str
    values: dict[str, str] = field(default_factory=dict)


def settle_values(
    connection: duckdb.DuckDBPyConnection, spec: ObjectSpec, *, present: tuple[str, ...], country: str | None
) -> Lookups:
    """Make the look-up tables of the view `source_text` and the view `looked_up_text` over them."""
    values: dict[str, str] = {}
    joins: list[str] = []
    added: list[str] = []

    def look_up(name: str, function: Callable[[str], str | None]) -> str:
        table = f"settled_{name}"
        settle(
            connection,
            query=f"select distinct {quoted(name)} from source_text where {quoted(name)} is not null",
            table=table,
            keys=1,
            settled=lambda value: (function(value),),
            columns=["v"],
        )
        joins.append(f"left join {table} on source_text.{quoted(name)} = {table}.k1")
        return f"{table}.v"

    for name in spec.of_kind(Kind.EMAIL):
        if name in present:
            _settle_emails(connection, name, f"settled_{name}")
            joins.append(f"left join settled_{name} on source_text.{quoted(name)} = settled_{name}.k1")
            added.append(f"settled_{name}.v as {name}__v")
            values[name] = f"{name}__v"
    simple: tuple[tuple[Kind, Callable[[str], str | None]], ...] = (
        (Kind.COUNTRY, country_finder()),
        (Kind.TIMEZONE, _zone_finder()),
        (Kind.DOMAIN, site_domain),
    )
    for kind, function in simple:
        for name in spec.of_kind(kind):
            if name in present:
                added.append(f"{look_up(name, function)} as {name}__v")
                values[name] = f"{name}__v"
    if "state" in present and spec.is_people:
        added.append(f"{look_up('state', places.fold)} as state__key")
    extra = "".join(f", {item}" for item in added)
    connection.execute(
        f"create or replace temp view placed_text as select source_text.*{extra} from source_text {' '.join(joins)}"
    )
    phones = tuple(name for name in spec.of_kind(Kind.PHONE) if name in present)
    if not phones:
        return Lookups("placed_text", values)
    region = "country__v" if "country" in values else "null::varchar"
    if country is not None:
        region = f"coalesce({region}, {text(country)})"
    return _phones(connection, phones, region, values)


def _settle_emails(connection: duckdb.DuckDBPyConnection, name: str, table: str) -> None:
    """Each distinct address once: the usual ones by pattern, the rest by the library."""
    connection.execute(
        f"create or replace temp table addressed as select k1, {clean_email_sql('k1')} as v from "
        f"(select distinct {quoted(name)} as k1 from source_text where {quoted(name)} is not null)"
    )
    settle(
        connection,
        query="select k1 from addressed where v is null",
        table=table,
        keys=1,
        settled=lambda value: (email_key(value),),
        columns=["v"],
    )
    connection.execute(f"insert into {table} select k1, v from addressed where v is not null")
    connection.execute("drop table addressed")


def _phones(
    connection: duckdb.DuckDBPyConnection, phones: tuple[str, ...], region: str, values: dict[str, str]
) -> Lookups:
    joins, columns = [], []
    for name in phones:
        table = f"settled_{name}"
        _settle_phones(connection, name, region, table)
        joins.append(f"left join {table} on d.{quoted(name)} = {table}.k1 and d._region = {table}.k2")
        columns.append(f"{table}.v as {name}__v, {table}.region as {name}__region")
        values[name] = f"{name}__v"
    connection.execute(
        f"create or replace temp view phoned_text as select d.*, {', '.join(columns)} "
        f"from (select *, coalesce({region}, '') as _region from placed_text) d {' '.join(joins)}"
    )
    return Lookups("phoned_text", values)


def _settle_phones(connection: duckdb.DuckDBPyConnection, name: str, region: str, table: str) -> None:
    """Each distinct number and region once: candidates, their owners by pattern, and the rest by the library.

    The steps are tables, not views: an expression that is named twice would be worked out twice, and the patterns of
    regions that no candidate belongs to would be compiled for nothing.
    """
    candidate, _ = clean_phone_sql("k1", "k2")
    connection.execute(
        f"create or replace temp table dialled as select k1, k2, {candidate} as candidate from (select distinct "
        f"{quoted(name)} as k1, coalesce({region}, '') as k2 from placed_text where {quoted(name)} is not null)"
    )
    row = connection.execute("select list(distinct left(candidate, 4)) from dialled where candidate is not null")
    starts = (row.fetchone() or [None])[0] or []
    regions = [code for code in CLEAN_REGIONS if any(start.startswith(calling_code(code)) for start in starts)]
    _, owner = clean_phone_sql("k1", "k2", regions=regions)
    connection.execute(f"create or replace temp table owned as select *, {owner} as owner from dialled")
    settle(
        connection,
        query="select k1, k2 from owned where owner is null",
        table=table,
        keys=2,
        settled=lambda value, owner: phone_key(value, owner or None) or (None, None),
        columns=["v", "region"],
    )
    connection.execute(f"insert into {table} select k1, k2, candidate, owner from owned where owner is not null")
    connection.execute("drop table dialled")
    connection.execute("drop table owned")


def country_finder() -> Callable[[str], str | None]:
    """Function from any known spelling of a country to its ISO alpha-2 code, None for others."""
    table = places.country_table()
    codes = dict(zip(table["name"].to_pylist(), table["code"].to_pylist(), strict=True))
    return lambda value: codes.get(places.fold(value))


def _zone_finder() -> Callable[[str], str | None]:
    table = places.zone_table()
    zones = dict(zip(table["name"].to_pylist(), table["zone"].to_pylist(), strict=True))
    return lambda value: zones.get(value.strip().lower().replace(" ", "_"))
