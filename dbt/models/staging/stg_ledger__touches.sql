with touches as (
    select * from {{ source('raw', 'ledger__touches') }}
)

-- A call or a task that was handed over is work for a human; the contact is what the CRM then tells.
select
    'ledger' as source,
    'ledger' as crm,
    'touches' as object,
    touch_id as source_record_id,
    person_id,
    case when channel in ('email', 'sms') then channel else 'task' end as kind,
    case when channel in ('email', 'sms') then 'outbound' else 'internal' end as direction,
    'engine' as actor,
    least(sent_at, recorded_at) as occurred_at,
    recorded_at as observed_at,
    not_before as window_opens_at,
    expires_at as window_closes_at,
    false as is_machine,
    null::varchar as reply_class,
    0 as outcome_level,
    null::varchar as in_reply_to
from touches
