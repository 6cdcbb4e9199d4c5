"""Country and time zone of people, with source and confidence; what is unknown stays unknown.

Country: explicit > state > phone > domain of the address > the operator's declaration. Two of the first four that
differ are a conflict. Time zone: declared > state > phone > country, the last only where all clocks of it agree.
"""

from __future__ import annotations

from typing import Final

import duckdb

from pipelines.ingest import places
from pipelines.ingest.aliases import Kind, ObjectSpec
from pipelines.ingest.reading import text

# Columns that objects of people get after their own, with types.
DERIVED: dict[str, str] = {
    "time_zone": "varchar",
    "time_zone_source": "varchar",
    "time_zone_confidence": "varchar",
    "country_code": "varchar",
    "country_source": "varchar",
    "country_confidence": "varchar",
    "has_country_conflict": "boolean",
    "email_domain": "varchar",
    "is_free_mail": "boolean",
}


def register_places(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the small tables of places available to `statement` as temporary tables; once per connection."""
    for name, table in (
        ("place_states", places.state_table()),
        ("place_country_zones", places.country_zone_table()),
        ("place_phone_zones", places.phone_zone_table()),
        ("place_domains", places.domain_country_table()),
        ("place_free_mail", places.free_mail_table()),
    ):
        connection.register("place_rows", table)
        connection.execute(f"create or replace temp table {name} as select * from place_rows")
        connection.unregister("place_rows")


# The person's own zone, else that of the state, the phone number or the country.
_ZONES: Final = """
    zoned as (
        select p.*, s.time_zone as _state_zone, s.has_one_zone as _one_zone, c.time_zone as _country_zone,
               case when p._phone_country = p.country_code then p._phone_zone end as _own_phone_zone
        from placed p
        left join place_states s on s.name = p._state_key and s.country = p.country_code
        left join place_country_zones c on c.country = p.country_code
    )
    select * exclude (_phone_country, digits, _zone, _state_country, _domain_country, _phone_zone, _state_zone,
                      _one_zone, _country_zone, _own_phone_zone, _state_key,
                      email_domain, is_free_mail, country_code, country_source, country_confidence,
                      has_country_conflict),
           coalesce(_zone, _state_zone, _own_phone_zone, _country_zone) as time_zone,
           case when _zone is not null then 'declared' when _state_zone is not null then 'state'
                when _own_phone_zone is not null then 'phone' when _country_zone is not null then 'country'
                end as time_zone_source,
           case when _zone is not null then 'high'
                when _state_zone is not null then case when _one_zone then 'high' else 'medium' end
                when _own_phone_zone is not null then 'medium'
                when _country_zone is not null then case when country_source = 'explicit' then 'high' else 'medium' end
                end as time_zone_confidence,
           country_code, country_source, country_confidence, has_country_conflict, email_domain, is_free_mail
    from zoned
    """


def statement(spec: ObjectSpec, declared_country: str | None) -> str:
    """CTEs and final select over the CTE `judged`, which carries `_state_key`; adds the columns of `DERIVED`."""
    numbers = spec.of_kind(Kind.PHONE)
    phone = f"coalesce({', '.join(numbers)})" if numbers else "null::varchar"
    owner = f"coalesce({', '.join(name + '_country' for name in numbers)})" if numbers else "null::varchar"
    declared = text(declared_country) if declared_country else "null::varchar"
    zone = "j.timezone" if "timezone" in spec.columns else "null::varchar"
    lengths = sorted({len(prefix) for prefix in places.phone_zone_table()["prefix"].to_pylist()}, reverse=True)
    # Conditions on the left side sit inside the keys: beside them they would cost the hash join.
    prefix_joins = " ".join(
        f"left join (select prefix, time_zone from place_phone_zones where len(prefix) = {n}) z{n} "
        f"on case when len(n.digits) >= {n} then left(n.digits, {n}) end = z{n}.prefix"
        for n in lengths
    )
    # The longest prefix decides, also when it spans several zones.
    phone_zone = "case " + " ".join(f"when z{n}.prefix is not null then z{n}.time_zone" for n in lengths) + " end"
    return (
        f"""
    numbered as (
        select j.*, {owner} as _phone_country, substr({phone}, 2) as digits,
               split_part(j.email, '@', 2) as _domain, {zone} as _zone
        from judged j
    ),
    hinted as (
        select n.* exclude (_domain), nullif(n._domain, '') as email_domain,
               u.country as _state_country, d.country as _domain_country,
               case when n.email is null then null else f.domain is not null end as is_free_mail,
               {phone_zone} as _phone_zone
        from numbered n
        left join (select * from place_states where is_unique) u on u.name = n._state_key
        left join place_domains d on d.label = regexp_extract(n._domain, '[^.]+$')
        left join place_free_mail f on f.domain = n._domain
        {prefix_joins}
    ),
    placed as (
        select *, coalesce(country, _state_country, _phone_country, _domain_country, {declared}) as country_code,
               case when country is not null then 'explicit' when _state_country is not null then 'state'
                    when _phone_country is not null then 'phone' when _domain_country is not null then 'domain'
                    when {declared} is not null then 'declaration' end as country_source,
               case when country is not null then 'high'
                    when _state_country is not null or _phone_country is not null then 'medium'
                    when _domain_country is not null or {declared} is not null then 'low' end as country_confidence,
               len(list_distinct(list_filter([country, _state_country, _phone_country, _domain_country],
                                             lambda v: v is not null))) > 1 as has_country_conflict
        from hinted
    ),
    """
        + _ZONES
    )
