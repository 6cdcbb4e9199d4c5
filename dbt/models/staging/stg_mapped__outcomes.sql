with records as (
    select * from {{ source('raw', 'mapped__outcomes') }}
)

select
    _source as source,
    'mapped_csv' as crm,
    'outcomes' as object,
    coalesce(record_id, md5(concat_ws('|', lead_id, level, occurred_at))) as source_record_id,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    _source || ':leads:' || lead_id as record_key,
    null::varchar as recipient,
    case
        when level >= 4 then 'won'
        when level = 3 then 'deal'
        when level = 2 then 'form'
        else 'page_view'
    end as kind,
    case when level = 3 then 'internal' else 'inbound' end as direction,
    case when level = 3 then 'rep' else 'person' end as actor,
    occurred_at,
    null::timestamp as created_at,
    null::timestamp as due_at,
    false as is_closed,
    false as is_machine,
    null::varchar as reply_class,
    level::int as outcome_level,
    null::varchar as in_reply_to
from records
