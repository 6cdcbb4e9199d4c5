with snapshots as (
    select
        as_of_date,
        as_of_date::timestamp as as_of_at,
        person_id,
        source,
        definition_version,
        as_of_date::timestamp + interval {{ var('horizon_days') }} day as horizon_end,
        as_of_date::timestamp + interval {{ var('horizon_days') + var('label_lag_days') }} day as label_observed_until
    from {{ ref('lead_snapshots') }}
    where as_of_date::timestamp + interval {{ var('horizon_days') + var('label_lag_days') }} day <= {{ as_of_at() }}
),

links as (
    select * from {{ ref('int_person_links') }}
),

records as (
    select * from {{ ref('int_records') }}
),

activities as (
    select * from {{ ref('int_activities') }}
),

permission_facts as (
    select * from {{ ref('int_permissions__facts') }}
),

landings as (
    select * from {{ ref('int_landings') }}
),

gaps as (
    select * from {{ ref('int_export_gaps') }}
),

past_assignments as (
    select * from {{ ref('stg_mapped__assignments') }}
),

own_assignments as (
    select * from {{ source('raw', 'ledger__assignments') }}
),

-- Records that are the person's when the label closes; a person that no record names any more was merged away.
holdings as (
    select
        s.as_of_date,
        s.as_of_at,
        s.horizon_end,
        s.label_observed_until,
        s.person_id,
        k.record_key,
        k.record_rank,
        r.deleted_at
    from snapshots as s
    inner join links as k
        on
            s.person_id = k.person_id and s.label_observed_until > k.valid_from
            and s.label_observed_until <= coalesce(k.valid_to, timestamp '9999-12-31')
    inner join records as r on k.record_rank = r.record_rank
),

held as (
    select
        as_of_date,
        person_id,
        max(case when deleted_at < horizon_end then deleted_at end) as deleted_at,
        bool_and(coalesce(deleted_at < horizon_end, false)) as is_gone
    from holdings
    group by as_of_date, person_id
),

-- The first export after the horizon closes a label where it comes later than the label lag: exports may be weekly.
closings as (
    select
        s.as_of_date,
        l.source,
        l.object,
        min(l.exported_at) as closed_by
    from (select distinct
        as_of_date,
        horizon_end
    from snapshots) as s
    inner join landings as l on s.horizon_end <= l.exported_at
    group by s.as_of_date, l.source, l.object
),

inside as (
    select
        h.as_of_date,
        h.as_of_at,
        h.person_id,
        a.source,
        a.object,
        a.source_record_id,
        a.kind,
        a.direction,
        a.actor,
        a.outcome_level,
        a.occurred_at
    from holdings as h
    inner join activities as a
        on
            h.record_rank = a.record_rank and h.as_of_at <= a.occurred_at and h.horizon_end > a.occurred_at
    left join closings as c on h.as_of_date = c.as_of_date and a.source = c.source and a.object = c.object
    where
        (a.observed_at < h.label_observed_until or a.observed_at <= c.closed_by)
        and (a.outcome_level > 0 or a.direction = 'outbound')
),

events as (
    select
        as_of_date,
        person_id,
        max(outcome_level) as level,
        min(occurred_at) filter (where outcome_level >= {{ var('outcome_level') }}) as first_event_at,
        arg_min(kind, (occurred_at, source, object, source_record_id))
        filter (where outcome_level >= {{ var('outcome_level') }}) as first_event_kind,
        {% for actor, label in [('engine', 'engine'), ('rep', 'rep'), ('other_automation', 'automation')] %}
            {% for channel in ['email', 'sms', 'call'] %}
                count(*) filter (where direction = 'outbound' and actor = '{{ actor }}' and kind = '{{ channel }}')
                    as touches_{{ label }}_{{ channel }},
            {% endfor %}
        {% endfor %}
        count(*) filter (where direction = 'outbound' and actor = 'rep' and kind = 'meeting') as touches_rep_meeting
    from inside
    group by as_of_date, person_id
),

openers as (
    select
        i.as_of_date,
        i.person_id,
        arg_max(i.actor, (i.occurred_at, i.source, i.object, i.source_record_id)) as opener
    from inside as i
    inner join events as e on i.as_of_date = e.as_of_date and i.person_id = e.person_id
    where i.direction = 'outbound' and i.occurred_at < e.first_event_at
    group by i.as_of_date, i.person_id
),

refusals as (
    select
        h.as_of_date,
        h.person_id,
        min(f.since) filter (where f.basis = 'hard_bounce') as bounced_at,
        min(f.since) filter (where f.basis <> 'hard_bounce') as opted_out_at
    from holdings as h
    inner join permission_facts as f
        on
            h.record_key = f.record_key and f.stance = 'refused'
            and h.as_of_at <= f.since and h.horizon_end > f.since and h.label_observed_until > f.observed_at
    group by h.as_of_date, h.person_id
),

