{{ config(materialized='view') }}

{% for name in [
    'stg_hubspot__contacts', 'stg_salesforce__leads', 'stg_salesforce__contacts', 'stg_gohighlevel__contacts',
    'stg_mapped__leads'
] %}
    select * from {{ ref(name) }}
    {% if not loop.last %}union all{% endif %}
{% endfor %}
