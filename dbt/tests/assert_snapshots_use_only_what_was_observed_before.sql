-- No activity that counts in a snapshot of this run was observed or happened on or after its date.
-- A row here means that a model could look into the future.
{{ config(meta={'dagster': {'ref': {'name': 'lead_snapshots'}}}) }}

with snapshots as (
    select * from {{ ref('lead_snapshots') }}
),

people as (
    select * from {{ ref('int_people__dates') }}
)

select
    s.as_of_date,
    s.person_id
from snapshots as s
inner join people as p on s.as_of_date = p.as_of_date and s.person_id = p.person_id
where
    s.days_since_last_inbound < 0
    or p.last_inbound_at >= p.as_of_at
    or p.first_observed_at >= p.as_of_at
