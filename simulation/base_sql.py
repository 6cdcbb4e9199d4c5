"""The tables that all three CRMs' exports are drawn from: records with addresses, events with their record."""

from __future__ import annotations

from typing import Final

RECORDS: Final = """
create or replace temp table rec as
with joined as (
    select
        r.*,
        p.* exclude (who),
        regexp_replace(lower(strip_accents(p.first_name)), '[^a-z]', '', 'g') as first_plain,
        regexp_replace(lower(strip_accents(p.last_name)), '[^a-z]', '', 'g') as last_plain,
        r.created > p.dead_at and not p.is_free_mail and r.slot in (1, 2) as has_moved
    from record_rows as r
    inner join person_rows as p on r.who = p.who
), companies as (
    select
        *,
        case when has_moved then account + 7000000 else account end as company_number,
        brand || ' ' || account || ' ' || suffix as old_company
    from joined
), addressed as (
    select
        *,
        lower(strip_accents(brand)) || '-' || company_number || '.example' as domain,
        case when is_free_mail then 'p' || lpad(pid::varchar, 7, '0') || '.' || first_plain || '@' || free_host
        else first_plain || '.' || last_plain || (pid % 97)
            || '@' || lower(strip_accents(brand)) || '-' || company_number || '.example'
        end as main_address,
        'p' || lpad(pid::varchar, 7, '0') || '.' || first_plain || '.home@' || free_host as home_address,
        case
            when country in ('US', 'CA') then '+1' || prefix
                || case when pid < 10000 then '555' else (200 + (pid // 10000) % 700)::varchar end
                || lpad((pid % 10000)::varchar, 4, '0')
            when country = 'GB' then '+44' || prefix || lpad((pid % 1000000)::varchar, 6, '0')
            when country = 'DE' then '+49' || prefix || lpad((pid % 10000000)::varchar, 7, '0')
            when country = 'FR' then '+33' || prefix || lpad((pid % 1000000)::varchar, 6, '0')
            else '+61' || prefix || lpad((pid % 1000000)::varchar, 6, '0')
        end as number
    from companies
)
select
    * exclude (first_name, title),
    case
        when crm = 0 then (10000000000 + rid)::varchar
        when crm = 1 then case when is_lead then '00Q5e' else '0035e' end || lpad(rid::varchar, 10, '0') || 'AAA'
        else lpad(lower(to_hex(word)), 16, '0') || lpad((rid % 10000)::varchar, 4, '0')
    end as record_id,
    case
        when text_fault between 0 and 3 then $injections[text_fault + 1]
        when has_typo then
            case when score_noise < 0.5 then substr(first_name, 1, 1) || substr(first_name, 3)
            else first_name || substr(first_name, length(first_name)) end
        else first_name
    end as first_name,
    case
        when text_fault > 3 then $injections[text_fault + 1]
        when has_newline then title || chr(10) || 'Team "' || industry || '"'
        when has_title then title
    end as title,
    case when has_moved then brand || ' ' || company_number || ' ' || suffix else old_company end as company,
    case
        when no_email then null
        when bad_email then case when score_noise < 0.4 then replace(main_address, '@', ' at ')
            when score_noise < 0.7 then first_plain || '@' else 'n/a' end
        when other_address and not has_moved then home_address
        else main_address
    end as email,
    case when no_email or bad_email then main_address when other_address and not has_moved then home_address
        else main_address end as mail_address,
    case
        when bad_phone then case when score_noise < 0.5 then '12-34' else 'call reception' end
        when has_phone then case crm
            when 0 then regexp_replace(number, '^(\\+1)(...)(...)(....)$', '\\1 \\2-\\3-\\4')
            when 1 then regexp_replace(number, '^\\+1(...)(...)(....)$', '(\\1) \\2-\\3')
            else number end
    end as phone,
    case when last_act > 0 and score_noise < 0.4 then number end as mobile,
    case when not no_country then case country_label
        when 0 then $labels_0[country] when 1 then $labels_1[country] else $labels_2[country] end
    end as country_text,
    case when not no_country and has_state or no_country and score_noise < 0.15
        then case when crm = 0 then state else coalesce(nullif(state_code, ''), state) end end as state_text,
    $sources[crm + 1][source + 1] as source_text,
    opted_out < $cut and (slot in (0, 3) or score_noise < 0.5) as is_opted_out,
    'owner-' || owner as owner_name,
    case when slot = 2 then case when is_lead then '00Q5e' else '0035e' end
        || lpad((pid * 4)::varchar, 10, '0') || 'AAA' end as master_id
from addressed
where created < $cut
"""

EVENTS: Final = """
create or replace temp table ev as
with seen as (
    select e.*, p.pid * 4 + e.final_slot as rid
    from event_rows as e
    inner join person_rows as p on e.who = p.who
    where e.arrives < $cut and e.stamp < $cut
)
select
    e.* exclude (who, slot, final_slot),
    r.pid,
    r.crm,
    r.is_lead,
    r.record_id,
    r.mail_address,
    r.company_number,
    r.owner_name,
    r.last_name,
    lpad(lower(to_hex(e.event)), 16, '0') as event_hex,
    case when e.reply_to > 0 then lpad(lower(to_hex(e.reply_to)), 16, '0') end as reply_hex,
    (e.event >> 2)::varchar as event_number,
    case when e.reply_to > 0 then (e.reply_to >> 2)::varchar end as reply_number,
    make_timestamp(e.stamp * 1000000) as at_time,
    make_timestamp(e.starts * 1000000) as start_time,
    case
        when e.kind = 7 then 'Hello ' || r.first_plain || ',' || chr(10) || 'do you have a minute this week?'
        else e.phrase
    end as body,
    case
        when e.kind in (4, 11) then 'Meeting with ' || r.last_name
        when e.kind in (3, 8) then 'Call with ' || r.last_name
        when e.kind = 10 then 'Follow up with ' || r.last_name
        when e.kind = 6 then '/pricing'
        when e.kind = 1 then 'Re: ' || e.topic
        else e.topic
    end as subject
from seen as e
inner join rec as r on e.rid = r.rid
"""

DEALS: Final = """
create or replace temp table deal as
select
    d.* exclude (who, slot),
    make_timestamp(d.created_at * 1000000) as created_time,
    make_timestamp(case when d.closed_at < $cut then d.closed_at else d.created_at + 45 * 86400 end * 1000000)
        as close_time,
    d.closed_at < $cut as is_closed,
    case r.country when 'GB' then 'GBP' when 'DE' then 'EUR' when 'FR' then 'EUR' when 'CA' then 'CAD'
        when 'AU' then 'AUD' else 'USD' end as currency,
    r.* exclude (created)
from deal_rows as d
inner join rec as r on d.who = r.who and d.slot = r.slot
where d.created_at < $cut
"""


def literal(value: object) -> str:
    """A Python value as a SQL literal; tuples become lists, dicts become maps."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, tuple):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    if isinstance(value, dict):
        return "map {" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    return str(value)


def bind(sql: str, values: dict[str, object]) -> str:
    """Put constants of the world in place of `$name`; longer names first, so that none is cut."""
    for name in sorted(values, key=len, reverse=True):
        sql = sql.replace(f"${name}", literal(values[name]))
    return sql
