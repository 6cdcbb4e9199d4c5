with records as (
    select * from {{ source('raw', 'gohighlevel__suppressions') }}
)

select
    _source as source,
    'suppressions' as object,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    email,
    null::varchar as phone,
    {{ suppression_reason('reason') }} as reason,
    occurred_at
from records
