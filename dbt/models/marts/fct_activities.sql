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

owners as (
    select
        k.record_rank,
        k.person_id,
        k.person_number,
        v.account_id
    from links as k
    inner join versions as v on k.record_key = v.record_key
),

owned as not materialized (
    select
        a.*,
        k.person_id,
        k.person_number,
        k.account_id
    from activities as a
    inner join owners as k on a.record_rank = k.record_rank
    where a.observed_at < {{ as_of_at() }}
),

contact_times as not materialized (
    select
        person_number,
        occurred_at,
        actor,
        source_record_id
    from owned
    where direction = 'outbound' and kind in ('email', 'sms', 'call', 'meeting', 'chat')
),

-- The last contact by us in the 14 days before a person's own act is what the act may answer.
answers as (
    select
        o.place,
        o.person_number,
        c.occurred_at as contact_at
    from owned as o
    asof inner join contact_times as c on o.person_number = c.person_number and o.occurred_at > c.occurred_at
    where o.is_inbound and c.occurred_at >= o.occurred_at - interval 14 day
),

contacts as (
    select
        c.person_number,
        c.occurred_at,
        min(struct_pack(actor := c.actor, source_record_id := c.source_record_id)) as contact
    from contact_times as c
    semi join answers as a on c.person_number = a.person_number and c.occurred_at = a.contact_at
    group by c.person_number, c.occurred_at
),

answered as (
    select
        a.place,
        c.contact
    from answers as a
    inner join contacts as c on a.person_number = c.person_number and a.contact_at = c.occurred_at
),

-- Only own acts answer anything; joining the others too would hold every row in memory.
told as (
    select
        o.*,
        null::varchar as cause_actor,
        null::varchar as cause_id
    from owned as o
    where o.is_inbound is not true
    union all
    select
        o.*,
        a.contact.actor as cause_actor,
        a.contact.source_record_id as cause_id
    from owned as o
    left join answered as a on o.place = a.place
    where o.is_inbound
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
        when o.cause_actor = 'engine' then 'caused_by_engine'
        when o.cause_actor = 'rep' then 'caused_by_rep'
        else 'organic'
    end as initiative,
    coalesce(o.in_reply_to, o.cause_id) as in_response_to,
    o.outcome_level,
    o.reply_class,
    o.is_machine,
    o.is_inbound
from told as o
