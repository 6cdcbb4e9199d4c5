with members as (
    select * from {{ ref('int_people__members') }}
),

records as (
    select * from {{ ref('int_records') }}
),

versions as (
    select * from {{ ref('int_record_versions') }}
),

companies as (
    select * from {{ ref('int_companies') }}
),

activities as (
    select * from {{ ref('int_activities') }}
),

deals as (
    select * from {{ ref('int_deals') }}
),

sources as (
    select * from {{ source('raw', 'sources') }}
),

column_types as (
    select * from {{ ref('int_column_types') }}
),

-- Values of each record as known at the date; deletions, owners and states count from their export on.
known_records as not materialized (
    select
        m.as_of_date,
        m.as_of_at,
        m.person_id,
        m.person_number,
        m.record_count,
        r.record_key,
        r.record_rank,
        r.source,
        r.crm,
        r.created_at,
        r.first_observed_at,
        coalesce(r.deleted_at < m.as_of_at, false) as is_gone,
        {{ known_value('account_id', "['company_id', 'email']") }} as account_id,
        {{ known_value('job_title', "['job_title']") }} as job_title,
        coalesce(
            {{ known_value('industry', "['industry']") }},
            case when c.industry_from < m.as_of_at then c.industry end
        ) as industry,
        coalesce(
            {{ known_value('employee_count', "['employee_count']") }},
            case when c.employee_count_from < m.as_of_at then c.employee_count end
        ) as employee_count,
        {{ known_value('country', "['country', 'state', 'phone', 'mobile_phone']") }} as country,
        {{ known_value('lead_source', "['lead_source']") }} as lead_source,
        coalesce({{ known_value('is_free_mail', "['email']") }}, false) as is_free_mail,
        coalesce({{ known_value('phone', "['phone', 'mobile_phone']") }} is not null, false) as has_phone,
        coalesce({{ known_value('account_id', "['company_id', 'email']") }} is not null, false) as has_account,
        coalesce(v.is_in_sequence and v.exported_at < m.as_of_at, false) as is_in_sequence,
        coalesce(v.exported_at < m.as_of_at and regexp_matches(
            lower(coalesce(v.status_text, '')), 'unqualified|disqualified|bad fit|employee|partner|competitor'
        ), false) as is_disqualified
    from members as m
    inner join records as r on m.record_rank = r.record_rank
    inner join versions as v
        on
            m.record_key = v.record_key and m.as_of_at > v.stable_from
            and m.as_of_at <= coalesce(v.valid_to, timestamp '9999-12-31')
    left join column_types as t on r.source = t.source and r.record_object = t.object
    left join companies as c on v.company_key = c.company_key
),

-- Most people have one record, which needs no grouping; of several, the first known value of the first record counts.
described as (
    select * exclude (record_count, record_rank) from known_records
    where record_count = 1
    union all by name
    select
        as_of_date,
        as_of_at,
        any_value(person_id) as person_id,
        person_number,
        {% for column in [
            'record_key', 'source', 'crm', 'account_id', 'job_title', 'industry', 'employee_count', 'country',
            'lead_source'
        ] %}
            arg_min({{ column }}, record_rank) as {{ column }},
        {% endfor %}
        {% for column in ['is_free_mail', 'has_phone', 'has_account', 'is_in_sequence', 'is_disqualified'] %}
            bool_or({{ column }}) as {{ column }},
        {% endfor %}
        min(created_at) as created_at,
        min(first_observed_at) as first_observed_at,
        bool_and(is_gone) as is_gone
    from known_records
    where record_count > 1
    group by as_of_date, as_of_at, person_number
),

-- Read twice; to keep it would cost more than the second join.
known as not materialized (
    select
        m.as_of_date,
        m.as_of_at,
        m.person_number,
        a.occurred_at,
        a.is_inbound,
        a.direction,
        a.actor,
        a.kind,
        a.due_at,
        a.closed_from
    from members as m
    inner join activities as a
        on m.record_rank = a.record_rank and m.as_of_at > a.observed_at and m.as_of_at > a.occurred_at
    where a.is_inbound or a.due_at is not null or a.direction = 'outbound' or a.kind in ('won', 'purchase')
),

