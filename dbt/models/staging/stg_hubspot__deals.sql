with records as (
    select * from {{ source('raw', 'hubspot__deals') }}
)

select
    _source as source,
    'hubspot' as crm,
    'deals' as object,
    record_id,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    _source || ':contacts:' || contact_id as record_key,
    _source || ':companies:' || company_id as company_key,
    created_at,
    nullif(amount, 0) as amount,
    currency,
    coalesce(is_won, false) as is_won,
    coalesce(is_closed, false) as is_closed,
    closed_at,
    coalesce(is_deleted, false) as is_deleted
from records
