with activity_rows as (
    {% for name in [
        'stg_hubspot__activities', 'stg_hubspot__email_events', 'stg_salesforce__tasks', 'stg_salesforce__events',
        'stg_salesforce__email_messages', 'stg_gohighlevel__messages', 'stg_gohighlevel__appointments',
        'stg_mapped__activities', 'stg_mapped__outcomes'
    ] %}
        select
            source,
            object,
            source_record_id,
            landing_id,
            kind
        from {{ ref(name) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

landings as (
    select * from {{ ref('int_landings') }}
),

activities as (
    select * from {{ ref('int_activities') }}
),

copies as (
    select * from {{ ref('int_activities__copies') }}
),

ledger_rows as (
    select
        object,
        kind
    from {{ ref('stg_ledger__touches') }}
    union all
    select
        object,
        kind
    from {{ ref('stg_ledger__events') }}
),

sources_with_messages as (
    select distinct source from landings
    where object = 'email_messages'
),

placed as not materialized (
    select
        r.*,
        l.repeats_nothing,
        r.object = 'tasks' and r.source in (select m.source from sources_with_messages as m) as is_beside_messages
    from activity_rows as r
    inner join landings as l on r.landing_id = l.landing_id
),

repeatable as (
    select distinct
        source,
        object,
        source_record_id
    from placed
    where not repeats_nothing
),

-- One row per id; most ids have one row, and only the others are grouped.
per_id as (
    select
        source,
        object,
        1 as row_count,
        kind is null as is_unknown_kind,
        is_beside_messages and coalesce(kind, '') = 'email' as is_copy
    from placed as p
    anti join repeatable as r
        on p.source = r.source and p.object = r.object and p.source_record_id = r.source_record_id
    union all
    select
        source,
        object,
        count(*) as row_count,
        bool_and(kind is null) as is_unknown_kind,
        bool_and(is_beside_messages and coalesce(kind, '') = 'email') as is_copy
    from placed as p
    semi join repeatable as r
        on p.source = r.source and p.object = r.object and p.source_record_id = r.source_record_id
    group by source, object, source_record_id
),

united as (
    select
        source,
        object,
        count(*) as united,
        count(*) filter (where reply_class = 'unsure') as unsure_replies,
        count(*) filter (where reply_class = 'auto_reply') as auto_replies,
        count(*) filter (where reply_class in ('opt_out', 'refusal', 'complaint', 'wrong_person')) as refused_replies
    from activities
    where kind not in ('deal') or object = 'outcomes'
    group by source, object
),

-- What the ledger and an export both tell is counted as the copy of the one that was known first.
copied as (
    select
        case when is_ledger_first then source else 'ledger' end as source,
        case when is_ledger_first then object else ledger_object end as object,
        count(*) as copies
    from copies
    group by all
),

counted as (
    select
        source,
        object,
        sum(row_count)::bigint as rows_in,
        sum(row_count - 1)::bigint as dropped_duplicate,
        count(*) filter (where is_unknown_kind) as dropped_unknown_kind,
        count(*) filter (where is_copy and not is_unknown_kind) as dropped_copy,
        count(*) filter (where not is_copy and not is_unknown_kind) as distinct_rows
    from per_id
    group by source, object
    union all
    select
        'ledger' as source,
        object,
        count(*) as rows_in,
        0 as dropped_duplicate,
        count(*) filter (where kind is null) as dropped_unknown_kind,
        0 as dropped_copy,
        count(*) filter (where kind is not null) as distinct_rows
    from ledger_rows
    group by object
)

-- One row per source and activity object: what became of its rows.
select
    c.source,
    c.object,
    c.rows_in,
    coalesce(u.united, 0) as united,
    c.dropped_duplicate,
    c.dropped_unknown_kind,
    c.dropped_copy + coalesce(k.copies, 0) as dropped_copy,
    c.distinct_rows - coalesce(k.copies, 0) - coalesce(u.united, 0) as dropped_unknown_record,
    coalesce(u.unsure_replies, 0) as unsure_replies,
    coalesce(u.auto_replies, 0) as auto_replies,
    coalesce(u.refused_replies, 0) as refused_replies
from counted as c
left join united as u on c.source = u.source and c.object = u.object
left join copied as k on c.source = k.source and c.object = k.object
order by c.source, c.object
