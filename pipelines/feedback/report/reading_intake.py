"""Reads what came in: deliveries, rejected rows, emptied fields, and what missing fields cost."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb

from pipelines.feedback.report.facts import ColumnGap, Delivery, FieldCost, Intake, Problem
from pipelines.feedback.report.words import clean

ROW_NUMBERS_SHOWN: Final = 5
PROBLEMS_SHOWN: Final = 12
GAPS_SHOWN: Final = 12

# A day rests on what had been exported before it; a source whose first delivery is younger counts with that one.
_LANDINGS: Final = """
    select *
    from raw.landings
    where not is_superseded
    qualify exported_at < $midnight::timestamp or exported_at = min(exported_at) over (partition by source, object)
"""
# Field of a person -> skip reason that its absence causes; None where no permission rule needs it.
_FIELDS: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("e-mail address", "email", "no_address"),
    ("phone number", "phone_e164", None),
    ("country", "country", "country_unknown"),
    ("time zone", "time_zone", "time_zone_unknown"),
    ("job title", "job_title", None),
    ("company", "company_name", None),
    ("industry", "industry", None),
    ("employee count", "employee_count", None),
    ("lead source", "lead_source", None),
)


def read_intake(
    connection: duckdb.DuckDBPyConnection,
    tables: frozenset[str],
    *,
    as_of: date,
    scores: Path | None,
    plan: Path | None,
) -> Intake:
    """Totals and details of the deliveries that the day rests on.

    Args:
        connection: the warehouse.
        tables: `schema.table` names that exist.
        as_of: the day; deliveries exported later do not count.
        scores: published `lead_scores`, or None.
        plan: published `campaign_plan`, or None.
    """
    fields = _fields(connection, scores, plan) if "marts.dim_people" in tables else ()
    if "raw.landings" not in tables:
        return Intake(fields=fields)
    bound = {"midnight": as_of.isoformat()}
    row = connection.execute(
        f"select count(*), coalesce(sum(rows_in), 0)::bigint, coalesce(sum(rows_loaded), 0)::bigint, "
        f"coalesce(sum(rows_rejected), 0)::bigint from ({_LANDINGS})",
        bound,
    ).fetchone() or (0, 0, 0, 0)
    return Intake(
        files=row[0],
        rows_in=row[1],
        rows_loaded=row[2],
        rows_rejected=row[3],
        deliveries=_deliveries(connection, tables, bound),
        rejects=_problems(connection, "raw.rejects", tables, bound),
        issues=_problems(connection, "raw.field_issues", tables, bound),
        gaps=_gaps(connection, tables),
        fields=fields,
    )


def _deliveries(
    connection: duckdb.DuckDBPyConnection, tables: frozenset[str], bound: dict[str, str]
) -> tuple[Delivery, ...]:
    found = connection.execute(
        f"select source, max(crm), count(*), sum(rows_in)::bigint, sum(rows_rejected)::bigint, max(exported_at) "
        f"from ({_LANDINGS}) group by source order by source",
        bound,
    ).fetchall()
    silent: dict[str, int | None] = {}
    if "marts.source_health" in tables:
        silent = dict(connection.execute("select source, silent_days from marts.source_health").fetchall())
    return tuple(
        Delivery(source, crm, files, rows_in, rejected, f"{exported:%Y-%m-%d %H:%M}", silent.get(source))
        for source, crm, files, rows_in, rejected, exported in found
    )


def _problems(
    connection: duckdb.DuckDBPyConnection, table: str, tables: frozenset[str], bound: dict[str, str]
) -> tuple[Problem, ...]:
    if table not in tables:
        return ()
    found = connection.execute(
        f"""
        with landings as ({_LANDINGS})
        select r.source, r.object, r.file_name, coalesce(r.column_name, ''), r.reason, count(*),
            list_slice(list_sort(list(distinct r.row_number)), 1, {ROW_NUMBERS_SHOWN})
        from {table} as r
        inner join landings using (landing_id)
        group by all
        order by 6 desc, 1, 2, 3, 4, 5
        """,
        bound,
    ).fetchall()
    return tuple(
        Problem(source, name, clean(Path(file).name, 60), clean(column, 60), reason, rows, tuple(numbers))
        for source, name, file, column, reason, rows, numbers in found
    )


def _gaps(connection: duckdb.DuckDBPyConnection, tables: frozenset[str]) -> tuple[ColumnGap, ...]:
    if "raw.coverage" not in tables:
        return ()
    found = connection.execute(
        f"""
        select source, object, column_name, sum(rows)::bigint as total, sum(filled)::bigint as with_value
        from raw.coverage group by all
        having with_value < 0.5 * total and with_value > 0
        order by total - with_value desc, source, object, column_name limit {GAPS_SHOWN}
        """
    ).fetchall()
    return tuple(ColumnGap(*row) for row in found)


def _fields(connection: duckdb.DuckDBPyConnection, scores: Path | None, plan: Path | None) -> tuple[FieldCost, ...]:
    """Who lacks a field. Means are over integers (p in millionths), so that they do not depend on the order of rows."""
    scored = "select person_id, round(p * 1000000)::bigint as p from read_parquet($scores, hive_partitioning = false)"
    planned = "select person_id, reason from read_parquet($plan, hive_partitioning = false)"
    sql_scores = scored if scores else "select null::varchar as person_id, null::bigint as p limit 0"
    sql_plan = planned if plan else "select null::varchar as person_id, null::varchar as reason limit 0"
    columns = ", ".join(_field_sql(column, reason) for _, column, reason in _FIELDS)
    bound = {name: str(path) for name, path in (("scores", scores), ("plan", plan)) if path}
    row = connection.execute(
        f"""
        with scored as ({sql_scores}), plan as ({sql_plan})
        select count(*), {columns}
        from marts.dim_people left join scored using (person_id) left join plan using (person_id)
        where is_dormant
        """,
        bound,
    ).fetchone()
    return tuple(_field_cost(name, index, row) for index, (name, _, _) in enumerate(_FIELDS)) if row else ()


def _field_sql(column: str, reason: str | None) -> str:
    blocked = f"count(*) filter (where {column} is null and reason = '{reason}')" if reason else "0"
    return (
        f"count(*) filter (where {column} is null), {blocked}, "
        f"sum(p) filter (where {column} is not null) / count(p) filter (where {column} is not null), "
        f"sum(p) filter (where {column} is null) / count(p) filter (where {column} is null)"
    )


def _field_cost(name: str, index: int, row: tuple[Any, ...]) -> FieldCost:
    missing, blocked, with_value, without = row[1 + 4 * index : 5 + 4 * index]
    return FieldCost(
        name=name,
        missing=missing,
        dormant=row[0],
        blocked=blocked,
        p_with=None if with_value is None else with_value / 1e6,
        p_without=None if without is None else without / 1e6,
    )
