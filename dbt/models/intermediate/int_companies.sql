with companies as (
    select * from {{ ref('stg_hubspot__companies') }}
    union all
    select * from {{ ref('stg_salesforce__accounts') }}
),

landings as (
    select * from {{ ref('int_landings') }}
),

column_types as (
    select * from {{ ref('int_column_types') }}
),

free_domains as (
    select distinct email_domain
    from {{ ref('int_people_rows__united') }}
    where is_free_mail and email_domain is not null
),

seen as (
    select
        c.*,
        f.email_domain is not null as is_free,
        case when l.covered_before is null then least(c.created_at, c.exported_at) else c.exported_at end as seen_from,
        coalesce(list_contains(t.late_columns, 'industry'), false) as is_industry_late,
        coalesce(list_contains(t.late_columns, 'employee_count'), false) as is_size_late
    from companies as c
    inner join landings as l on c.landing_id = l.landing_id
    left join column_types as t on c.source = t.source and l.object = t.object
    left join free_domains as f on c.domain = f.email_domain
)

-- Stable attributes: the first value that was ever exported, with the moment from which it counts.
select
    company_key,
    source,
    arg_min(name, (exported_at, row_number)) as name,
    arg_min(domain, (exported_at, row_number)) filter (where not is_free) as domain,
    arg_min(industry, (exported_at, row_number)) as industry,
    arg_min(employee_count, (exported_at, row_number)) as employee_count,
    min(exported_at) filter (where domain is not null and not is_free) as domain_exported_at,
    case
        when bool_or(is_industry_late) or min(exported_at) filter (where industry is not null) > min(exported_at)
            then min(exported_at) filter (where industry is not null)
        else min(seen_from)
    end as industry_from,
    case
        when bool_or(is_size_late) or min(exported_at) filter (where employee_count is not null) > min(exported_at)
            then min(exported_at) filter (where employee_count is not null)
        else min(seen_from)
    end as employee_count_from
from seen
group by company_key, source
order by company_key
