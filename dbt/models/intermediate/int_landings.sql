with landings as (
    select * from {{ source('raw', 'landings') }}
),

people_objects as (
    select unnest(['contacts', 'leads']) as object
)

select
    l.landing_id,
    l.source,
    l.crm,
    l.object,
    l.exported_at,
    l.mode,
    coalesce(l.is_history, false) as is_history,
    coalesce(l.assumed_lag_hours, 24) as assumed_lag_hours,
    coalesce(l.has_opt_out_column, false) as has_opt_out_column,
    coalesce(l.has_phone_opt_out_column, false) as has_phone_opt_out_column,
    p.object is not null as is_people,
    dense_rank() over (order by l.source, l.object)::int as object_number,
    -- Object, landing (older first) and room for 2^34 rows: it places every row of every export.
    (
        (
            (dense_rank() over (order by l.source, l.object) << 14)
            + row_number() over (partition by l.source, l.object order by l.exported_at, l.landing_id)
        ) << 34
    )::bigint as first_place,
    -- The door lets an id of a CRM's export in once, so its first landing repeats nothing.
    l.crm <> 'mapped_csv'
    and row_number() over (partition by l.source, l.object order by l.exported_at, l.landing_id) = 1 as repeats_nothing,
    -- Null in the first landing of an object: only that one is back-cast.
    max(l.exported_at) over (
        partition by l.source, l.object
        order by l.exported_at
        range between unbounded preceding and interval 1 microsecond preceding
    ) as covered_before
from landings as l
left join people_objects as p on l.object = p.object
where
    not coalesce(l.is_superseded, false)
    -- A declared history load carries its own times of observation, whenever it was exported.
    and (l.exported_at < {{ as_of_at() }} or coalesce(l.is_history, false))
order by l.source, l.object, l.exported_at, l.landing_id
