with ledger as (
    select * from {{ ref('int_ledger__activities') }}
),

exported as (
    select * from {{ ref('int_activities__exported') }}
),

links as (
    select * from {{ ref('int_person_links') }}
    where valid_to is null
),

-- An export may tell it of any record of the person.
held as (
    select
        l.object,
        l.source_record_id,
        l.kind,
        l.direction,
        l.occurred_at,
        l.observed_at,
        l.window_opens_at,
        l.window_closes_at,
        k.record_rank
    from ledger as l
    inner join links as o on l.record_rank = o.record_rank
    inner join links as k on o.person_number = k.person_number
),

-- The same kind and direction, of the same person, at nearly the same moment; an automation's message also at any
-- moment of the touch's window, since a CRM dates what it sends for others in its own way.
alike as (
    select
        h.object as ledger_object,
        h.source_record_id as ledger_id,
        h.observed_at as ledger_observed_at,
        e.source,
        e.object,
        e.source_record_id,
        e.observed_at,
        e.place
    from exported as e
    inner join held as h on e.record_rank = h.record_rank and e.kind = h.kind and e.direction = h.direction
    where
        e.occurred_at between h.occurred_at - interval 10 minute and h.occurred_at + interval 10 minute
        or (
            e.actor in ('other_automation', 'engine')
            and e.occurred_at >= h.window_opens_at and e.occurred_at < h.window_closes_at
        )
),

-- By the order in which they were known, so that a later row pairs no earlier one anew.
one_of_the_ledger as (
    select * from alike
    qualify
        row_number() over (
            partition by source, object, source_record_id order by ledger_observed_at, ledger_object, ledger_id
        ) = 1
),

pairs as (
    select * from one_of_the_ledger
    qualify row_number() over (partition by ledger_object, ledger_id order by observed_at, place) = 1
)

select
    ledger_object,
    ledger_id,
    source,
    object,
    source_record_id,
    ledger_observed_at <= observed_at as is_ledger_first
from pairs
order by ledger_object, ledger_id
