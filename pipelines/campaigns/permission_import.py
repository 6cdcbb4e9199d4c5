"""What exports, lists and the operator say about permission, written into the ledger on the day it arrives.

The ledger is the truth about permission: an opt-out that stands here stops a touch at its re-check, also one of a
batch that was approved before. Nothing that is imported counts as the person's own words, so it can lift nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from contracts.published import arrow
from pipelines.campaigns.inputs import suppression_lists
from pipelines.warehouse import Warehouse
from recovery.addresses import AddressKey
from recovery.ledger import Ledger
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.bulk import insert_rows
from recovery.ledger.engine import writing
from recovery.ledger.seals import insert_sealed_rows
from recovery.permission.book import read_families
from recovery.permission.sets import read_sets
from recovery.rights.parting import share_refusals

if TYPE_CHECKING:
    import sqlalchemy as sa

# Grounds that follow from activities are derived anew each day; they are no statements of anybody. What came from the
# ledger stands there already.
_DERIVED: Final = "('inquiry', 'purchase', 'relationship')"
_RECORD_FACTS_SQL: Final = f"""
    select
        record_key, channel, stance, basis, source, evidence, since, expires_at, collected_during,
        optout_offered_at_collection, seller, disclosure_version
    from intermediate.int_permissions__facts
    where source <> 'ledger' and (stance = 'refused' or basis not in {_DERIVED})
"""
# Refusals of exports that came after the day began.
_LATE: Final = "intermediate.int_permissions__late"
_LATE_FACTS_SQL: Final = f"""
    select record_key, channel, 'refused', basis, source, evidence, since, null, null, null, null, null
    from {_LATE} where record_key is not null
"""
_LATE_ADDRESSES_SQL: Final = f"""
    select
        null::varchar, channel, 'refused', basis, source, coalesce(evidence, ''), since, null::timestamp,
        null::varchar, null::boolean, null::varchar, null::varchar, unnest([email, phone])
    from {_LATE} where email is not null or phone is not null
"""
_PEOPLE_SQL: Final = """
    with current as (
        select record_key, arg_max(person_id, (since, person_id)) as person_id
        from intermediate.person_links group by record_key
    ),
    addresses as (
        select
            record_key, list(distinct email) filter (where email is not null) as mails,
            list(distinct phone) filter (where phone is not null) as phones
        from intermediate.int_record_versions group by record_key
    ),
    reached as (
        select
            f.*, c.person_id,
            case
                when f.channel = 'all' then list_concat(a.mails, a.phones)
                when f.channel in ('email', 'audience') then a.mails
                else a.phones
            end as addresses
        from ({facts}) as f
        left join current as c on f.record_key = c.record_key
        left join addresses as a on f.record_key = a.record_key
    )
    select
        person_id, channel, stance, basis, source, coalesce(evidence, '') as evidence, since, expires_at,
        collected_during, optout_offered_at_collection as is_optout_offered, seller, disclosure_version,
        unnest(case when len(addresses) > 0 then addresses else [null] end) as address
    from reached
"""
_LISTS_SQL: Final = """
    select
        null::varchar as person_id,
        case
            when reason not in ('opt_out', 'hard_bounce') then 'all' when email is not null then 'email' else 'sms'
        end as channel,
        'refused' as stance, reason as basis, source, 'suppression list' as evidence,
        coalesce(occurred_at, exported_at) as since, null::timestamp as expires_at,
        null::varchar as collected_during, null::boolean as is_optout_offered, null::varchar as seller,
        null::varchar as disclosure_version, unnest([email, phone]) as address
    from ({lists})
"""
_OPERATOR_SQL: Final = """
    select
        null::varchar as person_id, 'email' as channel, 'allowed' as stance,
        coalesce(declared_basis, 'relationship') as basis, source, declaration_words as evidence,
        declared_at::timestamp as since, null::timestamp as expires_at, null::varchar as collected_during,
        null::boolean as is_optout_offered, null::varchar as seller, null::varchar as disclosure_version,
        null::varchar as address
    from raw.sources where declaration_words is not null
"""
_SUPPRESSIONS_SQL: Final = """
    select
        md5(concat_ws('|', 'suppression', h.hash, coalesce(s.person_id, ''), s.channel, s.basis, s.source, s.evidence,
            s.since::varchar)) as suppression_id,
        h.hash as address_hash, s.person_id, $sender as sender_id, s.channel, s.basis as reason,
        s.source || ': ' || s.evidence as source, coalesce(s.since, $now) as since, $now as recorded_at
    from imported as s inner join address_hashes as h on s.address = h.address
    where s.stance = 'refused'
    qualify row_number() over (partition by suppression_id order by s.since) = 1
    order by suppression_id
"""
_EVENTS_SQL: Final = """
    select
        md5(concat_ws('|', 'event', coalesce(h.hash, ''), coalesce(s.person_id, ''), s.channel, s.stance, s.basis,
            s.source, s.evidence, coalesce(s.since::varchar, ''), coalesce(s.expires_at::varchar, ''), s.seller,
            s.disclosure_version)) as event_id,
        h.hash as address_hash, s.person_id, $sender as sender_id, coalesce(s.seller, '') as seller, s.channel,
        s.stance, s.basis, coalesce(s.disclosure_version, '') as disclosure_version, s.source, s.evidence,
        s.collected_during, s.is_optout_offered,
        false as is_lead_originated, coalesce(d.declared_by, '') as declared_by, s.since, s.expires_at,
        $now as recorded_at
    from imported as s
    left join address_hashes as h on s.address = h.address
    left join declared as d on s.source = d.source and s.person_id is null
    where s.stance <> 'refused' or h.hash is null
    qualify row_number() over (partition by event_id order by s.since) = 1
    order by event_id