missing as (
    select
        s.as_of_date,
        s.person_id,
        min(greatest(g.first_day::timestamp, s.as_of_at)) as gap_at
    from snapshots as s
    inner join gaps as g
        on s.source = g.source and g.first_day::timestamp < s.horizon_end and g.last_day::timestamp >= s.as_of_at
    group by s.as_of_date, s.person_id
),

assigned as (
    select
        k.person_id,
        p.assignment_id,
        p.arm,
        p.propensity,
        p.policy_version,
        p.assigned_at
    from past_assignments as p
    inner join records as r
        on
            coalesce(p.record_source, r.source) = r.source and coalesce(p.crm, r.crm) = r.crm
            and p.record_object = r.record_object and p.record_id = r.record_id
    inner join links as k on r.record_key = k.record_key and k.valid_to is null
    union all
    select
        person_id,
        assignment_id,
        arm,
        propensity,
        policy_version,
        as_of_date::timestamp
    from own_assignments
),

first_assigned as (
    select
        s.as_of_date,
        s.person_id,
        arg_min(
            struct_pack(
                assignment_id := a.assignment_id,
                arm := a.arm,
                propensity := a.propensity,
                policy_version := a.policy_version
            ),
            (a.assigned_at, a.assignment_id)
        ) as chosen
    from snapshots as s
    inner join assigned as a
        on s.person_id = a.person_id and s.as_of_at <= a.assigned_at and s.horizon_end > a.assigned_at
    group by s.as_of_date, s.person_id
),

judged as (
    select
        s.*,
        coalesce(e.level, 0) as seen_level,
        e.first_event_at,
        e.first_event_kind,
        {% for actor in ['engine', 'rep', 'automation'] %}
            {% for channel in ['email', 'sms', 'call'] %}
                coalesce(e.touches_{{ actor }}_{{ channel }}, 0) as touches_{{ actor }}_{{ channel }},
            {% endfor %}
        {% endfor %}
        coalesce(e.touches_rep_meeting, 0) as touches_rep_meeting,
        f.chosen.assignment_id,
        f.chosen.arm,
        f.chosen.propensity,
        f.chosen.policy_version,
        o.opener,
        least(
            case when h.person_id is null then s.as_of_at end,
            case when h.is_gone then h.deleted_at end,
            r.bounced_at,
            r.opted_out_at,
            m.gap_at
        ) as loss_at,
        h.person_id is null as is_merged,
        case when h.is_gone then h.deleted_at end as deleted_at,
        r.bounced_at,
        r.opted_out_at,
        m.gap_at
    from snapshots as s
    left join held as h on s.as_of_date = h.as_of_date and s.person_id = h.person_id
    left join events as e on s.as_of_date = e.as_of_date and s.person_id = e.person_id
    left join openers as o on s.as_of_date = o.as_of_date and s.person_id = o.person_id
    left join refusals as r on s.as_of_date = r.as_of_date and s.person_id = r.person_id
    left join missing as m on s.as_of_date = m.as_of_date and s.person_id = m.person_id
    left join first_assigned as f on s.as_of_date = f.as_of_date and s.person_id = f.person_id
),

decided as (
    select
        *,
        -- An outcome before a person's own loss stands; a loss without one hides whether there would have been one.
        -- A gap of the source takes everyone's label: to keep the outcomes that it shows would keep only ones.
        gap_at is not null or (loss_at is not null and coalesce(first_event_at > loss_at, true)) as is_censored
    from judged
)

select
    as_of_date,
    person_id,
    case when not is_censored then seen_level end::int as level,
    case when not is_censored then first_event_at is not null end as is_reactivated,
    case when not is_censored then first_event_at end as first_event_at,
    case when not is_censored then first_event_kind end as first_event_kind,
    {% for actor in ['engine', 'rep', 'automation'] %}
        {% for channel in ['email', 'sms', 'call'] %}
            touches_{{ actor }}_{{ channel }},
        {% endfor %}
    {% endfor %}
    touches_rep_meeting,
    arm,
    propensity,
    policy_version,
    assignment_id,
    case
        when is_censored or first_event_at is null then null
        when opener in ('engine', 'rep') then opener
        else 'organic'
    end as opened_by,
    case when is_censored then loss_at end as censored_at,
    case
        when not is_censored then null
        when is_merged then 'merged'
        when loss_at = deleted_at then 'deleted'
        when loss_at = bounced_at then 'bounced'
        when loss_at = opted_out_at then 'opted_out'
        else 'export_gap'
    end as censor_reason,
    label_observed_until,
    definition_version
from decided
order by as_of_date, person_id
