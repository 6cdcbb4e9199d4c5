with links as (
    select * from {{ ref('int_person_links') }}
),

dates as (
    {{ run_dates() }}
)

-- One row per date of this run, person in scope and record that belonged to the person then.
select
    d.as_of_date,
    d.as_of_at,
    l.person_id,
    l.person_number,
    l.record_key,
    l.record_rank,
    count(*) over (partition by d.as_of_date, l.person_number) as record_count
from links as l
inner join dates as d on l.valid_from < d.as_of_at and d.as_of_at <= coalesce(l.valid_to, timestamp '9999-12-31')
where d.is_full or {{ is_sampled('l.person_id', 'd.as_of_date') }}
order by d.as_of_date, l.person_number, l.record_rank
