"""The set-based part of timing: touches and answers by local hour, follow-up of past snapshots, deals."""

from __future__ import annotations

from typing import Final

ANSWER_HOURS: Final = 72  # a touch counts as answered by the person's own act within so many hours

# Scored people by their place in the table, with their zone; `scored` is the table of ids in order.
TIMED: Final = """
create or replace temp table timed_people as
select s.place, s.person_id, p.time_zone
from scored as s
inner join marts.dim_people as p on s.person_id = p.person_id
where p.is_dormant and p.time_zone is not null
"""

# Clocks change on the half-hour of UTC everywhere, and converting a moment costs a hundred times a join.
CLOCKS: Final = """
clocks as (
    select
        time_zone, half_hour,
        date_diff('minute', half_hour, timezone(time_zone, timezone('UTC', half_hour))) as ahead
    from (select distinct time_zone, time_bucket(interval 30 minute, occurred_at) as half_hour from moments)
),
local as (
    select m.*, m.occurred_at + to_minutes(c.ahead) as local_at
    from moments as m
    inner join clocks as c
        on m.time_zone = c.time_zone and time_bucket(interval 30 minute, m.occurred_at) = c.half_hour
)"""

# One row per person, channel and hour of the recipient's week: touches are the denominator.
EXPOSURES: Final = f"""
with moments as (
    select p.place, p.time_zone, a.kind, a.occurred_at
    from marts.fct_activities as a
    inner join timed_people as p on a.person_id = p.person_id
    where
        a.direction = 'outbound' and a.kind in ('email', 'sms', 'call')
        and a.occurred_at < cast($as_of as timestamp) - interval {ANSWER_HOURS} hour
),
{CLOCKS},
acts as (
    select p.place, a.occurred_at
    from marts.fct_activities as a
    inner join timed_people as p on a.person_id = p.person_id
    where a.is_inbound and a.outcome_level >= 1
)
select
    t.place, t.kind, (isodow(t.local_at) - 1) * 24 + hour(t.local_at) as bin, count(*) as touches,
    count(*) filter (where a.occurred_at <= t.occurred_at + interval {ANSWER_HOURS} hour) as answers
from local as t
asof left join acts as a on t.place = a.place and t.occurred_at < a.occurred_at
group by all
order by all
"""

# The hour at which most organic acts of a person fall: shown beside, never part of a rate.
ORGANIC: Final = f"""
with moments as (
    select p.place, p.time_zone, a.occurred_at
    from marts.fct_activities as a
    inner join timed_people as p on a.person_id = p.person_id
    where a.is_inbound and a.initiative = 'organic'
),
{CLOCKS},
counted as (
    select place, hour(local_at) as hour, count(*) as acts from local group by all
)
select place, hour
from counted
qualify row_number() over (partition by place order by acts desc, hour) = 1
order by place
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
