with activities as (
    select * from {{ ref('int_activities') }}
),

landings as (
    select * from {{ ref('int_landings') }}
),

daily as (
    select
        source,
        occurred_at::date as day,
        count(*) as activity_count
    from activities
    group by source, occurred_at::date
),

spans as (
    select
        d.source,
        min(d.day) as first_day,
        max(l.last_exported_at)::date as last_day,
        median(d.activity_count) as usual_count
    from daily as d
    inner join (
        select
            source,
            max(exported_at) as last_exported_at
        from landings
        group by source
    ) as l on d.source = l.source
    group by d.source
),

days as (
    select
        source,
        unnest(generate_series(first_day::timestamp, (last_day - 1)::timestamp, interval 1 day))::date as day
    from spans
    where usual_count >= 20
),

silent as (
    select
        s.source,
        s.day,
        s.day - row_number() over (partition by s.source order by s.day)::int as stretch
    from days as s
    left join daily as d on s.source = d.source and s.day = d.day
    where d.day is null
)

-- One row per stretch of at least two days on which a source that is usually busy shows nothing.
select
    source,
    min(day) as first_day,
    max(day) as last_day
from silent
group by source, stretch
having count(*) >= 2
union all
select
    source,
    last_day as first_day,
    date '9999-12-31' as last_day
from spans
order by source, first_day
