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

alive as (
    select
        m.person_id,
        r.record_rank,
        r.record_object,
        r.record_id,
        v.* exclude (record_object, record_id),
        c.name as company_record_name,
        c.industry as company_industry,
        c.employee_count as company_employee_count,
        t.has_email,
        t.has_phone
    from members as m
    inner join records as r on m.record_key = r.record_key
    inner join versions as v on m.record_key = v.record_key
    inner join opt_out_sources as t on r.source = t.source
    left join companies as c on v.company_key = c.company_key
    where r.deleted_at is null
),

current_values as (
    select
        person_id,
        arg_min(source, record_rank) as source,
        arg_min(crm, record_rank) as crm,
        arg_min(record_object, record_rank) as record_object,
        arg_min(record_id, record_rank) as record_id,
        arg_min(owner_id, record_rank) as owner_id,
        arg_min(team_id, record_rank) as team_id,
        arg_min(account_id, record_rank) as account_id,
        arg_min(first_name, record_rank) as first_name,
        arg_min(last_name, record_rank) as last_name,
        arg_min(job_title, record_rank) as job_title,
        arg_min(coalesce(company_name, company_record_name), record_rank) as company_name,
        arg_min(coalesce(industry, company_industry), record_rank) as industry,
        arg_min(coalesce(employee_count, company_employee_count), record_rank) as employee_count,
        arg_min(lead_source, record_rank) as lead_source,
        arg_min(country, record_rank) as country,
        arg_min(country_source, record_rank) filter (where country is not null) as country_source,
        arg_min(country_confidence, record_rank) filter (where country is not null) as country_confidence,
        coalesce(bool_or(has_country_conflict), false) or count(distinct country) > 1 as has_country_conflict,
        arg_min(state, record_rank) as state,
        arg_min(city, record_rank) as city,
        arg_min(time_zone, record_rank) as time_zone,
        arg_min(time_zone_source, record_rank) filter (where time_zone is not null) as time_zone_source,
        arg_min(time_zone_confidence, record_rank) filter (where time_zone is not null) as time_zone_confidence,
        arg_min(email, record_rank) as email,
        coalesce(arg_min(is_free_mail, record_rank) filter (where email is not null), false) as is_free_mail,
        arg_min(phone, record_rank) as phone_e164,
        -- The strictest part counts: a record whose source says nothing of opt-outs may hide one.
        coalesce(bool_and(has_email) and bool_or(email is not null), false) as has_email_opt_out_source,
        coalesce(bool_and(has_phone) and bool_or(phone is not null), false) as has_phone_opt_out_source
    from alive
    group by person_id
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
inner join current_values as c on p.person_id = c.person_id
inner join sources as s on c.source = s.source
order by p.person_id
