with activity_rows as (
    {% for name in [
        'stg_hubspot__activities', 'stg_hubspot__email_events', 'stg_salesforce__tasks', 'stg_salesforce__events',
        'stg_salesforce__email_messages', 'stg_gohighlevel__messages', 'stg_gohighlevel__appointments',
        'stg_mapped__activities', 'stg_mapped__outcomes'
    ] %}
        select * from {{ ref(name) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

landings as (
    select * from {{ ref('int_landings') }}
),

records as (
    select * from {{ ref('int_records') }}
),

aliases as (
    select * from {{ ref('int_record_aliases') }}
),

addresses as (
    select
        source,
        email,
        arg_min(record_key, (stable_from, record_key)) as record_key,
        min(stable_from) as known_from
    from {{ ref('int_record_versions') }}
    where email is not null
    group by source, email
),

sources_with_messages as (
    select distinct source from landings
    where object = 'email_messages'
),

links as (
    select * from {{ ref('int_person_links') }}
),

assignments as (
    select * from {{ source('raw', 'ledger__assignments') }}
),

sent as (
    select
        source_record_id as touch_id,
        observed_at as recorded_at
    from {{ ref('stg_ledger__touches') }}
),

-- Every row with its place. It is read three times, and to keep millions of rows would cost more than to read them.
placed as not materialized (
    select
        r.*,
        l.object_number,
        l.first_place + r.row_number as place,
        l.covered_before,
        l.is_history,
        l.assumed_lag_hours,
        l.repeats_nothing
    from activity_rows as r
    inner join landings as l on r.landing_id = l.landing_id
),

-- Ids that may occur more than once: those of later landings and of files whose ids the door does not count.
repeatable as (
    select distinct
        object_number,
        source_record_id
    from placed
    where not repeats_nothing
),

-- First appearance of each of them; a closing status counts from the export that shows it.
firsts as (
    select
        p.object_number,
        p.source_record_id,
        min(p.place) as place,
        min(p.exported_at) filter (where p.is_closed) as closed_from
    from placed as p
    semi join repeatable as r on p.object_number = r.object_number and p.source_record_id = r.source_record_id
    group by p.object_number, p.source_record_id
),

distinct_rows as (
    select
        p.*,
        case
            when f.place is not null then f.closed_from
            when p.is_closed then p.exported_at
        end as closed_from
    from placed as p
    left join firsts as f on p.object_number = f.object_number and p.source_record_id = f.source_record_id
    where
        (f.place is null or p.place = f.place)
        and p.kind is not null
        and not (
            p.object = 'tasks' and p.kind = 'email' and p.source in (select m.source from sources_with_messages as m)
        )
),

-- Mails of this engine that somebody else sends come back as mails of an automation inside the window of a touch. What
-- comes after the ledger has its own record of the touch is told apart by int_activities__copies.
engine_windows as (
    select
        k.record_key,
        list(struct_pack(
            opens_at := a.not_before,
            closes_at := a.expires_at,
            known_from := coalesce(t.recorded_at, timestamp '9999-12-31')
        )) as touch_windows
    from assignments as a
    inner join links as k on a.person_id = k.person_id and k.valid_to is null
    left join sent as t on a.assignment_id = t.touch_id
    where a.arm in ('contacted', 'explored')
    group by k.record_key
),

keyed as (
    select
        p.* replace (r.record_key as record_key),
        r.record_rank,
        -- When it was known whose activity this is, where that is more than the row's own record id.
        case
            when n.record_key is not null then n.known_from
            when p.record_key is null then m.known_from
        end as owner_known_from,
        w.touch_windows
    from distinct_rows as p
    left join addresses as m on p.source = m.source and p.recipient = m.email
    left join aliases as n on p.record_key = n.alias_key
    inner join records as r on coalesce(n.record_key, p.record_key, m.record_key) = r.record_key
    left join engine_windows as w on r.record_key = w.record_key
),

observed as (
    select
        p.*,
        greatest({{ observed_at('p.created_at', 'p.occurred_at', 'p') }}, p.owner_known_from) as observed_at
    from keyed as p
),

judged as (
    select
        *,
        direction = 'outbound' and actor = 'other_automation' and len(list_filter(
            touch_windows, lambda x:
            occurred_at >= struct_extract(x, 'opens_at') and occurred_at < struct_extract(x, 'closes_at')
            and observed_at < struct_extract(x, 'known_from')
        )) > 0 as is_by_engine
    from observed
)

-- One row per distinct activity of a known record as exports tell it.
select
    p.source,
    p.crm,
    p.object,
    p.source_record_id,
    p.record_key,
    p.record_rank,
    p.place,
    p.kind,
    p.direction,
    case when p.is_by_engine then 'engine' else p.actor end as actor,
    p.occurred_at,
    p.observed_at,
    {{ observed_basis('p.created_at', 'p.occurred_at', 'p') }} as observed_at_basis,
    p.due_at,
    p.closed_from,
    p.is_machine,
    p.reply_class,
    p.outcome_level::tinyint as outcome_level,
    p.in_reply_to,
    coalesce(coalesce(p.created_at, p.occurred_at) <= p.covered_before, false) as is_late
from judged as p
