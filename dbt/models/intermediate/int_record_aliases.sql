with versions as (
    select * from {{ ref('int_record_versions') }}
),

records as (
    select * from {{ ref('int_records') }}
),

merged as (
    select
        source || ':' || record_object || ':' || unnest(merged_record_ids) as alias_key,
        record_key,
        stable_from
    from versions
    where merged_record_ids is not null
)

-- Ids that a CRM merged away before their record was ever exported.
select
    m.alias_key,
    arg_min(m.record_key, (m.stable_from, m.record_key)) as record_key,
    min(m.stable_from) as known_from
from merged as m
left join records as r on m.alias_key = r.record_key
where r.record_key is null
group by m.alias_key
order by m.alias_key
