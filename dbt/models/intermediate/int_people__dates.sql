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

-- Stable attributes as known at the date, first record first; deletions, owners and states from their export on.
described as (
    select
        m.as_of_date,
        m.as_of_at,
        m.person_id,
        arg_min(r.record_key, r.record_rank) as record_key,
        arg_min(r.source, r.record_rank) as source,
        arg_min(r.crm, r.record_rank) as crm,
        min(r.created_at) as created_at,
        min(r.first_observed_at) as first_observed_at,
        bool_and(coalesce(r.deleted_at < m.as_of_at, false)) as is_gone,
        arg_min({{ known_value('account_id', "['company_id', 'email']") }}, r.record_rank) as account_id,
        arg_min({{ known_value('job_title', "['job_title']") }}, r.record_rank) as job_title,
        arg_min(
            coalesce(
                {{ known_value('industry', "['industry']") }},
                case when c.industry_from < m.as_of_at then c.industry end
            ),
            r.record_rank
        ) as industry,
        arg_min(
            coalesce(
                {{ known_value('employee_count', "['employee_count']") }},
                case when c.employee_count_from < m.as_of_at then c.employee_count end
            ),
            r.record_rank
        ) as employee_count,
        arg_min(
            {{ known_value('country', "['country', 'state', 'phone', 'mobile_phone']") }}, r.record_rank
        ) as country,
        arg_min({{ known_value('lead_source', "['lead_source']") }}, r.record_rank) as lead_source,
        coalesce(bool_or({{ known_value('is_free_mail', "['email']") }}), false) as is_free_mail,
        coalesce(bool_or({{ known_value('phone', "['phone', 'mobile_phone']") }} is not null), false) as has_phone,
        coalesce(
            bool_or({{ known_value('account_id', "['company_id', 'email']") }} is not null), false
        ) as has_account,
        coalesce(bool_or(v.is_in_sequence and v.exported_at < m.as_of_at), false) as is_in_sequence,
        coalesce(bool_or(v.exported_at < m.as_of_at and regexp_matches(
            lower(coalesce(v.status_text, '')), 'unqualified|disqualified|bad fit|employee|partner|competitor'
        )), false) as is_disqualified
    from members as m
    inner join records as r on m.record_key = r.record_key
    inner join versions as v
        on
            m.record_key = v.record_key and m.as_of_at > v.stable_from
            and m.as_of_at <= coalesce(v.valid_to, timestamp '9999-12-31')
    left join column_types as t on r.source = t.source and r.record_object = t.object
    left join companies as c on v.company_key = c.company_key
    group by m.as_of_date, m.as_of_at, m.person_id
),

known as (
    select
        m.as_of_date,
        m.as_of_at,
        m.person_id,
        a.occurred_at,
        a.is_inbound,
        a.direction,
        a.actor,
        a.kind,
        a.due_at,
        a.closed_from
    from members as m
    inner join activities as a
        on m.record_key = a.record_key and m.as_of_at > a.observed_at and m.as_of_at > a.occurred_at
    where a.is_inbound or a.due_at is not null or a.direction = 'outbound' or a.kind in ('won', 'purchase')
),

acts as (
    select
        as_of_date,
        person_id,
        min(occurred_at) filter (where is_inbound) as first_inbound_at,
        max(occurred_at) filter (where is_inbound) as last_inbound_at,
        max(occurred_at) filter (where direction = 'outbound') as last_outbound_at,
        max(occurred_at) filter (where direction = 'outbound' and actor = 'rep') as last_rep_contact_at,
        count(*) filter (where kind in ('won', 'purchase')) as won_count,
        bool_or(due_at >= as_of_at and (closed_from is null or closed_from >= as_of_at)) as has_future
    from known
    group by as_of_date, person_id
),

steps as (
    select
        as_of_date,
        person_id,
        occurred_at,
        lag(occurred_at) over (partition by as_of_date, person_id order by occurred_at) as before_at
    from known
    where is_inbound
),

silences as (
    select
        s.as_of_date,
        s.person_id,
        1 + count(*) filter (
            where s.occurred_at - s.before_at >= ({{ dormant_after('o.market') }}) * interval 1 day
        ) as spell
    from steps as s
    inner join described as d on s.as_of_date = d.as_of_date and s.person_id = d.person_id
    inner join sources as o on d.source = o.source
    group by s.as_of_date, s.person_id
),

open_deals as (
    select
        m.as_of_date,
        m.person_id,
        arg_max(d.amount, d.created_at) as open_amount,
        arg_max(d.currency, d.created_at) as currency
    from members as m
    inner join deals as d
        on
            m.record_key = d.record_key and m.as_of_at > d.created_observed_at and m.as_of_at > d.created_at
            and not coalesce(m.as_of_at > d.closed_observed_at and m.as_of_at > d.closed_at, false)
            and not coalesce(m.as_of_at > d.deleted_at, false)
    group by m.as_of_date, m.person_id
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
        s.spell,
        ({{ dormant_after('o.market') }})::int as dormant_after_days,
        p.open_amount,
        p.currency,
        case
            when a.last_inbound_at is null then 'never_engaged'
            when a.last_inbound_at >= d.as_of_at - ({{ dormant_after('o.market') }}) * interval 1 day
                then 'recently_active'
            when d.is_disqualified then 'disqualified'
            when p.person_id is not null then 'open_opportunity'
            when a.has_future then 'future_meeting_or_task'
            when d.is_in_sequence then 'running_sequence'
            when a.last_rep_contact_at >= d.as_of_at - interval {{ var('owner_contact_days') }} day then 'owner_contact'
        end as not_dormant_reason
    from described as d
    inner join sources as o on d.source = o.source
    left join acts as a on d.as_of_date = a.as_of_date and d.person_id = a.person_id
    left join silences as s on d.as_of_date = s.as_of_date and d.person_id = s.person_id
    left join open_deals as p on d.as_of_date = p.as_of_date and d.person_id = p.person_id
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
order by as_of_date, person_id
