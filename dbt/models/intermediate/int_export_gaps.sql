with activities as (
    select * from {{ ref('int_activities') }}
),

landings as (
    select * from {{ ref('int_landings') }}
),

-- What people and reps did and a source delivered in time, by object and over all ('*'). A row that an earlier export
-- should have carried was missing when it mattered; automations send in bursts and tell nothing.
delivered as (
    select
        source,
        object,
        occurred_at::date as day
    from activities
    where not is_late and actor in ('person', 'rep') and kind not in ('open', 'delivery', 'bounce')
),

daily as (
    select
        source,
        coalesce(object, '*') as object,
        day,
        count(*) as activity_count
    from delivered
    group by grouping sets ((source, object, day), (source, day))
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
        median(coalesce(d.activity_count, 0)) over same_weekdays as usual_count,
        min(coalesce(d.activity_count, 0)) over same_weekdays as least_count,
        count(*) over same_weekdays as weeks
    from calendar as c
    left join daily as d on c.source = d.source and c.object = d.object and c.day = d.day
    window same_weekdays as (
        partition by c.source, c.object, dayofweek(c.day)
        order by c.day
        rows between 4 preceding and 1 preceding
    )
),

judged as (
    select
        *,
        weeks = 4 and activity_count = 0 and least_count >= 5 as is_silent,
        weeks = 4 and object = '*' and activity_count <= usual_count / 2
        and usual_count - activity_count >= 3 * sqrt(usual_count) as is_thin,
        weeks = 4 and object = '*' and usual_count >= 9 as is_judged
    from counted
),

-- Days on which some other source, busy enough to tell, carried on: what is thin everywhere is a holiday.
carried_on as (
    select
        j.day,
        count(distinct j.source) as sources,
        any_value(j.source) as one_source
    from judged as j
    where j.is_judged and not j.is_thin
    group by j.day
),

missing as (
    select
        j.source,
        j.object,
        j.day,
        j.day - row_number() over (partition by j.source, j.object order by j.day)::int as stretch
    from judged as j
    left join carried_on as o on j.day = o.day
    where j.is_silent or (j.is_thin and (o.sources > 1 or o.one_source <> j.source))
)

-- One row per stretch of at least two days on which an object shows nothing, or a source half of the usual at most
-- while another carried on, and one per source for the time after its last export.
select
    source,
    object,
    min(day) as first_day,
    max(day) as last_day
from missing
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
