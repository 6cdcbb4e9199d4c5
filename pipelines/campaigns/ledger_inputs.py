"""Until when a plan reads the ledger, and whom the batches of earlier days reach."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import duckdb
import pyarrow as pa

from pipelines.resources import Engine
from recovery.addresses import load_address_key
from recovery.cadence import Contact, parse_caps
from recovery.ledger import BatchRecord, Ledger
from recovery.ledger.engine import reading
from recovery.ledger.feed import read_contacts
from recovery.permission.book import read_families
from recovery.planning.pacing import Pace

_INSTANT: Final = timedelta(microseconds=1)
_PEOPLE_SQL: Final = "select person_id, email, phone_e164 from marts.dim_people where is_dormant order by person_id"


@dataclass(frozen=True)
class Reading:
    """At which moment a plan reads the ledger, naive UTC; `known_by` is None where everything counts that stands."""

    at: datetime
    known_by: datetime | None


def reading_of(engine: Engine, as_of: date, standing: BatchRecord | None) -> Reading:
    """How the ledger is read for a day's plan.

    A plan whose batch has left is made again from what was known when the batch was written down; one of an older
    date from what was known when that date began. The newest knows everything, whatever the clock of its recorder.
    """
    if standing is not None:
        return Reading(standing.created_at, standing.created_at)
    if engine.is_newest(as_of):
        return Reading(engine.now().astimezone(UTC).replace(tzinfo=None), None)
    begins = datetime.combine(as_of, time())
    return Reading(begins, begins)


def contacts_digest(engine: Engine, ledger: Ledger, *, as_of: date, read: Reading) -> str:
    """Hash of the contacts that count against the frequency caps of a day."""
    rows = _contacts(engine, ledger, as_of=as_of, read=read).to_pylist()
    return hashlib.sha256("\n".join(str(row) for row in rows).encode()).hexdigest()


def pace_of(
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    ledger: Ledger,
    *,
    as_of: date,
    read: Reading,
    renamed: Mapping[str, str],
) -> Pace:
    """Caps and the contacts of earlier batches, merged people under their present id."""
    caps = parse_caps(engine.settings.frequency_caps)
    rows = _contacts(engine, ledger, as_of=as_of, read=read).to_pylist()
    dormant = connection.execute(_PEOPLE_SQL).fetchall()
    people = {person for person, _, _ in dormant}
    with reading(ledger.engine) as ledger_connection:
        families = read_families(ledger_connection, {row["person_id"] for row in rows}, known_by=read.known_by)
    contacts = []
    for row in rows:
        family = {renamed.get(member, member) for member in families[row["person_id"]]}
        units = {"person": min(family & people, default=row["person_id"])}
        units |= {"account": row["account_id"]} if row["account_id"] else {}
        units |= {"address": row["address_hash"]} if row["address_hash"] else {}
        contacts.append(Contact(row["at"], row["channel"], units))
    hashes = {}
    if any(cap.scope == "address" for cap in caps):
        key = load_address_key(engine.settings.secrets_dir)
        hashes = {address: key.hash(address) for _, *both in dormant for address in both if address}
    return Pace(caps, tuple(contacts), hashes)


def _contacts(engine: Engine, ledger: Ledger, *, as_of: date, read: Reading) -> pa.Table:
    caps = parse_caps(engine.settings.frequency_caps)
    longest = max((cap.within for cap in caps), default=timedelta())
    since = datetime.combine(as_of, time()) - longest
    return read_contacts(ledger.engine, as_of=as_of, before=read.at + _INSTANT, since=since)
