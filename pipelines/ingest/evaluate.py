"""What must hold of the raw tables: one function per sentence, each counts and never shows values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import duckdb

from contracts.words import Crm
from pipelines.ingest.tables import object_tables

_ORPHAN_SHARE: Final = 0.02  # people who were deleted leave a few activities behind
_SHRUNK_SHARE: Final = 0.5  # a full export with less than half the rows of the one before was probably cut
_SILENT_DAYS: Final = 4  # three are a long weekend
_BUSY_ROWS_A_DAY: Final = 5.0  # below this, days without activity say nothing
_CUT_DAYS: Final = 7

# Activities: table, time of the act, column with the person's id, tables that hold the person.
ACTIVITY_TABLES: Final[tuple[tuple[str, str, str | None, tuple[str, ...]], ...]] = (
    ("hubspot__activities", "occurred_at", "split_part(contact_id, ';', 1)", ("hubspot__contacts",)),
    ("hubspot__email_events", "occurred_at", None, ("hubspot__contacts",)),
    ("salesforce__tasks", "created_at", "who_id", ("salesforce__leads", "salesforce__contacts")),
    ("salesforce__events", "created_at", "who_id", ("salesforce__leads", "salesforce__contacts")),
    ("salesforce__email_messages", "occurred_at", "related_to_id", ("salesforce__leads", "salesforce__contacts")),
    ("gohighlevel__messages", "occurred_at", "contact_id", ("gohighlevel__contacts",)),
    ("gohighlevel__appointments", "created_at", "contact_id", ("gohighlevel__contacts",)),
    ("mapped__activities", "occurred_at", "lead_id", ("mapped__leads",)),
    ("mapped__outcomes", "occurred_at", "lead_id", ("mapped__leads",)),
)


@dataclass(frozen=True)
class Limits:
    """What the checks compare with; days are whole days.

    `label_window_days`: dormancy plus horizon plus lag, the least history from which one label can be learned.
    """

    label_window_days: int
    max_reject_share: float

    def as_list(self) -> list[float]:
        """Values in order, for fingerprints."""
        return [self.label_window_days, self.max_reject_share]


@dataclass(frozen=True)
class Finding:
    """Result of one check. `table` is the asset it belongs to; only `is_blocking` ones stop what follows."""

    name: str
    table: str
    is_true: bool
    is_blocking: bool
    words: str
    numbers: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """As JSON, to be kept."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Finding:
        """From `to_json`."""
        content: dict[str, Any] = json.loads(text)
        return cls(**content)


def evaluate_all(connection: duckdb.DuckDBPyConnection, limits: Limits) -> tuple[Finding, ...]:
    """Every finding, in a fixed order."""
    functions: tuple[Callable[[duckdb.DuckDBPyConnection, Limits], Finding], ...] = (
        rows_are_conserved,
        accepted_rows_meet_their_contract,
        history_spans_the_label_window,
        history_was_not_cut,
        activities_refer_to_known_people,
        activity_has_no_silent_gaps,
        sources_are_structured_alike,
        full_exports_have_not_shrunk,
        sources_have_permission_data,
    )
    return tuple(function(connection, limits) for function in functions)


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()


