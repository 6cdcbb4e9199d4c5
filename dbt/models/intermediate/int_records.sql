with versions as (
    select * from {{ ref('int_record_versions') }}
),

people_rows as (
    select * from {{ ref('int_people_rows__united') }}
),

landings as (
    select * from {{ ref('int_landings') }}
),

last_seen as (
    select
        p.record_key,
        max(p.exported_at) as last_exported_at
    from people_rows as p
    inner join landings as l on p.landing_id = l.landing_id
    group by p.record_key
),

-- A full export that does not carry a record any more deletes it.
full_landings as (
    select distinct
        source,
        object,
        exported_at
    from landings
    where is_people and mode = 'full'
),

firsts as (
    select
        record_key,
        arg_min(source, exported_at) as source,
        arg_min(crm, exported_at) as crm,
        arg_min(record_object, exported_at) as record_object,
        arg_min(record_id, exported_at) as record_id,
        min(created_at) as created_at,
        min(stable_from) as first_observed_at,
        min(exported_at) filter (where is_deleted) as flagged_at
    from versions
    group by record_key
),

vanished as (
    select
        s.record_key,
        min(f.exported_at) as vanished_at
    from last_seen as s
    inner join firsts as r on s.record_key = r.record_key
    inner join full_landings as f
        on r.source = f.source and r.record_object = f.object and s.last_exported_at < f.exported_at
    group by s.record_key
)

select
    r.record_key,
    r.source,
    r.crm,
    r.record_object,
    r.record_id,
    r.created_at,
    r.first_observed_at,
    least(r.flagged_at, v.vanished_at) as deleted_at,
    {{ uuid5('r.record_key') }} as own_person_id,
    row_number() over (order by r.first_observed_at, r.record_key) as record_rank
from firsts as r
left join vanished as v on r.record_key = v.record_key
order by r.record_key