"""
_ALIASES_SQL: Final = """
    with steps as (
        select
            person_id, since, why,
            lag(person_id) over (partition by record_key order by since, why, person_id) as before_id
        from intermediate.person_links
    ),
    pairs as (
        select distinct
            case when why = 'unmerged' then person_id else before_id end as person_id,
            case when why = 'unmerged' then before_id else person_id end as canonical_id,
            case when why = 'unmerged' then 'unmerge' else 'merge' end as kind, why, since
        from steps where before_id <> person_id
    )
    select
        md5(concat_ws('|', person_id, canonical_id, kind, since::varchar)) as alias_id, person_id, canonical_id, kind,
        min(why) as why, 'identity' as source, since, $now as recorded_at
    from pairs group by person_id, canonical_id, kind, since order by alias_id
"""


@dataclass(frozen=True)
class ImportReport:
    """New rows of the ledger, and how many were looked at.

    Attributes:
        statements: rows that exports, lists and the operator hold.
        suppressions, events, merges: rows that the ledger did not have.
    """

    statements: int
    suppressions: int
    events: int
    merges: int


def import_permissions(
    warehouse: Warehouse, ledger: Ledger, key: AddressKey, *, sender_id: str, now: datetime
) -> ImportReport:
    """Write everything that is said about permission into the ledger; what it has already is left alone.

    Args:
        warehouse: with the tables of the features stage; without them nothing is written.
        ledger: of the installation.
        key: of the addresses' hashes.
        sender_id: to whom permission is given.
        now: naive UTC.
    """
    with warehouse.open() as connection:
        if not warehouse.exists(connection, "intermediate.int_permissions__facts"):
            return ImportReport(0, 0, 0, 0)
        statements = _collect(connection, key, has_late=warehouse.exists(connection, _LATE))
        values = {"sender": sender_id, "now": now}
        suppressions = arrow(connection, _SUPPRESSIONS_SQL, values)
        events = arrow(connection, _EVENTS_SQL, values)
        aliases = arrow(connection, _ALIASES_SQL, {"now": now})
        for name in ("imported", "address_hashes", "declared"):
            connection.execute(f"drop table {name}")
    with writing(ledger.engine) as ledger_connection:
        report = ImportReport(
            statements=statements,
            suppressions=insert_sealed_rows(ledger_connection, tables.suppressions, suppressions, at=now),
            events=insert_sealed_rows(ledger_connection, tables.permission_events, events, at=now),
            merges=_insert_aliases(ledger_connection, aliases, now),
        )
        if report.suppressions or report.events or report.merges:
            append_audit(ledger_connection, [AuditEntry("permission_imported", sender_id, vars(report))], at=now)
    return report


def _collect(connection: duckdb.DuckDBPyConnection, key: AddressKey, *, has_late: bool) -> int:
    """Temporary tables of all statements with their addresses, and of the hash of each address."""
    lists = suppression_lists(connection)
    facts = " union all ".join([_RECORD_FACTS_SQL, *([_LATE_FACTS_SQL] if has_late else [])])
    parts = [_PEOPLE_SQL.format(facts=facts), _OPERATOR_SQL]
    parts += [_LISTS_SQL.format(lists=lists)] if lists else []
    parts += [_LATE_ADDRESSES_SQL] if has_late else []
    connection.execute(f"create or replace temp table imported as {' union all '.join(f'({part})' for part in parts)}")
    connection.execute("create or replace temp table declared as select source, declared_by from raw.sources")
    connection.execute("delete from imported where address is null and person_id is null and stance = 'refused'")
    addresses = [
        row[0]
        for row in connection.execute(
            "select distinct address from imported where address is not null order by address"
        ).fetchall()
    ]
    hashes = pa.table(
        {"address": pa.array(addresses, pa.string()), "hash": pa.array(map(key.hash, addresses), pa.string())}
    )
    connection.register("hashes", hashes)
    connection.execute("create or replace temp table address_hashes as select * from hashes")
    connection.unregister("hashes")
    counted = connection.execute("select count(*) from imported").fetchone()
    return int(counted[0]) if counted else 0


def _insert_aliases(connection: sa.Connection, rows: pa.Table, now: datetime) -> int:
    """Write merges and unmerges; whoever parts keeps what the other refused while they were one."""
    unmerges = rows.filter(pc.equal(rows["kind"], "unmerge"))
    sets = {"alias_id": unmerges["alias_id"].to_pylist()}
    known = {row[0] for row in read_sets(connection, tables.person_aliases, sets, columns=("alias_id",))}
    new = [row for row in unmerges.to_pylist() if row["alias_id"] not in known]
    # The merge may be as new as its end.
    merged = _insert(connection, "person_aliases", rows.filter(pc.equal(rows["kind"], "merge")))
    before = read_families(connection, {row[name] for row in new for name in ("person_id", "canonical_id")})
    ended = _insert(connection, "person_aliases", unmerges)
    share_refusals(connection, before, now=now)
    return merged + ended


def _insert(connection: sa.Connection, table: str, rows: pa.Table) -> int:
    return insert_rows(connection, table=table, rows=rows, skip_existing=True) if rows.num_rows else 0
