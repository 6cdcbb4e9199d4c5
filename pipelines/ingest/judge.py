"""Types and judges the rows of one landing, in SQL.

A row that cannot stand (malformed, a required field missing or unreadable, a repeated id) is rejected; a field that
cannot be read is set to null and noted, and the row stays. A permission field that cannot be read counts as refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from contracts.errors import BadInputError
from contracts.words import RejectReason
from pipelines.ingest import people, typing_sql
from pipelines.ingest.aliases import Kind, ObjectSpec, match_headers
from pipelines.ingest.dates import EARLIEST, read_dates
from pipelines.ingest.landing import DATA, REJECTS
from pipelines.ingest.lookups import Lookups, settle_values
from pipelines.ingest.reading import ROW_NUMBER, quoted, text

JUDGE_VERSION: Final = 1
_FUTURE_TOLERANCE: Final = timedelta(days=1)
_FIELD: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Reading:
    """What is needed to read the rows of one landing.

    Args:
        folder: landing folder.
        header: columns of the landed file.
        exported_at: naive UTC.
        declared_dates: strptime formats by column, `*` for all.
        time_zone: zone of naive times.
        mapping: canonical column -> column, const or template; None where the alias table decides.
        country: the operator's declared country, the last resort for national phone numbers and countries.
        where: file name, for errors.
    """

    folder: Path
    header: tuple[str, ...]
    exported_at: datetime
    declared_dates: Mapping[str, str]
    time_zone: str | None
    mapping: Mapping[str, Mapping[str, Any]] | None
    country: str | None
    where: str


@dataclass(frozen=True)
class Judgement:
    """Outcome: counts, and the temporary tables `judged`, `judged_rejects`, `judged_issues` on the connection."""

    rows_in: int
    rows_loaded: int
    rows_rejected: int
    columns_unmapped: tuple[str, ...]
    columns_missing: tuple[str, ...]
    present: tuple[str, ...]
    date_orders: dict[str, str]


def judge(connection: duckdb.DuckDBPyConnection, spec: ObjectSpec, reading: Reading) -> Judgement:
    """Fill the temporary tables `judged`, `judged_rejects` and `judged_issues`.

    Raises:
        BadInputError: a required column is missing, or a date column can be read in two ways.
    """
    columns, unmapped = _expressions(spec, reading)
    missing = tuple(name for name in spec.columns if name not in columns)
    _check_required(spec, missing, reading)
    _make_source_view(connection, spec, reading, columns)
    dates = read_dates(
        connection,
        "source_text",
        tuple(name for name in spec.of_kind(Kind.TIMESTAMP) if name in columns),
        declared=reading.declared_dates,
        time_zone=reading.time_zone,
        where=reading.where,
    )
    lookups = settle_values(connection, spec, present=tuple(columns), country=reading.country)
    builder = _Builder(spec, tuple(columns), {name: item.sql for name, item in dates.items()}, lookups, reading)
    connection.execute(builder.statement())
    _collect_rejects(connection, spec, reading)
    _collect_issues(connection, builder.checked)
    total, rejected, structural = _counts(connection)
    return Judgement(
        rows_in=total + structural,
        rows_loaded=total + structural - rejected,
        rows_rejected=rejected,
        columns_unmapped=unmapped,
        columns_missing=missing,
        present=tuple(columns),
        date_orders={name: item.how for name, item in dates.items()},
    )


def _expressions(spec: ObjectSpec, reading: Reading) -> tuple[dict[str, str], tuple[str, ...]]:
    """SQL text expression of every raw column that the file has, and the headers that nothing uses."""
    if reading.mapping is None:
        match = match_headers(spec, reading.header)
        return {name: quoted(header) for name, header in match.headers.items()}, match.unmapped
    by_name = {header.casefold(): header for header in reading.header}
    used: set[str] = set()

    def column(name: str) -> str | None:
        header = by_name.get(name.strip().casefold())
        if header is not None:
            used.add(header)
        return None if header is None else quoted(header)

    expressions: dict[str, str] = {}
    for name, value in reading.mapping.items():
        if name not in spec.columns:
            raise BadInputError(
                f"The mapping names '{name}', which is no column of {spec.table.removeprefix('mapped__')}.",
                where=reading.where,
                remedy=f"Known are {', '.join(spec.columns)}.",
            )
        sql = _mapped_value(value, column)
        if sql is None and name in spec.needed:
            raise BadInputError(
                f"The file has no column '{value.get('column') or value.get('template')}', from which '{name}' comes.",
                where=reading.where,
                remedy="Mend the mapping in sources.yml or the export.",
            )
        if sql is not None:
            expressions[name] = sql
    ordered = {name: expressions[name] for name in spec.columns if name in expressions}
    return ordered, tuple(header for header in reading.header if header not in used)


def _mapped_value(value: Mapping[str, Any], column: Any) -> str | None:
    if "column" in value:
        found: str | None = column(value["column"])
        return found
    if "const" in value:
        constant = value["const"]
        return text(str(constant).lower() if isinstance(constant, bool) else str(constant))
    template = str(value["template"])
    parts = []
    position = 0
    for match in _FIELD.finditer(template):
        if match.start() > position:
            parts.append(text(template[position : match.start()]))
        sql = column(match.group(1))
        if sql is None:
            return None
        parts.append(sql)
        position = match.end()
    if position < len(template):
        parts.append(text(template[position:]))
    return "(" + " || ".join(parts) + ")"  # null as soon as one part is: half a key is no key


def _check_required(spec: ObjectSpec, missing: tuple[str, ...], reading: Reading) -> None:
    lacking = [name for name in spec.required if name in missing]
    if spec.required_any and all(name in missing for name in spec.required_any):
        lacking.append(" or ".join(spec.required_any))
    if lacking:
        names = []
        for name in lacking:
            column = spec.columns.get(name)
            known = [*column.labels[:2], *column.api[:2]] if column else []
            names.append(f"'{name}'" + (f" (for example {', '.join(known)})" if known else ""))
        raise BadInputError(
            f"The file misses the required column {'; '.join(names)}.",
            where=reading.where,
            remedy="Add the column to the export; the whole file is refused until then.",
        )


def _make_source_view(
    connection: duckdb.DuckDBPyConnection, spec: ObjectSpec, reading: Reading, columns: Mapping[str, str]
) -> None:
    fields = ", ".join(
        f"{typing_sql.filled_text(sql, spec.columns[name].kind)} as {quoted(name)}" for name, sql in columns.items()
    )
    connection.execute(
        f"create or replace temp view source_text as select {ROW_NUMBER}, {fields} "
        f"from read_parquet({text(str(reading.folder / DATA))})"
    )


@dataclass
class _Builder:
    """Composes the statement that makes `judged`."""

    spec: ObjectSpec
    present: tuple[str, ...]
    dates: Mapping[str, str]
    lookups: Lookups
    reading: Reading

    def __post_init__(self) -> None:
        required = set(self.spec.needed)
        self.checked: list[tuple[str, RejectReason, str]] = []
        for name in self.present:
            kind = self.spec.columns[name].kind
            reason = typing_sql.REASONS.get(kind)
            if (self.spec.table, name) in typing_sql.CLOSED_SETS:
                reason = reason or RejectReason.BAD_VALUE
            if reason is None or name in required:
                continue
            self.checked.append((name, reason, f"{quoted(name)} is not null and {quoted('t_' + name)} is null"))
            if kind is Kind.TIMESTAMP and not self._may_be_ahead(name):
                late = f"{quoted('t_' + name)} > {self._horizon}"
                self.checked.append((name, RejectReason.IN_FUTURE, f"coalesce({late}, false)"))

    @property
    def _horizon(self) -> str:
        return f"timestamp '{self.reading.exported_at + _FUTURE_TOLERANCE:%Y-%m-%d %H:%M:%S}'"

    def _may_be_ahead(self, name: str) -> bool:
        return name in typing_sql.MAY_BE_AHEAD or (self.spec.table, name) in typing_sql.MAY_BE_AHEAD_IN

    def statement(self) -> str:
        """The whole statement."""
        typed = ", ".join(f"{self._typed(name)} as {quoted('t_' + name)}" for name in self.present)
        issues = " + ".join(
            f"case when {condition} then {1 << bit} else 0 end" for bit, (_, _, condition) in enumerate(self.checked)
        )
        outputs = ", ".join(f"{self._output(name)} as {quoted(name)}" for name in self.spec.columns)
        phones = "".join(
            f", {quoted(name + '__region') if name in self.present else 'null::varchar'} as {quoted(name + '_country')}"
            for name in self.spec.of_kind(Kind.PHONE)
        )
        body = (
            f"with looked_up as (select * from {self.lookups.relation}), "
            f"typed as (select *, {typed} from looked_up), "
            f"judged as (select {ROW_NUMBER}, {outputs}{phones}, {self._reject()} as _reject, "
            f"({issues or '0'})::bigint as _issues{self._carried()} from typed)"
        )
        if not self.spec.is_people:
            return f"create or replace temp table judged as {body} select * from judged"
        return f"create or replace temp table judged as {body}, {people.statement(self.spec, self.reading.country)}"

    def _carried(self) -> str:
        """Look-ups that the columns about people are derived from."""
        if not self.spec.is_people:
            return ""
        name = "state__key" if "state" in self.present else "null::varchar"
        return f", {name} as _state_key"

    def _typed(self, name: str) -> str:
        kind = self.spec.columns[name].kind
        if kind is Kind.TIMESTAMP:
            return f"(case when {self.dates[name]} >= timestamp '{EARLIEST}' then {self.dates[name]} end)::timestamp"
        if name in self.lookups.values:
            return self.lookups.values[name]
        return typing_sql.typed(name, kind, table=self.spec.table)

    def _output(self, name: str) -> str:
        kind = self.spec.columns[name].kind
        if name not in self.present:
            return f"null::{typing_sql.raw_type(kind)}"
        value = quoted("t_" + name)
        if kind is Kind.TIMESTAMP and not self._may_be_ahead(name):
            return f"case when {value} <= {self._horizon} then {value} end"
        if name in typing_sql.FAIL_CLOSED:
            unreadable = f"({quoted(name)} is not null and {value} is null)"
            if name == "is_dnd" and "dnd_settings" in self.present:
                unreadable = f"({unreadable} or (dnd_settings is not null and t_dnd_settings is null))"
            return f"case when {unreadable} then true else {value} end"
        return value

    def _reject(self) -> str:
        cases = []
        for name in self.spec.required:
            reason = typing_sql.REASONS.get(self.spec.columns[name].kind, RejectReason.BAD_VALUE)
            cases.append(f"when {quoted(name)} is null then '{name}|{RejectReason.MISSING_REQUIRED}'")
            cases.append(f"when {quoted('t_' + name)} is null then '{name}|{reason}'")
            if self.spec.columns[name].kind is Kind.TIMESTAMP and not self._may_be_ahead(name):
                cases.append(f"when {quoted('t_' + name)} > {self._horizon} then '{name}|{RejectReason.IN_FUTURE}'")
        some = [name for name in self.spec.required_any if name in self.present]
        if some:
            empty = " and ".join(f"{quoted(name)} is null" for name in some)
            unread = " and ".join(f"{quoted('t_' + name)} is null" for name in some)
            reason = typing_sql.REASONS[self.spec.columns[some[0]].kind]
            cases.append(f"when {empty} then '{some[0]}|{RejectReason.MISSING_REQUIRED}'")
            cases.append(f"when {unread} then '{some[0]}|{reason}'")
        return f"case {' '.join(cases)} end" if cases else "null::varchar"


def _collect_rejects(connection: duckdb.DuckDBPyConnection, spec: ObjectSpec, reading: Reading) -> None:
    connection.execute(
        f"create or replace temp table judged_rejects as select {ROW_NUMBER} as row_number, "
        "split_part(_reject, '|', 1) as column_name, split_part(_reject, '|', 2) as reason "
        "from judged where _reject is not null"
    )
    if spec.key is not None:
        connection.execute(
            # Hashes of eight bytes find the few ids that may repeat; only those are put in order.
            f"insert into judged_rejects with accepted as not materialized "
            f"(select {ROW_NUMBER}, {spec.key} from judged where _reject is null), suspects as "
            f"(select hash({spec.key}) as key_hash from accepted group by key_hash having count(*) > 1) "
            f"select {ROW_NUMBER}, '{spec.key}', '{RejectReason.DUPLICATE_ID}' from accepted "
            f"where hash({spec.key}) in (select key_hash from suspects) "
            f"qualify row_number() over (partition by {spec.key} order by {ROW_NUMBER}) > 1"
        )
    structural = reading.folder / REJECTS
    if structural.exists():
        connection.execute(
            f"insert into judged_rejects select {ROW_NUMBER}, column_name, reason from "
            f"read_parquet({text(str(structural))})"
        )


def _collect_issues(connection: duckdb.DuckDBPyConnection, checked: list[tuple[str, RejectReason, str]]) -> None:
    connection.execute(
        "create or replace temp table judged_issues (row_number bigint, column_name varchar, reason varchar)"
    )
    if not checked:
        return
    unions = " union all ".join(
        f"select {ROW_NUMBER}, {text(name)}, '{reason}' from flagged where _issues & {1 << bit} <> 0"
        for bit, (name, reason, _) in enumerate(checked)
    )
    connection.execute(
        f"insert into judged_issues with flagged as materialized (select {ROW_NUMBER}, _issues from judged "
        f"where _reject is null and _issues <> 0) {unions}"
    )
    connection.execute("delete from judged_issues where row_number in (select row_number from judged_rejects)")


def _counts(connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    """Rows judged, rejects of all kinds, and those of them that were no rows at all."""
    row = connection.execute(
        f"""select (select count(*) from judged), (select count(*) from judged_rejects),
                   (select count(*) from judged_rejects r
                    where reason in ('{RejectReason.MALFORMED_ROW}', '{RejectReason.ENCODING}'))"""
    ).fetchone()
    if row is None:
        raise AssertionError("an aggregate has one row")
    return int(row[0]), int(row[1]), int(row[2])
