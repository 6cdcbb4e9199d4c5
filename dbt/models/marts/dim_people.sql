with people as (
    select * from {{ ref('int_people__dates') }}
    where as_of_date = date '{{ var("as_of_date") }}'
),

members as (
    select * from {{ ref('int_people__members') }}
    where as_of_date = date '{{ var("as_of_date") }}'
),

records as (
    select * from {{ ref('int_records') }}
),

versions as (
    select * from {{ ref('int_record_versions') }}
    where valid_to is null
),

companies as (
    select * from {{ ref('int_companies') }}
),

landings as (
    select * from {{ ref('int_landings') }}
),

sources as (
    select * from {{ source('raw', 'sources') }}
),

opt_out_sources as (
    select
        s.source,
        coalesce(bool_or(l.has_opt_out_column), false) or coalesce(bool_or(s.has_suppressions), false) as has_email,
        coalesce(bool_or(l.has_phone_opt_out_column), false) as has_phone
    from sources as s
    left join landings as l on s.source = l.source and l.is_people
    group by s.source
),

alive as not materialized (
    select
        m.person_number,
        m.record_count,
        r.record_rank,
        r.source,
        r.crm,
        r.record_object,
        r.record_id,
        v.owner_id,
        v.team_id,
        v.account_id,
        v.first_name,
        v.last_name,
        v.job_title,
        coalesce(v.company_name, c.name) as company_name,
        coalesce(v.industry, c.industry) as industry,
        coalesce(v.employee_count, c.employee_count) as employee_count,
        v.lead_source,
        v.country,
        case when v.country is not null then v.country_source end as country_source,
        case when v.country is not null then v.country_confidence end as country_confidence,
        v.has_country_conflict,
        v.state,
        v.city,
        v.time_zone,
        case when v.time_zone is not null then v.time_zone_source end as time_zone_source,
        case when v.time_zone is not null then v.time_zone_confidence end as time_zone_confidence,
        v.email,
        case when v.email is not null then v.is_free_mail end as is_free_mail,
        v.phone as phone_e164,
        t.has_email,
        t.has_phone
    from members as m
    inner join records as r on m.record_rank = r.record_rank
    inner join versions as v on m.record_key = v.record_key
    inner join opt_out_sources as t on r.source = t.source
    left join companies as c on v.company_key = c.company_key
    where r.deleted_at is null
),

-- Most people have one record, which needs no grouping; of several, the first known value of the first record counts.
current_values as (
    select
        * exclude (
            record_rank, record_count, has_country_conflict, is_free_mail, has_email, has_phone
        ),
        coalesce(has_country_conflict, false) as has_country_conflict,
        coalesce(is_free_mail, false) as is_free_mail,
        has_email and email is not null as has_email_opt_out_source,
        has_phone and phone_e164 is not null as has_phone_opt_out_source
    from alive
    where record_count = 1
    union all by name
    select
        person_number,
        {% for column in [
            'source', 'crm', 'record_object', 'record_id', 'owner_id', 'team_id', 'account_id', 'first_name',
            'last_name', 'job_title', 'company_name', 'industry', 'employee_count', 'lead_source', 'country',
            'country_source', 'country_confidence', 'state', 'city', 'time_zone', 'time_zone_source',
            'time_zone_confidence', 'email', 'phone_e164'
        ] %}
            arg_min({{ column }}, record_rank) as {{ column }},
        {% endfor %}
        coalesce(bool_or(has_country_conflict), false) or count(distinct country) > 1 as has_country_conflict,
        coalesce(arg_min(is_free_mail, record_rank), false) as is_free_mail,
        -- The strictest part counts: a record whose source says nothing of opt-outs may hide one.
        coalesce(bool_and(has_email) and bool_or(email is not null), false) as has_email_opt_out_source,
        coalesce(bool_and(has_phone) and bool_or(phone_e164 is not null), false) as has_phone_opt_out_source
    from alive
    where record_count > 1
    group by person_number
)

select
    p.person_id,
    p.as_of_date,
    p.first_observed_at,
    p.lead_kind,
    c.account_id,
    coalesce(c.owner_id, s.owner_id) as owner_id,
    coalesce(c.team_id, s.team_id) as team_id,
    coalesce(s.sender_id, 'main') as sender_id,
    s.market,
    c.source,
    c.crm,
    c.record_object,
    c.record_id,
    c.first_name,
    c.last_name,
    c.job_title,
    c.company_name,
    c.industry,
    c.employee_count,
    c.lead_source,
    c.country,
    c.country_source,
    c.country_confidence,
    c.has_country_conflict,
    c.state,
    c.city,
    c.time_zone,
    c.time_zone_source,
    c.time_zone_confidence,
    c.email,
    c.is_free_mail,
    c.phone_e164,
    p.first_inbound_at,
    p.last_inbound_at,
    p.last_outbound_at,
    p.is_dormant,
    p.not_dormant_reason,
    p.dormant_days,
    c.has_email_opt_out_source,
    c.has_phone_opt_out_source,
    p.open_amount,
    p.currency,
    p.won_count
from people as p
inner join current_values as c on p.person_number = c.person_number
inner join sources as s on c.source = s.source
order by p.person_number
