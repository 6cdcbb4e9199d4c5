"""The set-based part of timing: touches and answers by local hour, follow-up of past snapshots, deals."""

from __future__ import annotations

from typing import Final

ANSWER_HOURS: Final = 72  # a touch counts as answered by the person's own act within so many hours

# One row per person, channel and hour of the recipient's week: touches are the denominator.
EXPOSURES: Final = f"""
with people as (
    select person_id, time_zone from marts.dim_people where is_dormant and time_zone is not null
),
touches as (
    select a.person_id, a.kind, a.occurred_at, timezone(p.time_zone, timezone('UTC', a.occurred_at)) as local_at
    from marts.fct_activities as a
    inner join people as p on a.person_id = p.person_id
    where
        a.direction = 'outbound' and a.kind in ('email', 'sms', 'call')
        and a.occurred_at < cast($as_of as timestamp) - interval {ANSWER_HOURS} hour
),
acts as (
    select person_id, occurred_at from marts.fct_activities where is_inbound and outcome_level >= 1
)
select
    t.person_id, t.kind, (isodow(t.local_at) - 1) * 24 + hour(t.local_at) as bin, count(*) as touches,
    count(*) filter (where a.occurred_at <= t.occurred_at + interval {ANSWER_HOURS} hour) as answers
from touches as t
asof left join acts as a on t.person_id = a.person_id and t.occurred_at < a.occurred_at
group by all
order by all
"""

# Organic acts by person and hour: shown beside, never part of a rate.
ORGANIC: Final = """
select
    a.person_id, hour(timezone(p.time_zone, timezone('UTC', a.occurred_at))) as hour, count(*) as acts
from marts.fct_activities as a
inner join marts.dim_people as p on a.person_id = p.person_id and p.is_dormant and p.time_zone is not null
where a.is_inbound and a.initiative = 'organic'
group by all
order by all
"""

# Past snapshots with the days until the person's next act and the days watched; a sample without luck in it.
FOLLOWED: Final = """
with sampled as (
    select s.* from marts.lead_snapshots as s
    where s.is_training and list_contains($panel, s.as_of_date) and s.as_of_date <= cast($as_of as date) - 14
    order by hash(s.person_id, s.as_of_date), s.person_id, s.as_of_date
    limit $most
),
acts as (
    select person_id, occurred_at from marts.fct_activities where is_inbound and outcome_level >= $level
)
select
    s.person_id, coalesce(s.account_id, s.person_id) as unit,
    date_diff('second', s.as_of_date::timestamp, a.occurred_at) / 86400.0 as days,
    date_diff('day', s.as_of_date, cast($as_of as date)) - $lag as followed, {columns}
from sampled as s
asof left join acts as a on s.person_id = a.person_id and s.as_of_date::timestamp <= a.occurred_at
order by s.as_of_date, s.person_id
"""

PEOPLE: Final = """
select
    person_id, time_zone is not null as has_zone,
    coalesce(market, '-') || '/' || coalesce(lead_kind, '-') as segment,
    case when currency = $currency and open_amount > 0 then open_amount::double end as amount
from marts.dim_people
where is_dormant
order by person_id
"""
