with records as (
    select * from {{ source('raw', 'hubspot__activities') }}
),

judged as (
    select
        *,
        upper(activity_type) as type_name,
        upper(coalesce(direction, '')) as way,
        upper(coalesce(source, '')) as origin,
        case
            when upper(activity_type) in ('EMAIL', 'INCOMING_EMAIL', 'SMS') and (
                upper(activity_type) = 'INCOMING_EMAIL'
                or upper(direction) like 'INCOMING%'
                or upper(direction) = 'INBOUND'
            ) then {{ classify_reply('subject', 'body', 'headers') }}
        end as reply
    from records
)

select
    _source as source,
    'hubspot' as crm,
    'activities' as object,
    record_id as source_record_id,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    _source || ':contacts:' || contact_id as record_key,
    null::varchar as recipient,
    case
        when type_name in ('EMAIL', 'INCOMING_EMAIL') then 'email'
        when type_name = 'SMS' then 'sms'
        when type_name = 'CALL' then 'call'
        when type_name = 'MEETING' then 'meeting'
        when type_name = 'NOTE' then 'note'
        when type_name = 'TASK' then 'task'
        when type_name = 'FORM_SUBMISSION' then 'form'
        when type_name = 'PAGE_VIEW' then 'page_view'
    end as kind,
    case
        when
            reply is not null
            or (type_name = 'CALL' and way = 'INBOUND')
            or (type_name = 'MEETING' and origin = 'MEETINGS')
            or type_name in ('FORM_SUBMISSION', 'PAGE_VIEW') then 'inbound'
        when type_name in ('NOTE', 'TASK') then 'internal'
        else 'outbound'
    end as direction,
    case
        when
            reply is not null
            or (type_name = 'CALL' and way = 'INBOUND')
            or (type_name = 'MEETING' and origin = 'MEETINGS')
            or type_name in ('FORM_SUBMISSION', 'PAGE_VIEW') then 'person'
        when origin in ('AUTOMATION_PLATFORM', 'AUTOMATION', 'SEQUENCES', 'WORKFLOWS') then 'other_automation'
        else 'rep'
    end as actor,
    case when type_name in ('MEETING', 'TASK') then coalesce(created_at, occurred_at) else occurred_at end
        as occurred_at,
    created_at,
    case when type_name in ('MEETING', 'TASK') then occurred_at end as due_at,
    coalesce(upper(outcome) in ('COMPLETED', 'CANCELED', 'CANCELLED', 'NO_SHOW'), false) as is_closed,
    false as is_machine,
    reply as reply_class,
    case
        when {{ is_discounted_reply('reply') }} then 0
        when reply is not null then 2
        when type_name = 'FORM_SUBMISSION' then 2
        when type_name = 'CALL' and way = 'INBOUND' then 2
        when type_name = 'MEETING' and origin = 'MEETINGS' then 2
        when type_name = 'PAGE_VIEW' then 1
        else 0
    end as outcome_level,
    in_reply_to
from judged
