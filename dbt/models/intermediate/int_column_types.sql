-- depends_on: {{ source('raw', 'sources') }}
-- raw.column_types is written in one step with raw.sources.
with column_types as (
    select * from raw.column_types
)

select
    source,
    object,
    list(column_name order by column_name) as late_columns
from column_types
where type in ('mutable', 'latest_only')
group by source, object
order by source, object
