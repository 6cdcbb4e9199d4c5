with records as (
    select * from {{ source('raw', 'salesforce__tasks') }}
),

judged as (
    select
        *,
        case
            when lower(coalesce(task_type, '')) in ('web form', 'form') then 'form'
            when lower(coalesce(subtype, '')) = 'call' then 'call'
            when lower(coalesce(subtype, '')) = 'email' then 'email'
            else 'task'
        end as act
    from records
    where not coalesce(is_deleted, false)
)

select
    _source as source,
    'salesforce' as crm,
    'tasks' as object,
    record_id as source_record_id,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    _source || case when who_id like '003%' then ':contacts:' else ':leads:' end || who_id as record_key,
    null::varchar as recipient,
    act as kind,
    case
        when act = 'form' or (act = 'call' and lower(call_type) = 'inbound') then 'inbound'
        when act = 'task' then 'internal'
        else 'outbound'
    end as direction,
    case
        when act = 'form' or (act = 'call' and lower(call_type) = 'inbound') then 'person'
        else 'rep'
    end as actor,
    case when act in ('form', 'task') then created_at else coalesce(completed_at, created_at) end as occurred_at,
    created_at,
    case when act = 'task' then due_date end as due_at,
    lower(coalesce(status, '')) = 'completed' as is_closed,
    false as is_machine,
    null::varchar as reply_class,
    case when act = 'form' or (act = 'call' and lower(call_type) = 'inbound') then 2 else 0 end as outcome_level,
    null::varchar as in_reply_to
from judged
