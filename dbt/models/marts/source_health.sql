with sources as (
    select * from {{ source('raw', 'sources') }}
),

landings as (
    select * from {{ ref('int_landings') }}
),

activities as (
    select * from {{ ref('int_activities') }}
    where observed_at < {{ as_of_at() }}
),

acts as (
    select
        source,
        max(observed_at) as last_activity_observed_at
    from activities
    group by source
),

exports as (
    select
        source,
        max(exported_at) as last_exported_at
    from landings
    group by source
)

select
    s.source,
    a.last_activity_observed_at,
    e.last_exported_at,
    date_diff(
        'day', coalesce(a.last_activity_observed_at, e.last_exported_at)::date, date '{{ var("as_of_date") }}'
    )::int
        as silent_days
from sources as s
left join acts as a on s.source = a.source
left join exports as e on s.source = e.source
order by s.source
