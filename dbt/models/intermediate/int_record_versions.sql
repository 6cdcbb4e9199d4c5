{%- set kept_columns = [
    'first_name', 'last_name', 'email', 'phone', 'job_title', 'company_name', 'company_key', 'industry',
    'employee_count', 'lead_source', 'country', 'country_source', 'country_confidence', 'state', 'city',
    'time_zone', 'time_zone_source', 'time_zone_confidence', 'email_domain', 'owner_id', 'team_id',
    'legal_basis', 'bounced_at', 'merged_record_ids', 'merged_into_id', 'converted_contact_id', 'converted_at'
] -%}
{%- set flag_columns = [
    'has_country_conflict', 'is_free_mail', 'is_deleted', 'is_in_sequence', 'status_text',
    'is_opted_out_email', 'is_do_not_call', 'is_dnd', 'dnd_settings'
] -%}
with people_rows as (
    select * from {{ ref('int_people_rows__united') }}
),

landings as (
    select * from {{ ref('int_landings') }}
),

company_domains as (
    select * from {{ ref('int_companies') }}
),

free_domains as (
    select distinct email_domain from people_rows
    where is_free_mail and email_domain is not null
),

landed as not materialized (
    select
        p.*,
        l.covered_before
    from people_rows as p
    inner join landings as l on p.landing_id = l.landing_id
),

-- Records with several rows; one with a single row has a single version and needs no windows.
repeated as (
    select record_key
    from landed
    group by record_key
    having count(*) > 1
),

single as (
    select
        source,
        crm,
        record_object,
        record_id,
        record_key,
        exported_at,
        {% for column in kept_columns + flag_columns %}
            {{ column }},
        {% endfor %}
        created_at,
        case when covered_before is null then least(created_at, exported_at) else exported_at end as stable_from,
        null::timestamp as valid_to
    from landed as l
    anti join repeated as r on l.record_key = r.record_key
),

-- One row per record and landing; a duplicate inside a landing keeps its first row.
seen as (
    select *
    from landed as l
    semi join repeated as r on l.record_key = r.record_key
    qualify row_number() over (partition by record_key, exported_at order by landing_id, row_number) = 1
),

-- A value that an export no longer carries stays known: columns vanish from exports.
kept as (
    select
        source,
        crm,
        record_object,
        record_id,
        record_key,
        exported_at,
        {% for column in kept_columns %}
            last_value({{ column }} ignore nulls) over so_far as {{ column }},
        {% endfor %}
        {% for column in flag_columns %}
            {{ column }},
        {% endfor %}
        min(created_at) over record_rows as created_at,
        first_value(exported_at) over record_rows as first_exported_at,
        first_value(covered_before) over record_rows as covered_before
    from seen
    window
        record_rows as (
            partition by record_key order by exported_at
            rows between unbounded preceding and unbounded following
        ),
        so_far as (
            partition by record_key order by exported_at
            rows between unbounded preceding and current row
        )
),

marked as (
    select
        k.*,
        -- Only the first landing of an object is back-cast; a record that a later one brings was unknown before.
        case when k.covered_before is null then least(k.created_at, k.first_exported_at) else k.first_exported_at end
            as first_observed_at,
        row_number() over (partition by k.record_key order by k.exported_at) as version,
        md5(to_json(struct_pack(
            a := [
                k.first_name, k.last_name, k.email, k.phone, k.job_title, k.company_name, k.company_key, k.industry,
                k.employee_count::varchar, k.lead_source, k.country, k.country_source, k.country_confidence, k.state,
                k.city, k.time_zone, k.time_zone_source, k.time_zone_confidence, k.email_domain, k.owner_id, k.team_id,
                k.legal_basis, k.bounced_at::varchar, k.merged_into_id, k.converted_contact_id,
                k.converted_at::varchar, k.has_country_conflict::varchar, k.is_free_mail::varchar,
                k.is_deleted::varchar, k.is_in_sequence::varchar, k.status_text, k.is_opted_out_email::varchar,
                k.is_do_not_call::varchar, k.is_dnd::varchar, k.dnd_settings
            ],
            b := k.merged_record_ids
        ))) as content
    from kept as k
),

changed as (
    select *
    from marked
    qualify version = 1 or content <> lag(content) over (partition by record_key order by exported_at)
),

several as (
    select
        * exclude (first_exported_at, covered_before, content, version, first_observed_at),
        case when version = 1 then first_observed_at else exported_at end as stable_from,
        lead(exported_at) over (partition by record_key order by exported_at) as valid_to
    from changed
),

united as (
    select * from single
    union all by name
    select * from several
)

select
    u.*,
    coalesce(
        'domain:' || d.domain,
        'company:' || u.company_key,
        case when f.email_domain is null then 'domain:' || u.email_domain end
    ) as account_id
from united as u
-- A company's domain names the account only in versions of the same day or later: older ones keep their account.
left join company_domains as d
    on u.company_key = d.company_key and u.exported_at::date >= d.domain_exported_at::date
left join free_domains as f on u.email_domain = f.email_domain
order by u.record_key, u.exported_at
