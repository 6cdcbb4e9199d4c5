with people as (
    select * from {{ ref('dim_people') }}
    where account_id is not null
),

versions as (
    select * from {{ ref('int_record_versions') }}
    where valid_to is null and account_id is not null
),

companies as (
    select * from {{ ref('int_companies') }}
),

described as (
    select
        v.account_id,
        count(c.company_key) > 0 as has_company,
        min(c.name) as name,
        min(c.industry) as industry,
        max(c.employee_count) as employee_count
    from versions as v
    left join companies as c on v.company_key = c.company_key
    group by v.account_id
),

members as (
    select
        account_id,
        count(*) as people_count,
        min(company_name) as company_name,
        min(industry) as industry,
        max(employee_count) as employee_count
    from people
    group by account_id
)

select
    m.account_id,
    date '{{ var("as_of_date") }}' as as_of_date,
    case when d.has_company or m.account_id like 'company:%' then 'company' else 'domain' end as kind,
    coalesce(d.name, m.company_name) as name,
    case when m.account_id like 'domain:%' then substr(m.account_id, 8) end as domain,
    coalesce(d.industry, m.industry) as industry,
    coalesce(d.employee_count, m.employee_count) as employee_count,
    m.people_count
from members as m
left join described as d on m.account_id = d.account_id
order by m.account_id
