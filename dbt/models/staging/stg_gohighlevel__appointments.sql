with records as (
    select * from {{ source('raw', 'gohighlevel__appointments') }}
)

select
    _source as source,
    'gohighlevel' as crm,
    'appointments' as object,
    record_id as source_record_id,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    _source || ':contacts:' || contact_id as record_key,
    null::varchar as recipient,
    'meeting' as kind,
    case
        when
            lower(coalesce(source, '')) in ('booking_widget', 'calendar', 'widget', 'third_party')
            then 'inbound'
        else 'outbound'
    end as direction,
    case
        when lower(coalesce(source, '')) in ('booking_widget', 'calendar', 'widget', 'third_party') then 'person' else
            'rep'
    end as actor,
    coalesce(created_at, starts_at) as occurred_at,
    created_at,
    starts_at as due_at,
    coalesce(lower(status) in ('showed', 'noshow', 'cancelled', 'invalid'), false) as is_closed,
    false as is_machine,
    null::varchar as reply_class,
    case when lower(coalesce(source, '')) in ('booking_widget', 'calendar', 'widget', 'third_party') then 2 else 0 end
        as outcome_level,
    null::varchar as in_reply_to
from records
