with exported as (
    select * from {{ ref('int_activities__exported') }}
),

ledger as (
    select * from {{ ref('int_ledger__activities') }}
),

copies as (
    select * from {{ ref('int_activities__copies') }}
),

deals as (
    select * from {{ ref('int_deals') }}
),

records as (
    select * from {{ ref('int_records') }}
),

links as (
    select * from {{ ref('int_person_links') }}
),

told as (
    select * from {{ source('raw', 'ledger__told_activities') }}
),

-- Deals stand before every exported row: their places are below zero.
placed_deals as (
    select
        *,
        -2 * row_number() over (order by source, object, record_id) as place
    from deals
),

opportunities as (
    select
        d.source,
        d.crm,
        d.object,
        d.record_id as source_record_id,
        d.record_key,
        r.record_rank,
        d.place,
        'deal' as kind,
        'internal' as direction,
        'rep' as actor,
        d.created_at as occurred_at,
        d.created_observed_at as observed_at,
        d.created_basis as observed_at_basis,
        null::timestamp as due_at,
        null::timestamp as closed_from,
        false as is_machine,
        null::varchar as reply_class,
        3::tinyint as outcome_level,
        null::varchar as in_reply_to,
        false as is_late
    from placed_deals as d
    inner join records as r on d.record_key = r.record_key
),

wins as (
    select
        d.source,
        d.crm,
        d.object,
        d.record_id || ':won' as source_record_id,
        d.record_key,
        r.record_rank,
        d.place + 1 as place,
        'won' as kind,
        'inbound' as direction,
        'person' as actor,
        d.closed_at as occurred_at,
        d.closed_observed_at as observed_at,
        d.closed_basis as observed_at_basis,
        null::timestamp as due_at,
        null::timestamp as closed_from,
        false as is_machine,
        null::varchar as reply_class,
        4::tinyint as outcome_level,
        null::varchar as in_reply_to,
        false as is_late
    from placed_deals as d
    inner join records as r on d.record_key = r.record_key
    where d.is_won and d.closed_at is not null
),

-- What applications told of a person goes to the first record that ever was the person's.
own_records as (
    select
        person_id,
        min(record_rank) as record_rank
    from links
    group by person_id
),

-- Told activities stand behind every exported row, in the order in which they were stored.
told_rows as (
    select
        'api' as source,
        r.crm,
        'activities' as object,
        t.activity_id as source_record_id,
        r.record_key,
        r.record_rank,
        (1::bigint << 62) + row_number() over (order by t.observed_at, t.activity_id) as place,
        t.kind,
        t.direction,
        t.actor,
        t.occurred_at,
        t.observed_at,
        'source' as observed_at_basis,
        null::timestamp as due_at,
        null::timestamp as closed_from,
        t.is_machine,
        t.reply_class,
        t.outcome_level::tinyint as outcome_level,
        null::varchar as in_reply_to,
        false as is_late
    from told as t
    inner join own_records as o on t.person_id = o.person_id
    inner join records as r on o.record_rank = r.record_rank
),

-- Of an activity that an export and the ledger both tell, the row that was known first stays.
told_by_exports as (
    select e.*
    from exported as e
    anti join copies as c
        on
            c.is_ledger_first and e.source = c.source and e.object = c.object
            and e.source_record_id = c.source_record_id
),

told_by_ledger as (
    select l.* exclude (window_opens_at, window_closes_at)
    from ledger as l
    anti join copies as c
        on not c.is_ledger_first and l.object = c.ledger_object and l.source_record_id = c.ledger_id
),

united as (
    select * from told_by_exports
    union all by name
    select * from told_by_ledger
    union all by name
    select * from opportunities
    union all by name
    select * from wins
    union all by name
    select * from told_rows
)

select
    *,
    {{ is_inbound_activity() }} as is_inbound
from united
order by record_rank, occurred_at, place
