with records as (
    select * from {{ source('raw', 'gohighlevel__messages') }}
),

judged as (
    select
        *,
        lower(direction) = 'inbound' as is_inbound,
        case
            when lower(direction) = 'inbound' and upper(message_type) in ('TYPE_EMAIL', 'TYPE_SMS', 'TYPE_LIVE_CHAT')
                then {{ classify_reply('subject', 'body', 'null') }}
        end as reply
    from records
)

select
    _source as source,
    'gohighlevel' as crm,
    'messages' as object,
    record_id as source_record_id,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    _source || ':contacts:' || contact_id as record_key,
    null::varchar as recipient,
    case
        when upper(message_type) like '%EMAIL' then 'email'
        when upper(message_type) like '%SMS' then 'sms'
        when upper(message_type) like '%CALL' or upper(message_type) like '%VOICEMAIL' then 'call'
        when upper(message_type) like '%FORM%' then 'form'
        when upper(message_type) like '%CHAT%' or upper(message_type) like '%WHATSAPP' then 'chat'
    end as kind,
    case when is_inbound then 'inbound' else 'outbound' end as direction,
    case
        when is_inbound then 'person'
        when lower(source) in ('workflow', 'campaign', 'bulk_actions', 'automation') then 'other_automation'
        else 'rep'
    end as actor,
    occurred_at,
    occurred_at as created_at,
    null::timestamp as due_at,
    false as is_closed,
    false as is_machine,
    reply as reply_class,
    case
        when {{ is_discounted_reply('reply') }} then 0
        when is_inbound then 2
        else 0
    end as outcome_level,
    in_reply_to
from judged
