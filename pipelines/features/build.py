"""The steps of the feature stage as plain functions: values in, warehouse tables out. No Dagster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from contracts.settings import Settings
from pipelines.features import dates as when
from pipelines.features.links import LinkReport, update_links
from pipelines.features.project import DbtProject, code_fingerprint
from pipelines.features.state import StepOutcome, count_rows, forget_outcome, read_outcome, write_outcome
from pipelines.warehouse import Warehouse
from recovery.access.activities import told_before
from recovery.ledger import Ledger, open_ledger
from recovery.ledger.feed import read_events, read_sent

PEOPLE_SELECT: Final = "+int_records +int_identity_edges"
_INPUTS: Final = {
    "people": ("raw.landings", "raw.sources"),
    "marts": (
        "raw.landings",
        "raw.sources",
        "raw.ledger__assignments",
        "raw.ledger__told_activities",
        "raw.ledger__touches",
        "raw.ledger__events",
        "intermediate.person_links",
    ),
}


@dataclass(frozen=True)
class FeatureStage:
    """The feature stage of one installation.

    Args:
        settings: settings with absolute paths.
        project_root: folder that holds `dbt/`.
        manifest_dir: state folder that holds the parsed dbt project.
        warehouse: the DuckDB file.
    """

    settings: Settings
    project_root: Path
    manifest_dir: Path
    warehouse: Warehouse

    def build_people(self, as_of: date) -> StepOutcome:
        """Staging, record versions, records and identity edges."""
        plan = when.DatesPlan(as_of=as_of, missing=(), full=(), sample_modulus=1, fingerprint="")
        return self._build(
            "people", select=PEOPLE_SELECT.split(), exclude=(), variables=when.variables(plan, self.settings)
        )

    def copy_assignments(self, as_of: date) -> int:
        """Copy the assignments of earlier dates to `raw.ledger__assignments`; returns the rows."""
        with self._ledger() as ledger:
            rows = ledger.read_assignments(before=as_of)
        return self._copy(rows, "raw.ledger__assignments", order="as_of_date, assignment_id")

    def copy_told_activities(self, as_of: date) -> int:
        """Copy what applications told before the date to `raw.ledger__told_activities`; returns the rows."""
        with self._ledger() as ledger:
            rows = told_before(ledger.engine, datetime.combine(as_of, time()))
        return self._copy(rows, "raw.ledger__told_activities", order="observed_at, activity_id")

    def copy_touches(self, as_of: date) -> int:
        """Copy what left before a date began to `raw.ledger__touches`; returns the rows."""
        with self._ledger() as ledger:
            rows = read_sent(ledger.engine, before=datetime.combine(as_of, time()))
        return self._copy(rows, "raw.ledger__touches", order="touch_id")

    def copy_events(self, as_of: date) -> int:
        """Copy what was told before a date began to `raw.ledger__events`; returns the rows."""
        with self._ledger() as ledger:
            rows = read_events(ledger.engine, before=datetime.combine(as_of, time()))
        return self._copy(rows, "raw.ledger__events", order="provider, event_id")

    def _copy(self, rows: pa.Table, table: str, *, order: str) -> int:
        with self.warehouse.open() as connection:
            connection.register("incoming_rows", rows)
            connection.execute("create schema if not exists raw")
            connection.execute(f"create or replace table {table} as select * from incoming_rows order by {order}")
            connection.unregister("incoming_rows")
        return int(rows.num_rows)

    def link_people(self, as_of: date) -> LinkReport:
        """Resolve identity against the ledger and write `intermediate.person_links`."""
        with self._ledger() as ledger, self.warehouse.open() as connection:
            return update_links(connection, ledger, as_of=as_of)

    def build_marts(self, as_of: date) -> StepOutcome:
        """Everything after the person links: activities, snapshots, labels and the other marts."""
        with self.warehouse.open() as connection:
            plan = self._plan(connection, as_of)
        variables = when.variables(plan, self.settings)
        # A rerun has no missing dates: what it would build is the same either way.
        stable = {name: value for name, value in variables.items() if name not in ("snapshot_dates", "full_dates")}
        reused = self._reusable("marts", stable, also=plan.fingerprint) if not plan.missing else None
        if reused is not None:
            return reused
        with self.warehouse.open() as connection:
            when.forget(connection, plan)
        outcome = self._build(
            "marts",
            select=["*"],
            exclude=PEOPLE_SELECT.split(),
            variables=variables,
            identity=stable,
            also=plan.fingerprint,
        )
        if all(node.status not in ("error", "skipped", "runtime error") for node in outcome.nodes):
            with self.warehouse.open() as connection:
                when.remember(connection, plan)
        return outcome

    def _ledger(self) -> Ledger:
        return open_ledger(self.settings.ledger_sqlalchemy_url)

    def _plan(self, connection: duckdb.DuckDBPyConnection, as_of: date) -> when.DatesPlan:
        settings = self.settings
        people = connection.execute("select count(distinct person_id) from intermediate.person_links").fetchone()
        modulus = when.sample_modulus(
            people=int(people[0]) if people else 0,
            weeks=settings.training_weeks,
            limit=settings.max_training_snapshots,
        )
        code = code_fingerprint(self.project_root)
        definition = when.digest(when.definitions(settings), modulus)
        return when.plan_dates(
            as_of=as_of,
            weeks=settings.training_weeks,
            done=when.read_done(connection, self.warehouse),
            fingerprint=when.past_fingerprint(connection, as_of=as_of, code=code, definitions=definition),
            modulus=modulus,
        )

    def _fingerprint(
        self, connection: duckdb.DuckDBPyConnection, step: str, variables: Mapping[str, Any], also: str
    ) -> str:
        parts: list[Any] = [code_fingerprint(self.project_root), dict(variables), also]
        for table in _INPUTS[step]:
            if self.warehouse.exists(connection, table):
                # Of the text: hashes of rows that change alike would cancel out.
                row = connection.execute(
                    f"select count(*), sum(hash(t::varchar)::hugeint) from {table} as t"
                ).fetchone()
                parts.append([table, str(row)])
        return when.digest(*parts)

    def _reusable(self, step: str, variables: Mapping[str, Any], *, also: str = "") -> StepOutcome | None:
        with self.warehouse.open() as connection:
            fingerprint = self._fingerprint(connection, step, variables, also)
            return read_outcome(connection, self.warehouse, step=step, fingerprint=fingerprint)

    def _build(
        self,
        step: str,
        *,
        select: Sequence[str],
        exclude: Sequence[str],
        variables: Mapping[str, Any],
        identity: Mapping[str, Any] | None = None,
        also: str = "",
    ) -> StepOutcome:
        known = identity if identity is not None else variables
        if identity is None and (reused := self._reusable(step, known, also=also)) is not None:
            return reused
        with self.warehouse.open() as connection:
            forget_outcome(connection, step=step)
            fingerprint = self._fingerprint(connection, step, known, also)
        project = DbtProject(project_root=self.project_root, manifest_dir=self.manifest_dir, warehouse=self.warehouse)
        nodes = project.build(select=select, exclude=exclude, variables=variables)
        models = [node.unique_id.split(".")[-1] for node in nodes if node.unique_id.startswith("model.")]
        with self.warehouse.open() as connection:
            names = _relations(connection, models)
            outcome = StepOutcome(nodes, count_rows(connection, names))
            if all(node.is_good or node.status == "warn" for node in nodes):
                write_outcome(connection, outcome, step=step, fingerprint=fingerprint)
        return outcome


def _relations(connection: duckdb.DuckDBPyConnection, models: Sequence[str]) -> list[str]:
    rows = connection.execute(
        """
        select table_schema || '.' || table_name from information_schema.tables
        where table_schema in ('staging', 'intermediate', 'marts') and table_name in (select unnest(?))
        order by 1
        """,
        [list(models)],
    ).fetchall()
    return [row[0] for row in rows]