acts as (
    select
        as_of_date,
        person_number,
        min(occurred_at) filter (where is_inbound) as first_inbound_at,
        max(occurred_at) filter (where is_inbound) as last_inbound_at,
        max(occurred_at) filter (where direction = 'outbound') as last_outbound_at,
        max(occurred_at) filter (where direction = 'outbound' and actor = 'rep') as last_rep_contact_at,
        count(*) filter (where kind in ('won', 'purchase')) as won_count,
        bool_or(due_at >= as_of_at and (closed_from is null or closed_from >= as_of_at)) as has_future
    from known
    group by as_of_date, person_number
),

steps as (
    select
        as_of_date,
        person_number,
        occurred_at,
        lag(occurred_at) over (partition by as_of_date, person_number order by occurred_at) as before_at
    from known
    where is_inbound
),

-- Silences that an own act ended, long enough for dormancy in the person's market.
silences as (
    select
        s.as_of_date,
        s.person_number,
        count(*) as silence_count
    from steps as s
    inner join described as d on s.as_of_date = d.as_of_date and s.person_number = d.person_number
    inner join sources as o on d.source = o.source
    where
        s.occurred_at - s.before_at >= {{ least_dormant_after() }} * interval 1 day
        and s.occurred_at - s.before_at >= ({{ dormant_after('o.market') }}) * interval 1 day
    group by s.as_of_date, s.person_number
),

open_deals as (
    select
        m.as_of_date,
        m.person_number,
        arg_max(d.amount, d.created_at) as open_amount,
        arg_max(d.currency, d.created_at) as currency
    from members as m
    inner join deals as d
        on
            m.record_key = d.record_key and m.as_of_at > d.created_observed_at and m.as_of_at > d.created_at
            and not coalesce(m.as_of_at > d.closed_observed_at and m.as_of_at > d.closed_at, false)
            and not coalesce(m.as_of_at > d.deleted_at, false)
    group by m.as_of_date, m.person_number
),

joined as (
    select
        d.* exclude (is_gone),
        o.market,
        a.first_inbound_at,
        a.last_inbound_at,
        a.last_outbound_at,
        a.last_rep_contact_at,
        coalesce(a.won_count, 0) as won_count,
        case when a.last_inbound_at is not null then 1 + coalesce(s.silence_count, 0) end as spell,
        ({{ dormant_after('o.market') }})::int as dormant_after_days,
        p.open_amount,
        p.currency,
        case
            when a.last_inbound_at is null then 'never_engaged'
            when a.last_inbound_at >= d.as_of_at - ({{ dormant_after('o.market') }}) * interval 1 day
                then 'recently_active'
            when d.is_disqualified then 'disqualified'
            when p.person_number is not null then 'open_opportunity'
            when a.has_future then 'future_meeting_or_task'
            when d.is_in_sequence then 'running_sequence'
            when a.last_rep_contact_at >= d.as_of_at - interval {{ var('owner_contact_days') }} day then 'owner_contact'
        end as not_dormant_reason
    from described as d
    inner join sources as o on d.source = o.source
    left join acts as a on d.as_of_date = a.as_of_date and d.person_number = a.person_number
    left join silences as s on d.as_of_date = s.as_of_date and d.person_number = s.person_number
    left join open_deals as p on d.as_of_date = p.as_of_date and d.person_number = p.person_number
    where not d.is_gone
)

-- One row per date of this run and person alive then.
select
    *,
    not_dormant_reason is null as is_dormant,
    case
        when last_inbound_at is null then 'never_engaged'
        when won_count > 0 then 'lapsed_customer'
        else 'lead'
    end as lead_kind,
    date_diff('day', last_inbound_at::date, as_of_date)::int as dormant_days
from joined
order by as_of_date, person_number
