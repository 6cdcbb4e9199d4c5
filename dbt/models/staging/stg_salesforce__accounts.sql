with records as (
    select * from {{ source('raw', 'salesforce__accounts') }}
)

select
    _source as source,
    _source || ':accounts:' || record_id as company_key,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    created_at,
    name,
    domain,
    industry,
    employee_count
from records
