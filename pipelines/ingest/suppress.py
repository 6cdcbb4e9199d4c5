"""`recovery suppress FILE`: a do-not-contact list of the operator, landed beside the declared sources."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from contracts.errors import BadInputError, SettingError
from contracts.files import sha256_file
from contracts.sources import Mode
from contracts.words import Crm, SuppressionReason
from pipelines.ingest.aliases import alias_table, match_headers
from pipelines.ingest.detect import find_shape
from pipelines.ingest.discover import Delivery
from pipelines.ingest.effective import OPERATOR
from pipelines.ingest.judge import Judgement, Reading, judge
from pipelines.ingest.landing import land, landing_lock, read_manifest
from pipelines.ingest.mapping import address_column
from pipelines.ingest.people import register_places

if TYPE_CHECKING:
    from pipelines.resources import Engine

_OBJECT = "suppressions"


@dataclass(frozen=True)
class SuppressionReport:
    """What a list holds: rows taken, rows rejected, and the columns that were read."""

    rows: int
    rejected: int
    columns: tuple[str, ...]

    def __str__(self) -> str:
        told = f"{self.rows:,} addresses are suppressed from now on (read from {', '.join(self.columns)})."
        if self.rejected:
            told += f" {self.rejected:,} rows hold no address that could be read; raw.rejects will list them."
        return told


def land_suppressions(engine: Engine, file: Path, *, reason: str) -> SuppressionReport:
    """Land a list of e-mail addresses or phone numbers, and write it into the ledger at once.

    It holds from now on, also for a batch that was approved before; the next run loads it into the warehouse. Landing
    it again changes nothing.

    A column of reasons in the file wins over `reason`. Dates in the file are kept where their format is certain.

    Args:
        engine: the installation.
        file: CSV or Parquet with a column of addresses or numbers.
        reason: a `SuppressionReason`.

    Raises:
        SettingError: the reason is unknown.
        BadInputError: the file cannot be read or no column holds addresses.
    """
    known = [item.value for item in SuppressionReason]
    if reason not in known:
        raise SettingError(f"'{reason}' is no reason.", where="--reason", remedy=f"Use one of {', '.join(known)}.")
    settings = engine.settings
    moment = engine.now().astimezone(UTC).replace(tzinfo=None, microsecond=0)
    mapping = _mapping(file, reason)
    delivery = Delivery(
        source=OPERATOR,
        crm=Crm.MAPPED_CSV,
        object=_OBJECT,
        path=file,
        exported_at=moment,
        mode=Mode.INCREMENTAL,
        time_zone="UTC",
        mapping=mapping,
    )
    digest = sha256_file(file)
    with landing_lock(settings.landing_dir):
        folder = settings.landing_dir / OPERATOR / _OBJECT / digest
        if not (folder / "manifest.json").exists():
            land(
                delivery,
                root=settings.landing_dir,
                sha256=digest,
                now=moment,
                memory=settings.duckdb_memory,
                threads=settings.duckdb_threads,
            )
    try:
        outcome, rows = _try(folder, delivery)
    except BadInputError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _record(engine, rows, reason, moment)
    columns = tuple(str(value["column"]) for value in mapping.values() if "column" in value)
    return SuppressionReport(outcome.rows_loaded, outcome.rows_rejected, columns)


def _mapping(file: Path, reason: str) -> dict[str, dict[str, Any]]:
    """Columns by their names; a file without a name that is known is a list, whose only or first address column
    is found by its values."""
    header = find_shape(file).header
    spec = alias_table(Crm.MAPPED_CSV).objects[_OBJECT]
    found = match_headers(spec, header).headers
    mapping: dict[str, dict[str, Any]] = {
        name: {"column": column} for name, column in found.items() if name in ("email", "phone", "occurred_at")
    }
    if "email" not in mapping and "phone" not in mapping:
        name, column = address_column(file)
        mapping[name] = {"column": column}
    mapping["reason"] = {"const": reason}
    return mapping


def _record(
    engine: Engine, rows: list[tuple[str | None, str | None, datetime | None]], reason: str, now: datetime
) -> None:
    """Write the refusals into the ledger; an address that bounced or opted out is closed alone, else every channel."""
    from recovery.addresses import load_address_key
    from recovery.ledger import ledger_url, open_ledger
    from recovery.ledger.engine import writing
    from recovery.permission import Stance
    from recovery.permission.book import Entry, record_import

    settings = engine.settings
    key = load_address_key(settings.secrets_dir)
    is_narrow = reason in (SuppressionReason.OPT_OUT.value, SuppressionReason.HARD_BOUNCE.value)
    entries = [
        Entry(
            channel=("email" if number == 0 else "sms") if is_narrow else "all",
            stance=Stance.REFUSED,
            basis=reason,
            source=OPERATOR,
            address_hash=key.hash(address),
            evidence="suppression list",
            since=at,
            sender_id=settings.sender_id,
        )
        for *addresses, at in rows
        for number, address in enumerate(addresses)
        if isinstance(address, str)
    ]
    explicit = settings.ledger_url.get_secret_value() if settings.ledger_url else None
    with open_ledger(ledger_url(explicit, settings.var_dir)) as ledger, writing(ledger.engine) as connection:
        record_import(connection, entries, now=now)


def _try(folder: Path, delivery: Delivery) -> tuple[Judgement, list[tuple[Any, Any, Any]]]:
    """Judge the list as the next run will, in memory, so that a fault is told now; also its addresses and dates."""
    spec = alias_table(delivery.crm).objects[_OBJECT]
    manifest = read_manifest(folder)
    record = manifest.deliveries[0]
    reading = Reading(
        folder=folder,
        header=manifest.columns,
        exported_at=record.exported_at,
        declared_dates=record.declared_dates,
        time_zone=record.time_zone,
        mapping=record.mapping,
        country=None,
        where=str(delivery.path),
    )
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        register_places(connection)
        outcome = judge(connection, spec, reading)
        rows = connection.execute(
            "select email, phone, coalesce(occurred_at, ?) from judged where _reject is null", [record.exported_at]
        ).fetchall()
    if outcome.rows_loaded == 0:
        raise BadInputError(
            "No row holds an address or a number that could be read.",
            where=str(delivery.path),
            remedy="The file needs a column of e-mail addresses, or of phone numbers that begin with +.",
        )
    return outcome, rows
