with links as (
    select * from {{ source('intermediate', 'person_links') }}
)

-- One row per record and stretch of time: the person it belongs to for as-of moments in (valid_from, valid_to].
select
    record_key,
    person_id,
    since as valid_from,
    lead(since) over (partition by record_key order by since, why) as valid_to
from links
where since < {{ as_of_at() }}
qualify valid_to is null or valid_to > valid_from
order by record_key, valid_from