def rows_are_conserved(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Finding:
    """Rows in = loaded + rejected, against the tables themselves."""
    del limits
    tables = object_tables(Crm)
    loaded = " union all ".join(f'select _landing_id, count(*) as n from raw."{name}" group by 1' for name in tables)
    bad = _rows(
        connection,
        f"""
        with loaded as (select _landing_id as landing_id, sum(n) as n from ({loaded}) group by 1),
        rejected as (select landing_id, count(*) as n from raw.rejects group by 1)
        select l.source || '/' || l.file_name, l.rows_in, coalesce(a.n, 0), coalesce(r.n, 0)
        from raw.landings l left join loaded a using (landing_id) left join rejected r using (landing_id)
        where not l.is_superseded
          and (l.rows_in <> coalesce(a.n, 0) + coalesce(r.n, 0)
               or l.rows_loaded <> coalesce(a.n, 0) or l.rows_rejected <> coalesce(r.n, 0))
        order by 1
        """,
    )
    words = "Every row of every file was loaded or rejected with a reason."
    if bad:
        name, rows_in, kept, rejected = bad[0]
        words = (
            f"{len(bad)} files do not add up, first {name}: {rows_in:,} rows in, {kept:,} loaded, "
            f"{rejected:,} rejected. Delete the warehouse file and run again: it is rebuilt from the landing."
        )
    return Finding("rows_in_are_loaded_or_rejected", "landings", not bad, True, words, {"files": len(bad)})


def accepted_rows_meet_their_contract(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Finding:
    """What Great Expectations found about the landings that were loaded."""
    del limits
    row = _rows(
        connection,
        """select count(*), count(*) filter (not v.is_met), coalesce(sum(v.unexpected), 0)
           from raw.validations v join raw.landings l using (landing_id)""",
    )[0]
    words = f"{row[0]:,} expectations about accepted rows hold."
    if row[1]:
        words = f"{row[1]:,} of {row[0]:,} expectations about accepted rows fail; see raw.validations."
    return Finding(
        "accepted_rows_meet_their_contract",
        "landings",
        not row[1],
        True,
        words,
        {"expectations": row[0], "failed": row[1], "unexpected_values": float(row[2])},
    )


def history_spans_the_label_window(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Finding:
    """Whether at least one label can be learned from the activities of each source."""
    times = [(table, column) for table, column, _, _ in ACTIVITY_TABLES]
    unions = " union all ".join(
        f"select _source, min({column}) as first, max({column}) as last from raw.{table} "
        f"where {column} <= _exported_at group by 1"
        for table, column in times
    )
    spans = _rows(
        connection,
        f"select _source, date_diff('day', min(first), max(last)) from ({unions}) group by 1 order by 1",
    )
    short = [(name, days) for name, days in spans if days is None or days < limits.label_window_days]
    words = f"Activities of every source span at least {limits.label_window_days} days."
    if not spans:
        words = "No source has dated activities: leads are scored by rules until one has."
    elif short:
        told = ", ".join(f"{name} {days or 0} days" for name, days in short)
        words = (
            f"Too short for labels ({limits.label_window_days} days are needed): {told}. "
            "Export a longer history and declare it as `history` in sources.yml."
        )
    numbers = {f"days_{name}": float(days or 0) for name, days in spans}
    return Finding("history_spans_the_label_window", "landings", bool(spans) and not short, False, words, numbers)


def history_was_not_cut(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Finding:
    """Whether a newer full export reaches back as far as the one before."""
    del limits
    cut = _rows(
        connection,
        f"""
        with exports as (
            select source, object, exported_at, min(oldest_occurred_at) as oldest
            from raw.landings where mode = 'full' and not is_superseded and oldest_occurred_at is not null group by all
        ),
        pairs as (
            select *, lag(oldest) over (partition by source, object order by exported_at) as before,
                   row_number() over (partition by source, object order by exported_at desc) as place
            from exports
        )
        select source || '/' || object, date_diff('day', before, oldest) from pairs
        where place = 1 and date_diff('day', before, oldest) > {_CUT_DAYS} order by 1
        """,
    )
    words = "No full export reaches back less far than the one before."
    if cut:
        told = ", ".join(f"{name} begins {days:,} days later" for name, days in cut)
        words = f"History was cut: {told}. Export the whole history, or declare the files `mode: incremental`."
    return Finding("full_exports_reach_back_as_far_as_before", "landings", not cut, False, words, {"cut": len(cut)})


def activities_refer_to_known_people(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Finding:
    """Tracking ids of activities exist among the people of the same source (S3.27)."""
    del limits
    worst: list[tuple[str, int, int]] = []
    for table, _, identity, people in ACTIVITY_TABLES:
        if identity is None:
            continue
        known = " union ".join(f"select _source, record_id from raw.{name}" for name in people)
        worst += _rows(
            connection,
            f"""
            with known as ({known}),
            used as (select _source, {identity} as id, count(*) as n from raw.{table}
                     where {identity} is not null group by all)
            select u._source || '/{table}', sum(u.n)::bigint,
                   coalesce(sum(u.n) filter (k.record_id is null), 0)::bigint
            from used u left join known k on k._source = u._source and k.record_id = u.id group by u._source order by 1
            """,
        )
    bad = [(name, lost, total) for name, total, lost in worst if total and lost > _ORPHAN_SHARE * total]
    words = "Activities name people whom their source has."
    if bad:
        told = ", ".join(f"{name} {lost:,} of {total:,}" for name, lost, total in bad)
        words = (
            f"Activities name people who are not in the export: {told}. Export all contacts with the same id column."
        )
    numbers = {"activities": float(sum(item[1] for item in worst)), "orphans": float(sum(item[2] for item in worst))}
    return Finding("activities_refer_to_known_people", "landings", not bad, False, words, numbers)


def activity_has_no_silent_gaps(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Finding:
    """Whether the exports represent the full activity: no run of days without any in a busy source (S3.26)."""
    del limits
    unions = " union all ".join(
        f"select _source, {column}::date as day, count(*) as n from raw.{table} "
        f"where {column} <= _exported_at group by all"
        for table, column, _, _ in ACTIVITY_TABLES
    )
    gaps = _rows(
        connection,
        f"""
        with days as (select _source, day, sum(n) as n from ({unions}) group by all),
        busy as (select _source, sum(n) / greatest(date_diff('day', min(day), max(day)), 1) as mean
                 from days group by 1),
        before as (select _source, day, lag(day) over (partition by _source order by day) as last_day from days),
        steps as (select _source, date_diff('day', last_day, day) - 1 as gap from before)
        select s._source, count(*), max(gap)::bigint from steps s join busy b using (_source)
        where gap >= {_SILENT_DAYS} and b.mean >= {_BUSY_ROWS_A_DAY} group by 1 order by 1
        """,
    )
    words = f"No busy source is silent for {_SILENT_DAYS} days within its history."
    if gaps:
        told = ", ".join(f"{name} {count} times, longest {longest} days" for name, count, longest in gaps)
        words = f"Exports may lack activity: {told}. Export those days again; labels there are censored until then."
    return Finding("activity_has_no_silent_gaps", "landings", not gaps, False, words, {"sources": len(gaps)})


def sources_are_structured_alike(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Finding:
    """Whether sources of one CRM, say of two markets, and successive exports have the same columns (S3.28)."""
    del limits
    differing = _rows(
        connection,
        """
        with newest as (
            select crm, source, object, columns_missing,
                   row_number() over (partition by source, object order by exported_at desc, landing_id) as place
            from raw.landings where not is_superseded
        ),
        across as (
            select crm || '/' || object as name from newest where place = 1 and crm <> 'mapped_csv'
            group by crm, object having count(distinct columns_missing) > 1
        ),
        over_time as (
            select source || '/' || object as name from newest where place <= 2
            group by source, object having count(distinct columns_missing) > 1
        )
        select distinct name from (from across union all from over_time) order by 1
        """,
    )
    words = "Sources of one CRM, and successive exports of a source, have the same columns."
    if differing:
        names = ", ".join(row[0] for row in differing)
        words = (
            f"Columns differ between sources or from the export before: {names}. raw.landings lists what is missing."
        )
    return Finding("exports_are_structured_alike", "landings", not differing, False, words, {"objects": len(differing)})


def full_exports_have_not_shrunk(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Finding:
    """Whether the newest full export has at least half the rows of the one before: absence there means deletion."""
    del limits
    shrunk = _rows(
        connection,
        f"""
        with exports as (
            select source, object, exported_at, sum(rows_loaded) as n
            from raw.landings where mode = 'full' and not is_superseded group by all
        ),
        pairs as (
            select *, lag(n) over (partition by source, object order by exported_at) as before,
                   row_number() over (partition by source, object order by exported_at desc) as place
            from exports
        )
        select source || '/' || object, before::bigint, n::bigint from pairs
        where place = 1 and n < {_SHRUNK_SHARE} * before order by 1
        """,
    )
    words = "No full export lost half of its rows."
    if shrunk:
        told = ", ".join(f"{name} from {before:,} to {now:,} rows" for name, before, now in shrunk)
        words = f"Full exports shrank: {told}. If they were cut, export them again: what is absent counts as deleted."
    return Finding("full_exports_have_not_shrunk", "landings", not shrunk, False, words, {"objects": len(shrunk)})


def sources_have_permission_data(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Finding:
    """Whether each source of people says who opted out: a column, a list or a permissions file."""
    del limits
    without = _rows(
        connection,
        """
        select source from raw.landings where not is_superseded group by source
        having bool_or(object in ('contacts', 'leads'))
           and not bool_or(has_opt_out_column or has_phone_opt_out_column or object in ('suppressions', 'permissions'))
        order by 1
        """,
    )
    words = "Every source of people says who opted out."
    if without:
        names = ", ".join(row[0] for row in without)
        words = (
            f"No opt-out column and no suppression list: {names}. Nobody of them is contacted until one is exported "
            "(`recovery suppress FILE`, or `files: {suppressions: ...}` in sources.yml)."
        )
    return Finding("sources_have_permission_data", "landings", not without, False, words, {"sources": len(without)})
