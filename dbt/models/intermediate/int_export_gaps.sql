with activities as (
    select * from {{ ref('int_activities') }}
),

landings as (
    select * from {{ ref('int_landings') }}
),

-- What a source showed in time; an activity that was exported late was missing when it mattered.
daily as (
    select
        source,
        object,
        occurred_at::date as day,
        count(*) as activity_count
    from activities
    where observed_at < occurred_at + interval {{ var('label_lag_days') }} day
    group by source, object, occurred_at::date
),

exports as (
    select
        source,
        max(exported_at)::date as last_day
    from landings
    group by source
),

spans as (
    select
        d.source,
        d.object,
        min(d.day) as first_day,
        any_value(e.last_day) as last_day
    from daily as d
    inner join exports as e on d.source = e.source
    group by d.source, d.object
),

calendar as (
    select
        source,
        object,
        unnest(generate_series(first_day::timestamp, (last_day - 1)::timestamp, interval 1 day))::date as day
    from spans
),

counted as (
    select
        c.source,
        c.object,
        c.day,
        coalesce(d.activity_count, 0) as activity_count,
        min(coalesce(d.activity_count, 0)) over (
            partition by c.source, c.object, dayofweek(c.day)
            order by c.day
            rows between 4 preceding and 1 preceding
        ) as usual_count
    from calendar as c
    left join daily as d on c.source = d.source and c.object = d.object and c.day = d.day
),

silent as (
    select
        source,
        object,
        day,
        day - row_number() over (partition by source, object order by day)::int as stretch
    from counted
    where activity_count = 0 and usual_count >= 3
)

-- One row per stretch of at least two days on which an object shows nothing although the same weekdays of the four
-- weeks before were busy, and one per source for the time after its last export.
select
    source,
    object,
    min(day) as first_day,
    max(day) as last_day
from silent
group by source, object, stretch
having count(*) >= 2
union all
select
    source,
    '*' as object,
    last_day as first_day,
    date '9999-12-31' as last_day
from exports
order by source, object, first_day
