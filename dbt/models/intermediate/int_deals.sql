with deals as (
    select * from {{ ref('stg_hubspot__deals') }}
    union all
    select * from {{ ref('stg_salesforce__opportunities') }}
    union all
    select * from {{ ref('stg_gohighlevel__opportunities') }}
),

landings as (
    select * from {{ ref('int_landings') }}
),

aliases as (
    select * from {{ ref('int_record_aliases') }}
),

seen as (
    select
        d.* replace (coalesce(a.record_key, d.record_key) as record_key),
        {{ observed_at('d.created_at', 'd.created_at', 'l') }} as created_observed_at,
        {{ observed_basis('d.created_at', 'd.created_at', 'l') }} as created_basis,
        case
            when not d.is_closed or d.closed_at is null then null
            when
                l.is_history and l.covered_before is null
                then least(d.closed_at + l.assumed_lag_hours * interval 1 hour, l.exported_at)
            else l.exported_at
        end as closed_observed_at,
        case when l.is_history and l.covered_before is null then 'assumed' else 'exported' end as closed_basis
    from deals as d
    inner join landings as l on d.landing_id = l.landing_id
    left join aliases as a on d.record_key = a.alias_key
)

select
    source,
    crm,
    object,
    record_id,
    arg_min(record_key, (exported_at, row_number)) as record_key,
    arg_min(company_key, (exported_at, row_number)) as company_key,
    min(created_at) as created_at,
    arg_min(created_observed_at, (exported_at, row_number)) as created_observed_at,
    arg_min(created_basis, (exported_at, row_number)) as created_basis,
    arg_max(amount, (exported_at, -row_number)) as amount,
    arg_max(currency, (exported_at, -row_number)) as currency,
    arg_min(closed_at, (exported_at, row_number)) filter (where is_closed) as closed_at,
    arg_min(closed_observed_at, (exported_at, row_number)) filter (where closed_observed_at is not null)
        as closed_observed_at,
    arg_min(closed_basis, (exported_at, row_number)) filter (where closed_observed_at is not null) as closed_basis,
    coalesce(bool_or(is_won), false) as is_won,
    min(exported_at) filter (where is_won) as won_exported_at,
    min(exported_at) filter (where is_deleted) as deleted_at
from seen
group by source, crm, object, record_id
order by source, object, record_id
