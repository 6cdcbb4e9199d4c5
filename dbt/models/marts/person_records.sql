with people as (
    select * from {{ ref('dim_people') }}
),

members as (
    select * from {{ ref('int_people__members') }}
    where as_of_date = date '{{ var("as_of_date") }}'
),

records as (
    select * from {{ ref('int_records') }}
    where deleted_at is null
),

versions as (
    select * from {{ ref('int_record_versions') }}
    where valid_to is null
)

select
    p.person_id,
    r.source,
    r.crm,
    r.record_object,
    r.record_id,
    coalesce(v.owner_id, p.owner_id) as owner_id
from people as p
inner join members as m on p.person_id = m.person_id
inner join records as r on m.record_key = r.record_key
inner join versions as v on m.record_key = v.record_key
order by p.person_id, r.record_rank
