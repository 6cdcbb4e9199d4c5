with records as (
    select * from {{ source('raw', 'mapped__permissions') }}
)

select
    _source as source,
    'permissions' as object,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    _source || ':leads:' || lead_id as record_key,
    lower(channel) as channel,
    lower(basis) as basis,
    since,
    expires_at,
    evidence,
    collected_during,
    optout_offered_at_collection,
    nullif(trim(seller), '') as seller,
    nullif(trim(disclosure_version), '') as disclosure_version
from records
