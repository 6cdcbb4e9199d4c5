with records as (
    select * from {{ source('raw', 'salesforce__events') }}
)

select
    _source as source,
    'salesforce' as crm,
    'events' as object,
    record_id as source_record_id,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    _source || case when who_id like '003%' then ':contacts:' else ':leads:' end || who_id as record_key,
    null::varchar as recipient,
    'meeting' as kind,
    case when lower(booked_by) = 'prospect' then 'inbound' else 'outbound' end as direction,
    case when lower(booked_by) = 'prospect' then 'person' else 'rep' end as actor,
    created_at as occurred_at,
    created_at,
    starts_at as due_at,
    false as is_closed,
    false as is_machine,
    null::varchar as reply_class,
    case when lower(booked_by) = 'prospect' then 2 else 0 end as outcome_level,
    null::varchar as in_reply_to
from records
where not coalesce(is_deleted, false)
