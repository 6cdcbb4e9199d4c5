{%- set role_names = "'info', 'sales', 'contact', 'office', 'admin', 'support', 'hello', 'team', 'mail', 'service'" -%}
with versions as (
    select * from {{ ref('int_record_versions') }}
),

records as (
    select * from {{ ref('int_records') }}
),

merged as (
    select
        v.record_key as left_key,
        v.source || ':' || v.record_object || ':' || unnest(v.merged_record_ids) as right_key,
        v.exported_at as since,
        'crm_merge' as why
    from versions as v
    where v.merged_record_ids is not null
    union all
    select
        record_key,
        source || ':' || record_object || ':' || merged_into_id,
        exported_at,
        'crm_merge'
    from versions
    where merged_into_id is not null
    union all
    select
        record_key,
        source || ':contacts:' || converted_contact_id,
        greatest(stable_from, converted_at),
        'crm_conversion'
    from versions
    where converted_contact_id is not null
),

-- First time that a record was seen with an address. Role addresses and numbers are shared, so names must agree there.
keyed as (
    select
        record_key,
        'email' as why,
        email as key_value,
        list_contains([{{ role_names }}], split_part(email, '@', 1)) as needs_name,
        min(stable_from) as since,
        arg_min(lower(concat_ws(' ', first_name, last_name)), stable_from) as full_name
    from versions
    where email is not null
    group by record_key, email
    union all
    select
        record_key,
        'phone',
        phone,
        true,
        min(stable_from),
        arg_min(lower(concat_ws(' ', first_name, last_name)), stable_from)
    from versions
    where phone is not null
    group by record_key, phone
),

ranked as (
    select
        *,
        row_number() over (partition by why, key_value order by since, record_key) as place
    from keyed
    qualify count(*) over (partition by why, key_value) > 1
),

-- Only the first ten holders of an address are compared: later ones never undo what was known before them.
pairs as (
    select
        a.record_key as left_key,
        b.record_key as right_key,
        greatest(a.since, b.since) as since,
        a.why
    from ranked as a
    inner join ranked as b on a.why = b.why and a.key_value = b.key_value and a.place < b.place
    where
        b.place <= 10
        and (not a.needs_name or (
            a.full_name <> '' and b.full_name <> '' and jaro_winkler_similarity(a.full_name, b.full_name) >= 0.9
        ))
),

united as (
    select * from merged
    union all
    select * from pairs
)

select
    least(u.left_key, u.right_key) as left_key,
    greatest(u.left_key, u.right_key) as right_key,
    min(greatest(u.since, l.first_observed_at, r.first_observed_at)) as since,
    arg_min(u.why, (u.since, u.why)) as why
from united as u
inner join records as l on u.left_key = l.record_key
inner join records as r on u.right_key = r.record_key
where u.left_key <> u.right_key
group by all
order by left_key, right_key
