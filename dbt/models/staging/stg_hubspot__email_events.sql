with records as (
    select * from {{ source('raw', 'hubspot__email_events') }}
),

judged as (
    select
        *,
        upper(event_type) as type_name,
        coalesce(is_bot, false) or {{ is_machine_agent('user_agent') }} as by_machine
    from records
)

select
    _source as source,
    'hubspot' as crm,
    'email_events' as object,
    record_id as source_record_id,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    null::varchar as record_key,
    recipient,
    case
        when type_name = 'SENT' then 'email'
        when type_name = 'DELIVERED' then 'delivery'
        when type_name = 'OPEN' then 'open'
        when type_name = 'CLICK' then 'click'
        when type_name in ('BOUNCE', 'DROPPED') then 'bounce'
        when type_name in ('STATUSCHANGE', 'UNSUBSCRIBED') then 'opt_out'
        when type_name = 'SPAMREPORT' then 'complaint'
    end as kind,
    case when type_name = 'SENT' then 'outbound' else 'inbound' end as direction,
    case
        when type_name = 'SENT' then 'other_automation'
        when type_name in ('DELIVERED', 'BOUNCE', 'DROPPED') or by_machine then 'machine'
        else 'person'
    end as actor,
    occurred_at,
    occurred_at as created_at,
    null::timestamp as due_at,
    false as is_closed,
    type_name in ('DELIVERED', 'BOUNCE', 'DROPPED') or by_machine as is_machine,
    case
        when type_name in ('BOUNCE', 'DROPPED') then case
            when upper(coalesce(bounce_category, '')) in ('UNKNOWN_USER', 'HARD', 'INVALID', 'PREVIOUSLY_BOUNCED')
                then 'hard_bounce'
            else 'soft_bounce'
        end
    end as reply_class,
    case when type_name = 'CLICK' and not by_machine then 1 else 0 end as outcome_level,
    sent_by_id as in_reply_to
from judged
