with landings as (
    select * from {{ source('raw', 'landings') }}
),

counted as (
    select landing_id from {{ ref('int_landings') }}
),

-- Exports that came after the as-of date began: nothing of them counts in it but what refuses.
late as (
    select l.landing_id
    from landings as l
    anti join counted as c on l.landing_id = c.landing_id
    where not coalesce(l.is_superseded, false)
),

people_rows as (
    select p.*
    from {{ ref('int_people_rows__united') }} as p
    semi join late as l on p.landing_id = l.landing_id
    where p.exported_at >= {{ as_of_at() }}
),

by_columns as (
    {{ refused_by_columns('people_rows') }}
),

addresses as (
    select
        record_key,
        exported_at,
        any_value(email) as email,
        any_value(phone) as phone
    from people_rows
    group by record_key, exported_at
),

activity_rows as (
    {% for name in [
        'stg_hubspot__activities', 'stg_hubspot__email_events', 'stg_salesforce__tasks', 'stg_salesforce__events',
        'stg_salesforce__email_messages', 'stg_gohighlevel__messages', 'stg_gohighlevel__appointments',
        'stg_mapped__activities', 'stg_mapped__outcomes'
    ] %}
        select
            source,
            landing_id,
            exported_at,
            record_key,
            recipient,
            kind,
            reply_class,
            occurred_at
        from {{ ref(name) }}
        where exported_at >= {{ as_of_at() }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

permission_rows as (
    select p.*
    from {{ ref('stg_mapped__permissions') }} as p
    semi join late as l on p.landing_id = l.landing_id
    where p.exported_at >= {{ as_of_at() }}
),

refused as (
    select
        b.record_key,
        a.email,
        a.phone,
        b.channel,
        b.basis,
        b.evidence,
        b.source,
        b.exported_at as since
    from by_columns as b
    inner join addresses as a on b.record_key = a.record_key and b.exported_at = a.exported_at
    where b.channel is not null
    union all
    select
        r.record_key,
        r.recipient,
        null,
        {{ refusal_channel() }},
        {{ refusal_basis() }},
        {{ refusal_evidence() }},
        r.source,
        r.occurred_at
    from activity_rows as r
    semi join late as l on r.landing_id = l.landing_id
    where {{ is_refusal() }}
    union all
    select
        p.record_key,
        null,
        null,
        p.channel,
        p.basis,
        p.evidence,
        p.source,
        coalesce(p.since, p.exported_at)
    from permission_rows as p
    where {{ is_refusing_basis('p.basis') }}
)

-- One row per record or address, channel and refusal that such an export tells.
select
    record_key,
    email,
    phone,
    channel,
    basis,
    evidence,
    source,
    min(since) as since
from refused
group by all
order by all
