with landings as (
    select * from {{ ref('int_landings') }}
),

versions as (
    select * from {{ ref('int_record_versions') }}
),

activities as (
    select * from {{ ref('int_activities') }}
),

mapped_permissions as (
    select * from {{ ref('stg_mapped__permissions') }}
),

suppressions as (
    {% for name in [
        'stg_hubspot__suppressions', 'stg_salesforce__suppressions', 'stg_gohighlevel__suppressions',
        'stg_mapped__suppressions'
    ] %}
        select * from {{ ref(name) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

sources as (
    select * from {{ source('raw', 'sources') }}
),

refused_flags as (
    {{ refused_by_columns('versions') }}
),

-- A contact may have several labels; next to one that is not known none of them counts.
labels as (
    select
        record_key,
        source,
        legal_basis,
        exported_at,
        unnest(string_split(legal_basis, ';')) as label
    from versions
    where legal_basis is not null
),

grounds as (
    select
        *,
        {{ ground_of_label('label') }} as ground
    from labels
    qualify bool_and(ground is not null) over (partition by record_key, exported_at, legal_basis)
),

listed as (
    select
        s.*,
        coalesce(s.occurred_at, s.exported_at) as refused_at,
        {{ observed_at('null::timestamp', 'coalesce(s.occurred_at, s.exported_at)', 'l') }} as observed_at
    from suppressions as s
    inner join landings as l on s.landing_id = l.landing_id
),

-- A list entry bars every record that ever carried the address; an objection by mail bars the phone too.
suppressed as (
    select distinct
        v.record_key,
        s.source,
        s.reason,
        s.refused_at as occurred_at,
        s.observed_at,
        case when s.reason in ('opt_out', 'hard_bounce') then ['email'] else ['email', 'sms', 'call'] end as channels
    from listed as s
    inner join versions as v on s.email = v.email
    union all
    select distinct
        v.record_key,
        s.source,
        s.reason,
        s.refused_at,
        s.observed_at,
        ['sms', 'call']
    from listed as s
    inner join versions as v on s.phone = v.phone
),

facts as (
    select
        record_key,
        channel,
        'refused' as stance,
        basis,
        evidence,
        source,
        min(exported_at) as since,
        null::timestamp as expires_at,
        min(exported_at) as observed_at,
        null::varchar as collected_during,
        null::boolean as optout_offered_at_collection,
        null::varchar as seller,
        null::varchar as disclosure_version
    from refused_flags
    where channel is not null
    group by record_key, channel, basis, evidence, source
    union all
    select
        record_key,
        'email',
        'allowed',
        ground,
        legal_basis,
        source,
        min(exported_at),
        null,
        min(exported_at),
        null,
        null,
        null,
        null
    from grounds
    where ground <> 'none'
    group by record_key, source, ground, legal_basis
    union all
    select
        h.record_key,
        c.channel,
        'refused',
        h.reason,
        'suppression list',
        h.source,
        min(h.occurred_at),
        null,
        min(h.observed_at),
        null,
        null,
        null,
        null
    from suppressed as h
    inner join (values ('email'), ('sms'), ('call')) as c (channel)
        on c.channel = any(h.channels)
    group by h.record_key, c.channel, h.reason, h.source
    union all
    select
        p.record_key,
        p.channel,
        case when {{ is_refusing_basis('p.basis') }} then 'refused' else 'allowed' end,
        p.basis,
        p.evidence,
        p.source,
        coalesce(p.since, p.exported_at),
        p.expires_at,
        {{ observed_at('null::timestamp', 'coalesce(p.since, p.exported_at)', 'l') }},
        p.collected_during,
        p.optout_offered_at_collection,
        p.seller,
        p.disclosure_version
    from mapped_permissions as p
    inner join landings as l on p.landing_id = l.landing_id
    qualify
        row_number() over (
            partition by p.record_key, p.channel, p.basis, p.since order by p.exported_at, p.row_number
        ) = 1
    union all
    select
        record_key,
        {{ refusal_channel() }},
        'refused',
        {{ refusal_basis() }},
        {{ refusal_evidence() }},
        source,
        min(occurred_at),
        null,
        min(observed_at),
        null,
        null,
        null,
        null
    from activities
    where {{ is_refusal() }}
    group by all
    union all
    select
        record_key,
        'all',
        'allowed',
        case when kind in ('won', 'purchase') then 'purchase' else 'inquiry' end,
        'last ' || case when kind in ('won', 'purchase') then 'purchase' else 'inquiry' end,
        source,
        max(occurred_at),
        null,
        max(observed_at),
        null,
        null,
        null,
        null
    from activities
    where
        kind in ('won', 'purchase')
        or (is_inbound and outcome_level = 2 and kind in ('form', 'call', 'email', 'chat', 'sms', 'meeting'))
    group by record_key, source, kind in ('won', 'purchase')
    union all
    select
        r.record_key,
        'email',
        'allowed',
        s.declared_basis,
        s.declaration_words,
        s.source,
        coalesce(s.declared_at::timestamp, r.first_observed_at),
        null,
        r.first_observed_at,
        null,
        null,
        null,
        null
    from {{ ref('int_records') }} as r
    inner join sources as s on r.source = s.source
    where s.declared_basis is not null
)

select * from facts
order by all
