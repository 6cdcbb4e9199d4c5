-- A label exists only when its horizon and the label lag have passed, and a censored one is never a 0.
-- A row here means that the model would learn from an answer that is not in yet.
{{ config(meta={'dagster': {'ref': {'name': 'lead_labels'}}}) }}

select
    as_of_date,
    person_id
from {{ ref('lead_labels') }}
where
    label_observed_until > {{ as_of_at() }}
    or (censor_reason is not null and is_reactivated is not null)
    or (censor_reason is null and is_reactivated is null)
