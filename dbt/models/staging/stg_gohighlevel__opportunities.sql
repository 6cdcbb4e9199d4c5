with records as (
    select * from {{ source('raw', 'gohighlevel__opportunities') }}
)

select
    _source as source,
    'gohighlevel' as crm,
    'opportunities' as object,
    record_id,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    _source || ':contacts:' || contact_id as record_key,
    null::varchar as company_key,
    created_at,
    nullif(amount, 0) as amount,
    currency,
    coalesce(lower(status) = 'won', false) as is_won,
    coalesce(lower(status) in ('won', 'lost', 'abandoned'), false) as is_closed,
    case when lower(status) in ('won', 'lost', 'abandoned') then status_changed_at end as closed_at,
    false as is_deleted
from records
