with links as (
    select * from {{ source('intermediate', 'person_links') }}
    where since < {{ as_of_at() }}
),

records as (
    select
        record_key,
        record_rank
    from {{ ref('int_records') }}
),

-- Numbers of people in the order of their ids: they sort and join alike, at an eighth of the width.
people as (
    select
        person_id,
        row_number() over (order by person_id) as person_number
    from (select distinct l.person_id from links as l) as named
)

-- One row per record and stretch of time: the person it belongs to for as-of moments in (valid_from, valid_to].
select
    l.record_key,
    r.record_rank,
    l.person_id,
    p.person_number,
    l.since as valid_from,
    lead(l.since) over (partition by l.record_key order by l.since, l.why) as valid_to
from links as l
inner join records as r on l.record_key = r.record_key
inner join people as p on l.person_id = p.person_id
qualify valid_to is null or valid_to > valid_from
order by r.record_rank, valid_from
