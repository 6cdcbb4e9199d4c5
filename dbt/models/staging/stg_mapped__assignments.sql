with records as (
    select * from {{ source('raw', 'mapped__assignments') }}
)

select
    assignment_id,
    _source as source,
    record_source,
    lower(crm) as crm,
    record_object,
    record_id,
    campaign,
    lower(channel) as channel,
    assigned_at,
    lower(arm) as arm,
    propensity,
    policy_version
from records
qualify row_number() over (partition by _source, assignment_id order by _exported_at, _row_number) = 1
