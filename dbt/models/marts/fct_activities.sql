with activities as (
    select * from {{ ref('int_activities') }}
),

links as (
    select * from {{ ref('int_person_links') }}
    where valid_to is null
),

versions as (
    select * from {{ ref('int_record_versions') }}
    where valid_to is null
),

owned as (
    select
        a.*,
        k.person_id,
        v.account_id
    from activities as a
    inner join links as k on a.record_key = k.record_key
    inner join versions as v on a.record_key = v.record_key
    where a.observed_at < {{ as_of_at() }}
),

contacts as (
    select
        person_id,
        occurred_at,
        min(struct_pack(actor := actor, source_record_id := source_record_id)) as contact
    from owned
    where direction = 'outbound' and kind in ('email', 'sms', 'call', 'meeting', 'chat')
    group by person_id, occurred_at
),

-- The last contact by us in the 14 days before a person's own act is what the act may answer.
answered as (
    select
        o.*,
        case
            when o.is_inbound and c.occurred_at >= o.occurred_at - interval 14 day then c.contact
        end as contact
    from owned as o
    asof left join contacts as c on o.person_id = c.person_id and o.occurred_at > c.occurred_at
)

select
    o.source || ':' || o.object || ':' || o.source_record_id as activity_id,
    o.person_id,
    o.account_id,
    o.record_key,
    o.source,
    o.crm,
    o.source_record_id,
    o.occurred_at,
    o.observed_at,
    o.observed_at_basis,
    o.kind,
    o.direction,
    o.actor,
    case
        when not o.is_inbound then null
        when o.contact.actor = 'engine' then 'caused_by_engine'
        when o.contact.actor = 'rep' then 'caused_by_rep'
        else 'organic'
    end as initiative,
    coalesce(o.in_reply_to, o.contact.source_record_id) as in_response_to,
    o.outcome_level,
    o.reply_class,
    o.is_machine,
    o.is_inbound
from answered as o
order by o.person_id, o.occurred_at, activity_id
