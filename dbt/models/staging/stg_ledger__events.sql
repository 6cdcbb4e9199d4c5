with events as (
    select * from {{ source('raw', 'ledger__events') }}
),

-- What a reply means was decided when it came; a person's answer is one of these words, everything else is not theirs.
judged as (
    select
        *,
        case kind
            when 'reply' then 'answer'
            when 'not_now' then 'not_now'
            when 'auto_reply' then 'auto_reply'
            when 'objection' then 'refusal'
            when 'wrong_person' then 'wrong_person'
            when 'opt_out' then 'opt_out'
        end as reply,
        is_machine = 1 or kind in ('delivered', 'hard_bounce', 'soft_bounce') as by_machine
    from events
)

select
    'ledger' as source,
    'ledger' as crm,
    'events' as object,
    provider || '/' || event_id as source_record_id,
    person_id,
    case
        when kind = 'delivered' then 'delivery'
        when kind in ('hard_bounce', 'soft_bounce') then 'bounce'
        when kind in ('complaint', 'open', 'click') then kind
        -- A mail's opt-out closes mail; STOP to a text closes more, so it stays a text.
        when kind = 'opt_out' and channel = 'email' then 'opt_out'
        when reply is not null then case when channel in ('email', 'sms', 'call') then channel else 'chat' end
    end as kind,
    'inbound' as direction,
    case when by_machine then 'machine' else 'person' end as actor,
    least(occurred_at, recorded_at) as occurred_at,
    recorded_at as observed_at,
    null::timestamp as window_opens_at,
    null::timestamp as window_closes_at,
    by_machine as is_machine,
    case
        when kind in ('hard_bounce', 'soft_bounce') then kind
        when kind <> 'opt_out' or coalesce(channel, '') <> 'email' then reply
    end as reply_class,
    case
        when by_machine or {{ is_discounted_reply('reply') }} then 0
        when reply is not null then 2
        when kind = 'click' then 1
        else 0
    end as outcome_level,
    touch_id as in_reply_to
from judged
