with told as (
    select * from {{ ref('stg_ledger__touches') }}
    union all
    select * from {{ ref('stg_ledger__events') }}
),

records as (
    select * from {{ ref('int_records') }}
)

-- A person's id is that of the record by which they were first known, so the row follows that record through merges.
select
    t.source,
    t.crm,
    t.object,
    t.source_record_id,
    r.record_key,
    r.record_rank,
    -- Below the places of every exported row.
    row_number() over (order by t.object, t.source_record_id) as place,
    t.kind,
    t.direction,
    t.actor,
    t.occurred_at,
    t.observed_at,
    'source' as observed_at_basis,
    t.window_opens_at,
    t.window_closes_at,
    null::timestamp as due_at,
    null::timestamp as closed_from,
    t.is_machine,
    t.reply_class,
    t.outcome_level::tinyint as outcome_level,
    t.in_reply_to,
    false as is_late
from told as t
inner join records as r on t.person_id = r.own_person_id
where t.kind is not null
order by r.record_rank, t.occurred_at, t.source_record_id
