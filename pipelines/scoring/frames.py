"""Reads who is to be scored, and who may not be."""

from __future__ import annotations

from datetime import date
from typing import Final

import duckdb

from contracts.words import SuppressionReason, UnscoredReason
from models.training.fingerprint import fingerprint
from pipelines.warehouse import Warehouse

SNAPSHOTS: Final = "marts.lead_snapshots"
PERMISSIONS: Final = "marts.fct_permissions"
PEOPLE: Final = "marts.dim_people"
# A person who objects to profiling or complains is not scored (GDPR Art. 21): a fact for all channels.
_NOT_SCORED: Final = {
    SuppressionReason.OBJECTION.value: UnscoredReason.OBJECTED.value,
    SuppressionReason.COMPLAINT.value: UnscoredReason.OBJECTED.value,
}


def unscored_people(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, *, as_of: date) -> dict[str, str]:
    """Dormant people who may not be scored: person_id -> reason."""
    if not warehouse.exists(connection, PERMISSIONS) or not warehouse.exists(connection, SNAPSHOTS):
        return {}
    rows = connection.execute(
        f"""
        select distinct p.person_id, p.basis
        from {PERMISSIONS} as p
        join {SNAPSHOTS} as s on s.person_id = p.person_id and s.as_of_date = ?
        where
            p.stance = 'refused'
            and p.channel = 'all'
            and p.basis in (select unnest(cast(? as varchar[])))
            and (p.observed_at is null or p.observed_at < cast(? as timestamp))
        order by p.person_id, p.basis
        """,
        [as_of, list(_NOT_SCORED), as_of],
    ).fetchall()
    return {person: _NOT_SCORED[basis] for person, basis in rows}


def people_fingerprint(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, *, as_of: date, columns: tuple[str, ...]
) -> str:
    """Fingerprint of everyone dormant on a date: snapshots, owners and who may not be scored."""
    if not warehouse.exists(connection, SNAPSHOTS):
        return "empty"
    listed = ", ".join(columns)
    snapshots = connection.execute(
        f"select count(*), sum(cast(hash(person_id, account_id, crm, {listed}) as hugeint)) from {SNAPSHOTS} "
        "where as_of_date = ?",
        [as_of],
    ).fetchone()
    owners = None
    if warehouse.exists(connection, PEOPLE):
        owners = connection.execute(
            f"select count(*), sum(cast(hash(person_id, owner_id, team_id) as hugeint)) from {PEOPLE} where is_dormant"
        ).fetchone()
    barred = unscored_people(warehouse, connection, as_of=as_of)
    return fingerprint(snapshots=str(snapshots), owners=str(owners), barred=barred)


def owners_of(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str | None, str | None]]:
    """Owner and team of every dormant person."""
    if not warehouse.exists(connection, PEOPLE):
        return {}
    rows = connection.execute(f"select person_id, owner_id, team_id from {PEOPLE} where is_dormant").fetchall()
    return {person: (owner, team) for person, owner, team in rows}


def dormant_count(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, *, as_of: date) -> int:
    """People dormant on a date."""
    if warehouse.exists(connection, PEOPLE):
        row = connection.execute(
            f"select count(*) filter (where is_dormant and as_of_date = ?), count(*) filter (where as_of_date = ?) "
            f"from {PEOPLE}",
            [as_of, as_of],
        ).fetchone()
        if row and row[1]:
            return int(row[0])
    if not warehouse.exists(connection, SNAPSHOTS):
        return 0
    row = connection.execute(f"select count(*) from {SNAPSHOTS} where as_of_date = ?", [as_of]).fetchone()
    return int(row[0]) if row else 0
