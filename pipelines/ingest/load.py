"""Landings into raw tables: what should be there is compared with what is, and each difference is one transaction."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import duckdb

from contracts.errors import BadInputError
from contracts.words import Crm
from pipelines.ingest.aliases import ObjectSpec, alias_table
from pipelines.ingest.discover import FileProblem
from pipelines.ingest.effective import Effective
from pipelines.ingest.expectations import Verdict
from pipelines.ingest.judge import Judgement, Reading, judge
from pipelines.ingest.people import register_places
from pipelines.ingest.reading import quoted
from pipelines.ingest.tables import LINEAGE, ensure_tables, raw_columns

_OBSERVED: Final = ("created_at", "occurred_at")
_OPT_OUT: Final = frozenset(["is_opted_out_email", "is_dnd", "dnd_settings"])
_PHONE_OPT_OUT: Final = frozenset(["is_do_not_call", "is_dnd", "dnd_settings"])
# Below this a second thread costs more than it brings.
_FEW_ROWS: Final = 200_000
# Bytes; what a large file needs beyond is spilled to disk, so that memory does not grow with the file.
_MOST_MEMORY: Final = 1 << 30

T = TypeVar("T")
Validate = Callable[[duckdb.DuckDBPyConnection, ObjectSpec, Judgement], list[Verdict]]


@dataclass
class LoadReport:
    """What a load did: landings loaded and removed now, and files refused (now or before, still true)."""

    loaded: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)


def load(
    connection: duckdb.DuckDBPyConnection,
    crm: Crm,
    wanted: list[Effective],
    *,
    max_reject_share: float,
    validate: Validate,
) -> LoadReport:
    """Make the raw tables of one CRM hold exactly the wanted landings.

    Args:
        connection: read-write connection to the warehouse.
        crm: whose landings `wanted` are all.
        max_reject_share: a file with a larger share of rejected rows is refused whole.
        validate: contract of the door, run on the judged rows before they are committed.
    """
    report = LoadReport()
    threads = int(_one(connection, "select current_setting('threads')"))
    memory = int(_one(connection, "select parse_formatted_bytes(current_setting('memory_limit'))"))
    connection.execute(f"set memory_limit = '{min(memory, _MOST_MEMORY)}B'")
    anew = ensure_tables(connection)
    prints = {item.landing_id: item.fingerprint(max_reject_share=max_reject_share) for item in wanted}
    present, refused = _present(connection, crm, anew)
    stale = [key for key in {**present, **refused} if key not in prints]
    for identity in sorted(stale):
        _in_transaction(connection, functools.partial(_remove, connection, crm, identity))
        report.removed.append(identity)
    is_registered = False
    for item in wanted:
        fingerprint = prints[item.landing_id]
        if present.get(item.landing_id) == (fingerprint, item.is_superseded):
            continue
        if not item.is_superseded and item.landing_id in refused and refused[item.landing_id][0] == fingerprint:
            report.problems.append(refused[item.landing_id][1])
            continue
        if not is_registered:
            register_places(connection)
            is_registered = True
        connection.execute(f"set threads = {1 if item.manifest.rows < _FEW_ROWS else threads}")
        loader = _Loader(connection, item, fingerprint, max_reject_share, validate)
        problem = _in_transaction(connection, loader.run)
        if problem is not None:
            report.problems.append(problem)
        else:
            report.loaded.append(item.landing_id)
    connection.execute(f"set threads = {threads}")
    connection.execute(f"set memory_limit = '{memory}B'")
    return report


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = connection.execute(sql).fetchone()
    return row[0] if row else None


def _present(
    connection: duckdb.DuckDBPyConnection, crm: Crm, anew: tuple[str, ...]
) -> tuple[dict[str, tuple[str, bool]], dict[str, tuple[str, FileProblem]]]:
    lost = {name for name, spec in alias_table(crm).objects.items() if spec.table in anew}
    present = {
        row[0]: (row[1], bool(row[2]))
        for row in connection.execute(
            "select landing_id, judge_fingerprint, is_superseded, object from raw.landings where crm = ?", [crm.value]
        ).fetchall()
        if row[3] not in lost
    }
    refused = {
        row[0]: (row[1], FileProblem(row[2], row[3], row[4], row[5], row[6]))
        for row in connection.execute(
            "select landing_id, judge_fingerprint, source, object, what, place, remedy from raw.refused_landings "
            "where crm = ?",
            [crm.value],
        ).fetchall()
    }
    return present, refused


def _in_transaction(connection: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    connection.execute("begin")
    try:
        result = work()
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return result


def _remove(connection: duckdb.DuckDBPyConnection, crm: Crm, identity: str) -> None:
    for spec in alias_table(crm).objects.values():
        connection.execute(f"delete from raw.{quoted(spec.table)} where _landing_id = ?", [identity])
    for book in ("landings", "rejects", "field_issues", "landing_coverage", "validations", "refused_landings"):
        connection.execute(f"delete from raw.{book} where landing_id = ?", [identity])


@dataclass
class _Loader:
    """Loads one landing inside a transaction."""

    connection: duckdb.DuckDBPyConnection
    item: Effective
    fingerprint: str
    max_reject_share: float
    validate: Validate

    @property
    def spec(self) -> ObjectSpec:
        return alias_table(self.item.manifest.crm).objects[self.item.manifest.object]

    def run(self) -> FileProblem | None:
        _remove(self.connection, self.item.manifest.crm, self.item.landing_id)
        if self.item.is_superseded:
            self._note_landing(None)
            return None
        try:
            judgement = judge(self.connection, self.spec, self._reading())
            verdicts = self.validate(self.connection, self.spec, judgement)
            self._note_verdicts(verdicts)
            self._check(judgement, verdicts)
        except BadInputError as error:
            return self._refuse(error)
        self._insert_rows()
        self._insert_books()
        self._note_landing(judgement)
        return None

    def _reading(self) -> Reading:
        record = self.item.record
        return Reading(
            folder=self.item.folder,
            header=self.item.manifest.columns,
            exported_at=record.exported_at,
            declared_dates=record.declared_dates,
            time_zone=record.time_zone,
            mapping=record.mapping,
            country=self.item.country,
            where=f"{self.item.manifest.source}/{record.file_name}",
        )

    def _check(self, judgement: Judgement, verdicts: list[Verdict]) -> None:
        where = f"{self.item.manifest.source}/{self.item.record.file_name}"
        if judgement.rows_in == 0 and self.spec.is_people:
            raise BadInputError(
                "The file holds no rows; as a full export it would delete everyone.",
                where=where,
                remedy="Export it again, or remove the file if there is nothing to export.",
            )
        failed = [verdict for verdict in verdicts if not verdict.is_met]
        if failed:
            shares = f"{judgement.rows_rejected:,} of {judgement.rows_in:,} rows are rejected"
            rules = "; ".join(verdict.words for verdict in failed[:3])
            reasons = ", ".join(f"{name} {count:,}" for name, count in self._reject_reasons())
            raise BadInputError(
                f"The file breaks its contract: {rules} ({shares}{': ' + reasons if reasons else ''}).",
                where=where,
                remedy="`raw.rejects` lists each row with its reason; mend the export, the file waits until then.",
            )

    def _reject_reasons(self) -> list[tuple[str, int]]:
        return self.connection.execute(
            "select coalesce(column_name, 'row') || ' ' || reason, count(*) as n from judged_rejects "
            "group by 1 order by n desc, 1 limit 3"
        ).fetchall()

    def _refuse(self, error: BadInputError) -> FileProblem:
        manifest, record = self.item.manifest, self.item.record
        problem = FileProblem.of(manifest.source, manifest.object, error)
        exists = _one(
            self.connection, "select count(*) from duckdb_tables() where table_name = 'judged_rejects' and temporary"
        )
        counts = (manifest.rows + manifest.structural_rejects, 0)
        if exists and "rejected" in error.what:
            self._insert_problem_rows("rejects", "judged_rejects")
            counts = (counts[0], int(_one(self.connection, "select count(*) from judged_rejects")))
        self.connection.execute(
            "insert into raw.refused_landings values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                self.item.landing_id,
                manifest.source,
                manifest.crm.value,
                manifest.object,
                record.file_name,
                self.fingerprint,
                problem.what,
                problem.where,
                problem.remedy,
                *counts,
            ],
        )
        return problem

    def _insert_rows(self) -> None:
        manifest = self.item.manifest
        own = [name for name in raw_columns(self.spec) if name not in LINEAGE]
        fields = ", ".join(f"j.{quoted(name)}" for name in own)
        order = "" if self._is_in_order() else "order by j._row_number"
        self.connection.execute(
            f"insert into raw.{quoted(self.spec.table)} select {fields}, ?, ?, j._row_number, ?::timestamp "
            f"from judged j anti join judged_rejects r on j._row_number = r.row_number {order}",
            [manifest.source, self.item.landing_id, self.item.record.exported_at],
        )

    def _is_in_order(self) -> bool:
        """Whether `judged` is long and lies in the order of the file, as it does unless a join was turned around.

        Then the insert, which keeps the order that it reads, needs no sort of wide rows.
        """
        if self.item.manifest.rows < _FEW_ROWS:
            return False
        back = "select j._row_number < lag(j._row_number) over () as is_back from judged j"
        return not _one(self.connection, f"select count(*) from ({back}) where is_back")

    def _insert_books(self) -> None:
        self._insert_problem_rows("rejects", "judged_rejects")
        self._insert_problem_rows("field_issues", "judged_issues")
        names = list(self.spec.columns)
        counts = ", ".join(f"count({quoted(name)})" for name in names)
        row = self.connection.execute(
            f"select count(*), {counts} from judged j anti join judged_rejects r on j._row_number = r.row_number"
        ).fetchone()
        if row is not None:
            self.connection.executemany(
                "insert into raw.landing_coverage values (?, ?, ?, ?)",
                [[self.item.landing_id, name, row[0], filled] for name, filled in zip(names, row[1:], strict=True)],
            )

    def _insert_problem_rows(self, book: str, table: str) -> None:
        manifest, record = self.item.manifest, self.item.record
        self.connection.execute(
            f"insert into raw.{book} select ?, ?, ?, ?, row_number, column_name, reason from {table} "
            "order by row_number, column_name, reason",
            [self.item.landing_id, manifest.source, manifest.object, record.file_name],
        )

    def _note_verdicts(self, verdicts: list[Verdict]) -> None:
        if verdicts:
            self.connection.executemany(
                "insert into raw.validations values (?, ?, ?, ?, ?, ?)",
                [
                    [self.item.landing_id, item.expectation, item.column, item.is_met, item.checked, item.unexpected]
                    for item in verdicts
                ],
            )

    def _observed(self, judgement: Judgement) -> tuple[object, object]:
        names = [name for name in _OBSERVED if name in judgement.present]
        if not names:
            return None, None
        limit = f"timestamp '{self.item.record.exported_at:%Y-%m-%d %H:%M:%S}'"
        newest = ", ".join(f"max({name}) filter ({name} <= {limit})" for name in names)
        row = self.connection.execute(
            f"select greatest({newest}), least({', '.join(f'min({name})' for name in names)}) "
            "from judged where _reject is null"
        ).fetchone()
        return (row[0], row[1]) if row else (None, None)

    def _note_landing(self, judgement: Judgement | None) -> None:
        item, manifest, record = self.item, self.item.manifest, self.item.record
        newest, oldest = self._observed(judgement) if judgement else (None, None)
        present = set(judgement.present) if judgement else set()
        self.connection.execute(
            f"insert into raw.landings values ({', '.join('?' * 27)})",
            [
                item.landing_id,
                manifest.source,
                manifest.crm.value,
                manifest.object,
                item.source.market if item.source else None,
                record.file_name,
                manifest.sha256,
                record.exported_at,
                record.mode.value,
                item.is_history,
                item.assumed_lag_hours,
                manifest.encoding,
                manifest.delimiter,
                manifest.compression,
                judgement.rows_in if judgement else manifest.rows + manifest.structural_rejects,
                judgement.rows_loaded if judgement else 0,
                judgement.rows_rejected if judgement else 0,
                item.supersedes,
                item.is_superseded,
                bool(present & _OPT_OUT),
                bool(present & _PHONE_OPT_OUT),
                alias_table(manifest.crm).version,
                list(judgement.columns_unmapped) if judgement else [],
                list(judgement.columns_missing) if judgement else [],
                self.fingerprint,
                newest,
                oldest,
            ],
        )
