-- Every activity row that came in is united or dropped for a named reason.
-- A row here means that rows were lost or made.
{{ config(meta={'dagster': {'ref': {'name': 'int_activities__counts'}}}) }}

select *
from {{ ref('int_activities__counts') }}
where
    rows_in <> united + dropped_duplicate + dropped_unknown_kind + dropped_copy + dropped_unknown_record
    or dropped_unknown_record < 0
