"""Reads who is to be scored, and who may not be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Final

import duckdb

from contracts.words import SuppressionReason, UnscoredReason
from models.training.fingerprint import fingerprint
from pipelines.campaigns.ledger_refusals import ledger_refusals
from pipelines.resources import Engine
from pipelines.warehouse import Warehouse
from recovery.addresses import load_address_key
from recovery.ledger import open_ledger

SNAPSHOTS: Final = "marts.lead_snapshots"
PERMISSIONS: Final = "marts.fct_permissions"
PEOPLE: Final = "marts.dim_people"
_RESTRICTION: Final = SuppressionReason.RESTRICTION.value
# A person who objects to profiling or complains is not scored (GDPR Art. 21): a fact for all channels. Nor is one whose
# data may only be stored (GDPR Art. 18).
_NOT_SCORED: Final = {
    _RESTRICTION: UnscoredReason.RESTRICTED.value,
    SuppressionReason.OBJECTION.value: UnscoredReason.OBJECTED.value,
    SuppressionReason.COMPLAINT.value: UnscoredReason.OBJECTED.value,
}
_TOLD_SQL: Final = f"""
    select distinct p.person_id, p.basis
    from {PERMISSIONS} as p
    where
        p.stance = 'refused' and p.channel = 'all' and (p.observed_at is null or p.observed_at < cast(? as timestamp))
"""


def unscored_people(engine: Engine, connection: duckdb.DuckDBPyConnection, *, as_of: date) -> dict[str, str]:
    """Dormant people who may not be scored: person_id -> reason, a restriction before an objection.

    On the newest date whatever the ledger knows by now counts; on an older one objections of before it, and every
    restriction that stands.
    """
    warehouse = engine.warehouse
    if not warehouse.exists(connection, PERMISSIONS) or not warehouse.exists(connection, SNAPSHOTS):
        return {}
    found = connection.execute(_TOLD_SQL, [as_of]).fetchall()
    if warehouse.exists(connection, PEOPLE):
        found += _told_to_the_ledger(engine, connection, as_of)
    rows = connection.execute(
        f"select distinct person_id from {SNAPSHOTS} where as_of_date = ? order by person_id", [as_of]
    ).fetchall()
    by_person: dict[str, set[str]] = {}
    for person, basis in found:
        by_person.setdefault(person, set()).add(basis)
    reasons = {
        person: next((_NOT_SCORED[basis] for basis in _NOT_SCORED if basis in by_person.get(person, ())), None)
        for (person,) in rows
        if person in by_person
    }
    return {person: reason for person, reason in reasons.items() if reason is not None}


def _told_to_the_ledger(engine: Engine, connection: duckdb.DuckDBPyConnection, as_of: date) -> list[tuple[str, str]]:
    now = engine.now().astimezone(UTC).replace(tzinfo=None)
    asked: list[tuple[datetime | None, Collection[str]]] = [(None, _NOT_SCORED)]
    if not engine.is_newest(as_of):
        asked = [(None, [_RESTRICTION]), (datetime.combine(as_of, time()), _NOT_SCORED)]
    key = load_address_key(engine.settings.secrets_dir)
    with open_ledger(engine.settings.ledger_sqlalchemy_url) as ledger:
        tables = [
            ledger_refusals(connection, ledger, key, at=now, known_by=known_by, bases=frozenset(bases))
            for known_by, bases in asked
        ]
    rows = [row for table in tables for row in table.select(["person_id", "channel", "basis"]).to_pylist()]
    return [(row["person_id"], row["basis"]) for row in rows if row["channel"] == "all"]


def people_fingerprint(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    *,
    as_of: date,
    columns: tuple[str, ...],
    barred: Mapping[str, str] = MappingProxyType({}),
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
    return fingerprint(snapshots=str(snapshots), owners=str(owners), barred=dict(barred))


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
