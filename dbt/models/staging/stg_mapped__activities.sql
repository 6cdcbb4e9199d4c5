with records as (
    select * from {{ source('raw', 'mapped__activities') }}
),

judged as (
    select
        *,
        case
            when
                lower(direction) = 'inbound'
                and lower(kind) in ('email', 'sms', 'chat')
                and coalesce(subject, body) is not null
                then {{ classify_reply('subject', 'body', 'null') }}
        end as reply
    from records
)

select
    _source as source,
    'mapped_csv' as crm,
    'activities' as object,
    coalesce(record_id, md5(concat_ws('|', lead_id, kind, direction, actor, occurred_at))) as source_record_id,
    _landing_id as landing_id,
    _row_number as row_number,
    _exported_at as exported_at,
    _source || ':leads:' || lead_id as record_key,
    null::varchar as recipient,
    lower(kind) as kind,
    lower(direction) as direction,
    lower(actor) as actor,
    occurred_at,
    created_at,
    null::timestamp as due_at,
    false as is_closed,
    lower(actor) = 'machine' as is_machine,
    reply as reply_class,
    case
        when {{ is_discounted_reply('reply') }} or lower(direction) <> 'inbound' or lower(actor) <> 'person' then 0
        when lower(kind) in ('won', 'purchase') then 4
        when lower(kind) in ('email', 'sms', 'chat', 'call', 'meeting', 'form') then 2
        when lower(kind) in ('click', 'page_view') then 1
        else 0
    end as outcome_level,
    null::varchar as in_reply_to
from judged
