{# Keys that occur more than once. Hashes of eight bytes find the suspects, their own values decide. #}
{% test unique_key(model, columns) %}
with hashed as (
    select
        {{ columns | join(', ') }},
        hash({{ columns | join(', ') }}) as key_hash
    from {{ model }}
),

suspects as (
    select key_hash
    from hashed
    group by key_hash
    having count(*) > 1
)

select {{ columns | join(', ') }}
from hashed as h
semi join suspects as s on h.key_hash = s.key_hash
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
