-- The people of the day who are dormant are exactly those with a snapshot.
-- A row here is a person who would get no score, or a score without being dormant.
{{ config(meta={'dagster': {'ref': {'name': 'lead_snapshots'}}}) }}

with people as (
    select person_id from {{ ref('dim_people') }}
    where is_dormant
),

snapshots as (
    select person_id from {{ ref('lead_snapshots') }}
    where as_of_date = date '{{ var("as_of_date") }}'
)

select coalesce(p.person_id, s.person_id) as person_id
from people as p
full join snapshots as s on p.person_id = s.person_id
where p.person_id is null or s.person_id is null
