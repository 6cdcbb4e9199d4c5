"""The books about the raw tables: sources, coverage, column types, and what the checks found.

They are rewritten only when a landing, a declaration or a limit changed; the last findings are kept with the
fingerprint that they belong to.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

import duckdb

from contracts.sources import Source, SourcesFile
from contracts.words import Crm
from pipelines.ingest.aliases import alias_table
from pipelines.ingest.evaluate import Finding, Limits, evaluate_all
from pipelines.ingest.tables import ensure_tables

_EVALUATE_VERSION: Final = 1


@dataclass(frozen=True)
class Books:
    """Counts over all landings that count, and the findings of the checks."""

    landings: int
    rows_in: int
    rows_loaded: int
    rows_rejected: int
    reject_rows: int
    field_issues: int
    sources: int
    coverage_rows: int
    findings: tuple[Finding, ...]


def refresh_books(
    connection: duckdb.DuckDBPyConnection, sources: SourcesFile, *, limits: Limits, sender_id: str
) -> Books:
    """Bring `raw.sources`, `raw.coverage`, `raw.column_types` and the findings up to date.

    Args:
        connection: read-write connection to the warehouse.
        sources: declaration of all sources.
        limits: what the checks compare with.
        sender_id: sender of sources that name none.
    """
    ensure_tables(connection)
    connection.execute("create table if not exists raw.findings (fingerprint varchar, place integer, content varchar)")
    fingerprint = _fingerprint(connection, sources, limits, sender_id)
    kept = connection.execute(
        "select content from raw.findings where fingerprint = ? order by place", [fingerprint]
    ).fetchall()
    if kept:
        return _counted(connection, tuple(Finding.from_json(row[0]) for row in kept))
    connection.execute("begin")
    try:
        _write_sources(connection, sources.sources, sender_id)
        _write_column_types(connection, sources.sources)
        _write_coverage(connection)
        findings = evaluate_all(connection, limits)
        connection.execute("delete from raw.findings")
        connection.executemany(
            "insert into raw.findings values (?, ?, ?)",
            [[fingerprint, place, finding.to_json()] for place, finding in enumerate(findings)],
        )
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return _counted(connection, findings)


def _fingerprint(connection: duckdb.DuckDBPyConnection, sources: SourcesFile, limits: Limits, sender_id: str) -> str:
    landed = connection.execute(
        "select landing_id, judge_fingerprint, is_superseded from raw.landings order by all"
    ).fetchall()
    declared = [source.model_dump(mode="json", exclude={"path"}) for source in sources.sources]
    text = json.dumps([_EVALUATE_VERSION, landed, declared, limits.as_list(), sender_id], default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _write_sources(connection: duckdb.DuckDBPyConnection, sources: tuple[Source, ...], sender_id: str) -> None:
    with_lists = {
        row[0]
        for row in connection.execute(
            "select distinct source from raw.landings where object = 'suppressions' and not is_superseded"
        ).fetchall()
    }
    connection.execute("delete from raw.sources")
    for source in sorted(sources, key=lambda item: item.name):
        declaration, history = source.declaration, source.history
        connection.execute(
            f"insert into raw.sources values ({', '.join('?' * 15)})",
            [
                source.name,
                source.crm.value,
                source.market,
                source.time_zone,
                source.sender_id or sender_id,
                source.owner_id,
                source.team_id,
                declaration.country if declaration else None,
                declaration.by if declaration else None,
                declaration.at if declaration else None,
                declaration.words if declaration else None,
                declaration.basis.value if declaration and declaration.basis else None,
                history.until if history else None,
                source.name in with_lists,
                history.assumed_lag_hours if history else None,
            ],
        )


def _write_column_types(connection: duckdb.DuckDBPyConnection, sources: tuple[Source, ...]) -> None:
    """Type of every column as declared by the alias table or, stronger, by the source."""
    rows = []
    for source in sorted(sources, key=lambda item: item.name):
        for name, spec in alias_table(source.crm).objects.items():
            own = source.column_types.get(name, {})
            rows += [[source.name, name, column, own.get(column, item.type)] for column, item in spec.columns.items()]
    connection.execute("delete from raw.column_types")
    if rows:
        connection.executemany(
            "insert into raw.column_types values (?, ?, ?, ?)", [list(map(str, row)) for row in rows]
        )


def _write_coverage(connection: duckdb.DuckDBPyConnection) -> None:
    """Filled fields of the newest export of every source and object."""
    connection.execute("delete from raw.coverage")
    connection.execute(
        """
        insert into raw.coverage
        with newest as (
            select source, object, max(exported_at) as exported_at
            from raw.landings where not is_superseded group by all
        )
        select l.source, l.object, c.column_name, sum(c.rows)::bigint, sum(c.filled)::bigint
        from raw.landing_coverage c
        join raw.landings l on l.landing_id = c.landing_id
        join newest n on n.source = l.source and n.object = l.object and n.exported_at = l.exported_at
        where not l.is_superseded
        group by all order by all
        """
    )


def _counted(connection: duckdb.DuckDBPyConnection, findings: tuple[Finding, ...]) -> Books:
    row = connection.execute(
        """
        select count(*), coalesce(sum(rows_in), 0), coalesce(sum(rows_loaded), 0), coalesce(sum(rows_rejected), 0),
               (select count(*) from raw.rejects), (select count(*) from raw.field_issues),
               (select count(*) from raw.sources), (select count(*) from raw.coverage)
        from raw.landings where not is_superseded
        """
    ).fetchone()
    if row is None:
        raise AssertionError("an aggregate has one row")
    names = ("landings", "rows_in", "rows_loaded", "rows_rejected", "reject_rows", "field_issues", "sources")
    counts = {name: int(value) for name, value in zip((*names, "coverage_rows"), row, strict=True)}
    return Books(findings=findings, **counts)


def table_counts(connection: duckdb.DuckDBPyConnection, crm: Crm) -> dict[str, int]:
    """Rows of each raw table of a CRM."""
    counts = {}
    for spec in alias_table(crm).objects.values():
        row = connection.execute(f'select count(*) from raw."{spec.table}"').fetchone()
        counts[spec.table] = int(row[0]) if row else 0
    return counts
