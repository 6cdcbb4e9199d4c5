{# The run's as-of moment, 00:00 UTC. #}
{% macro as_of_at() -%}
    timestamp '{{ var("as_of_date") }} 00:00:00'
{%- endmacro %}

{# Dates that this run computes: rows (as_of_date, as_of_at, is_full). The run's own date always takes everyone. #}
{% macro run_dates() -%}
    select
        d.as_of_date::date as as_of_date,
        d.as_of_date::timestamp as as_of_at,
        d.is_full
    from (
        values
        ('{{ var("as_of_date") }}', true){% for day in var("snapshot_dates") if day != var("as_of_date") %},
        ('{{ day }}', {{ 'true' if day in var("full_dates") else 'false' }}){% endfor %}
    ) as d (as_of_date, is_full)
{%- endmacro %}

{# Whether a weekly date is a person's turn in the training panel; shares are powers of two, and everyone's comes. #}
{% macro is_in_turn(person_id, as_of_date) -%}
    (
        (('0x' || left({{ person_id }}, 8))::bigint + ({{ as_of_date }} - date '2000-01-03') // 7)
        % {{ var("sample_modulus") }} = 0
    )
{%- endmacro %}

{# Whether a weekly date holds a person: in their turn, and a few in every week, to see what changes by the week. #}
{% macro is_sampled(person_id, as_of_date) -%}
    (
        {{ is_in_turn(person_id, as_of_date) }}
        or ('0x' || left({{ person_id }}, 8))::bigint % (4 * {{ var("sample_modulus") }}) = 0
    )
{%- endmacro %}

{# Days without inbound activity that make a person of a market dormant. #}
{% macro dormant_after(market) -%}
    {% set presets = var("market_dormant_after_days") -%}
    case {{ market }}{% for name in presets %} when '{{ name }}' then {{ presets[name] | int }}{% endfor %}
        when '' then {{ var("dormant_after_days") }}
        else {{ var("dormant_after_days") }}
    end
{%- endmacro %}

{# The fewest days of silence that make anyone dormant. #}
{% macro least_dormant_after() -%}
    {%- set presets = var("market_dormant_after_days") -%}
    least({{ var("dormant_after_days") }}{% for name in presets %}, {{ presets[name] | int }}{% endfor %})
{%- endmacro %}

{# When a row was observed: in the first landing of its object its creation or the assumed lag; later its export. #}
{% macro observed_at(created, occurred, landing) -%}
    case
        when {{ landing }}.covered_before is not null then {{ landing }}.exported_at
        when {{ created }} is not null then {{ created }}
        when {{ landing }}.is_history then least(
            {{ occurred }} + {{ landing }}.assumed_lag_hours * interval 1 hour, {{ landing }}.exported_at
        )
        else {{ landing }}.exported_at
    end
{%- endmacro %}

{# A value of the version `v` as known at the date of `m`: a column that `t` lists counts from its export on. #}
{% macro known_value(column, raw_columns) -%}
    case
        when m.as_of_at > v.exported_at
            or not coalesce(list_has_any(t.late_columns, {{ raw_columns }}), false)
            then v.{{ column }}
    end
{%- endmacro %}

{% macro observed_basis(created, occurred, landing) -%}
    case
        when {{ landing }}.covered_before is not null then 'exported'
        when {{ created }} is not null then 'source'
        when {{ landing }}.is_history then 'assumed'
        else 'exported'
    end
{%- endmacro %}

{# SHA-1 of the project's namespace and a text, as hex. #}
{% macro namespaced_sha1(column) -%}
    sha1('\x8F\x1D\x6C\x52\x3A\x0B\x5E\x4F\x9C\x77\x21\xD4\xE6\x08\xB9\x3A'::blob || encode({{ column }}))
{%- endmacro %}

{# UUIDv5 of a text in the project's namespace; equals recovery.identity.person_id_of. #}
{% macro uuid5(column) -%}
    concat(
        left({{ namespaced_sha1(column) }}, 8),
        '-',
        substr({{ namespaced_sha1(column) }}, 9, 4),
        '-5',
        substr({{ namespaced_sha1(column) }}, 14, 3),
        '-',
        substr('89ab89ab89ab89ab', ('0x' || substr({{ namespaced_sha1(column) }}, 17, 1))::int + 1, 1),
        substr({{ namespaced_sha1(column) }}, 18, 3),
        '-',
        substr({{ namespaced_sha1(column) }}, 21, 12)
    )
{%- endmacro %}
