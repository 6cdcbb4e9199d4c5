{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{% if is_incremental() %}delete from {{ this }} where as_of_date in (select d.as_of_date from ({{ run_dates() }}) as d){% endif %}"
) }}

with people as (
    select * from {{ ref('int_people__dates') }}
),

members as (
    select * from {{ ref('int_people__members') }}
),

activities as (
    select * from {{ ref('int_activities') }}
),

versions as (
    select * from {{ ref('int_record_versions') }}
),

spine as (
    select
        s.*,
        {{ derived_attributes() }}
    from people as s
    where s.is_dormant
),

own as (
    select
        s.as_of_date,
        s.person_number,
        {{ feature_aggregates() }}
    from spine as s
    inner join members as m on s.as_of_date = m.as_of_date and s.person_number = m.person_number
    inner join activities as a
        on m.record_rank = a.record_rank and s.as_of_at > a.observed_at and s.as_of_at > a.occurred_at
    group by s.as_of_date, s.person_number
),

accounts as (
    select distinct
        as_of_date,
        as_of_at,
        account_id
    from spine
    where account_id is not null
),

account_counts as (
    select
        s.as_of_date,
        s.account_id,
        {{ account_aggregates() }}
    from accounts as s
    inner join versions as v
        on
            s.account_id = v.account_id
            and s.as_of_at > v.stable_from
            and s.as_of_at <= coalesce(v.valid_to, timestamp '9999-12-31')
    inner join activities as a
        on
            v.record_key = a.record_key and s.as_of_at > a.observed_at and s.as_of_at > a.occurred_at
            and a.is_inbound and a.occurred_at >= s.as_of_at - interval 90 day
    group by s.as_of_date, s.account_id
),

own_part as (
    select
        s.as_of_date,
        s.person_number,
        {{ account_aggregates() }}
    from spine as s
    inner join members as m on s.as_of_date = m.as_of_date and s.person_number = m.person_number
    inner join versions as v
        on
            m.record_key = v.record_key and s.account_id = v.account_id
            and s.as_of_at > v.stable_from and s.as_of_at <= coalesce(v.valid_to, timestamp '9999-12-31')
    inner join activities as a
        on
            m.record_rank = a.record_rank and s.as_of_at > a.observed_at and s.as_of_at > a.occurred_at
            and a.is_inbound and a.occurred_at >= s.as_of_at - interval 90 day
    group by s.as_of_date, s.person_number
)

select
    s.as_of_date,
    s.person_id,
    s.account_id,
    s.source,
    s.crm,
    s.market,
    s.lead_kind,
    '{{ var("definition_version") }}' as definition_version,
    s.last_inbound_at + s.dormant_after_days * interval 1 day as dormant_since,
    s.dormant_days,
    s.spell::int as spell,
    dayofweek(s.as_of_date) = 1 and {{ is_in_turn('s.person_id', 's.as_of_date') }} as is_training,
    {{ feature_columns() }}
from spine as s
inner join own as f on s.as_of_date = f.as_of_date and s.person_number = f.person_number
left join account_counts as t on s.as_of_date = t.as_of_date and s.account_id = t.account_id
left join own_part as o on s.as_of_date = o.as_of_date and s.person_number = o.person_number
order by s.as_of_date, s.person_number
