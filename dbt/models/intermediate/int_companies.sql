with companies as (
    select * from {{ ref('stg_hubspot__companies') }}
    union all
    select * from {{ ref('stg_salesforce__accounts') }}
),

landings as (
    select * from {{ ref('int_landings') }}
),

free_domains as (
    select distinct email_domain
    from {{ ref('int_people_rows__united') }}
    where is_free_mail and email_domain is not null
),

seen as (
    select
        c.*,
        f.email_domain is not null as is_free
    from companies as c
    inner join landings as l on c.landing_id = l.landing_id
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
    case
        when min(exported_at) filter (where industry is not null) > min(exported_at)
            then min(exported_at) filter (where industry is not null)
        else min(created_at)
    end as industry_from,
    case
        when min(exported_at) filter (where employee_count is not null) > min(exported_at)
            then min(exported_at) filter (where employee_count is not null)
        else min(created_at)
    end as employee_count_from
from seen
group by company_key, source
order by company_key
