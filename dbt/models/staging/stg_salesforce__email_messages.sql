with records as (
    select * from {{ source('raw', 'salesforce__email_messages') }}
),

judged as (
    select
        *,
        case when is_incoming then {{ classify_reply('subject', 'body', 'headers') }} end as reply
    from records
),

messages as (
    select
        _source as source,
        'salesforce' as crm,
        'email_messages' as object,
        record_id as source_record_id,
        _landing_id as landing_id,
        _row_number as row_number,
        _exported_at as exported_at,
        _source
        || case when related_to_id like '003%' then ':contacts:' else ':leads:' end
        || related_to_id as record_key,
        null::varchar as recipient,
        'email' as kind,
        case when is_incoming then 'inbound' else 'outbound' end as direction,
        case
            when is_incoming then 'person'
            when is_automated then 'other_automation'
            else 'rep'
        end as actor,
        occurred_at,
        created_at,
        null::timestamp as due_at,
        false as is_closed,
        false as is_machine,
        reply as reply_class,
        case
            when {{ is_discounted_reply('reply') }} then 0
            when is_incoming then 2
            else 0
        end as outcome_level,
        in_reply_to
    from judged
),

bounces as (
    select
        _source as source,
        'salesforce' as crm,
        'email_messages' as object,
        record_id || ':bounce' as source_record_id,
        _landing_id as landing_id,
        _row_number as row_number,
        _exported_at as exported_at,
        _source
        || case when related_to_id like '003%' then ':contacts:' else ':leads:' end
        || related_to_id as record_key,
        null::varchar as recipient,
        'bounce' as kind,
        'inbound' as direction,
        'machine' as actor,
        occurred_at,
        created_at,
        null::timestamp as due_at,
        false as is_closed,
        true as is_machine,
        null::varchar as reply_class,
        0 as outcome_level,
        record_id as in_reply_to
    from judged
    where is_bounced and not coalesce(is_incoming, false)
)

select * from messages
union all
select * from bounces
