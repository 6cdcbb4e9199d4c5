"""Reads what a plan is made from, and tells by a fingerprint whether anything changed."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from contracts.errors import BadInputError
from contracts.published import arrow, read_manifest, read_published
from contracts.settings import Settings
from contracts.times import grid_dates
from pipelines.campaigns.ledger_inputs import Reading, contacts_digest, pace_of
from pipelines.campaigns.ledger_refusals import ledger_refusals, refusals_digest
from pipelines.resources import PROJECT_ROOT, Engine
from pipelines.warehouse import Warehouse
from recovery.addresses import load_address_key
from recovery.ledger import Ledger, ledger_url, open_ledger
from recovery.tokens import load_key

if TYPE_CHECKING:
    import pandas as pd

    from recovery.planning import PlanInputs
    from recovery.planning.value import DealStatistics

# Tables whose rows decide the plan, with the columns that identify their order-free content.
_TABLES: Final = (
    "marts.dim_people", "marts.fct_permissions", "marts.source_health", "intermediate.int_permissions__late",
)  # fmt: skip
_CODE: Final = ("permission", "cadence", "planning", "drafting", "sinks", "batch.py", "results.py", "tokens.py")

PEOPLE_SQL: Final = """
    select p.*, coalesce(s.spell, 1)::integer as cycle
    from marts.dim_people as p
    left join (
        select person_id, max(spell) as spell from marts.lead_snapshots where as_of_date = $as_of group by person_id
    ) as s on p.person_id = s.person_id
    where p.is_dormant and p.as_of_date = $as_of
    order by p.person_id
"""
_PERMISSIONS_SQL: Final = """
    select
        f.person_id, f.channel, f.stance, f.basis, f.source, f.evidence, f.since, f.expires_at,
        f.collected_during, f.optout_offered_at_collection, f.has_full_record
    from marts.fct_permissions as f
    where f.person_id in (select person_id from marts.dim_people where is_dormant)
    -- Refusals that came through the ledger are read there, as of now and with what has lifted them.
    and (f.source <> 'ledger' or f.stance <> 'refused')
    order by all
"""
# Lists hold at once, also those that came after the day began.
_LISTED_SQL: Final = """
    with listed as ({lists}),
    dormant as (select person_id, email, phone_e164 from marts.dim_people where is_dormant),
    -- By address and by number apart: one join on either compares everybody with every entry.
    hit as (
        select d.person_id, l.* from listed as l inner join dormant as d on l.email = d.email
        union all
        select d.person_id, l.* from listed as l inner join dormant as d on l.phone = d.phone_e164
    )
    select
        person_id, case when reason in ('opt_out', 'hard_bounce') then 'email' else 'all' end as channel,
        'refused' as stance, reason as basis, source, 'suppression list' as evidence,
        min(coalesce(occurred_at, exported_at)) as since, null::timestamp as expires_at,
        null::varchar as collected_during, null::boolean as optout_offered_at_collection, false as has_full_record
    from hit
    group by all
    order by all
"""
# So do refusals of exports that came after the day began: by the record, and by the address that they carry.
_LATE_SQL: Final = """
    with late as (select * from intermediate.int_permissions__late),
    dormant as (select person_id, email, phone_e164 from marts.dim_people where is_dormant),
    hit as (
        select k.person_id, l.* from late as l
        inner join intermediate.int_person_links as k on l.record_key = k.record_key and k.valid_to is null
        semi join dormant as d on k.person_id = d.person_id
        union all
        select d.person_id, l.* from late as l inner join dormant as d on l.email = d.email
        union all
        select d.person_id, l.* from late as l inner join dormant as d on l.phone = d.phone_e164
    )
    select
        person_id, channel, 'refused' as stance, basis, source, evidence, min(since) as since,
        null::timestamp as expires_at, null::varchar as collected_during, null::boolean as optout_offered_at_collection,
        false as has_full_record
    from hit
    group by all
    order by all
"""
_LATE: Final = "intermediate.int_permissions__late"
# A person merged since keeps what was done to either half.
_RENAMED_SQL: Final = """
    with links as (
        select record_key, person_id, since from intermediate.person_links where since < $as_of
    ),
    latest as (select record_key, arg_max(person_id, (since, person_id)) as person_id from links group by record_key)
    select l.person_id as old_id, min(n.person_id) as new_id
    from links as l inner join latest as n on l.record_key = n.record_key
    where l.person_id <> n.person_id
    group by l.person_id
    order by 1
"""


def open_day_ledger(settings: Settings) -> Ledger:
    """The ledger of this installation."""
    explicit = settings.ledger_url.get_secret_value() if settings.ledger_url else None
    return open_ledger(ledger_url(explicit, settings.var_dir))


def has_people(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the marts that a plan needs exist."""
    names = ("marts.dim_people", "marts.fct_permissions", "marts.lead_snapshots")
    return all(warehouse.exists(connection, name) for name in names)


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Hash of the source files that decide a plan and its words."""
    digest = hashlib.sha256()
    for name in _CODE:
        place = PROJECT_ROOT / "recovery" / name
        for path in sorted(_files(place)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return [path for path in place.rglob("*") if path.suffix in (".py", ".yml", ".j2")]


def content_digest(connection: duckdb.DuckDBPyConnection, table: str, where: str = "true") -> list[Any]:
    """Number and order-free hash of a table's rows."""
    row = connection.execute(
        f"select count(*), bit_xor(hash(t)), sum(hash(t)::hugeint % 1000000007) from {table} as t where {where}"
    ).fetchone()
    return [str(value) for value in row or ()]


def input_fingerprint(engine: Engine, as_of: date, ledger: Ledger, *, read: Reading, state: dict[str, Any]) -> str:
    """Hash of everything that a plan depends on.

    Args:
        engine: where settings and stores are.
        as_of: the day.
        ledger: earlier assignments, refusals and contacts are read from it.
        read: at which moment (`reading_of`).
        state: holds and whatever else the caller decided.
    """
    root = engine.settings.published_dir
    scores = read_manifest(root, dataset="lead_scores", as_of=as_of)
    content: dict[str, Any] = {
        "code": code_digest(),
        "settings": settings_digest(engine.settings),
        "key": load_key(engine.settings.secrets_dir).key_id,
        "scores": scores.sha256 if scores else None,
        "beside": [
            manifest.sha256 if (manifest := read_manifest(root, dataset=name, as_of=as_of)) else None
            for name in ("lead_uplift", "lead_timing")
        ],
        "state": state,
        "said": refusals_digest(ledger, known_by=read.known_by),
        "contacts": contacts_digest(engine, ledger, as_of=as_of, read=read),
        "assignments": hashlib.sha256(
            "\n".join(ledger.read_assignments(before=as_of)["assignment_id"].to_pylist()).encode()
        ).hexdigest(),
    }
    warehouse = engine.warehouse
    with warehouse.open() as connection:
        for table in _TABLES:
            if warehouse.exists(connection, table):
                content[table] = content_digest(connection, table)
        if lists := suppression_lists(connection):
            content["lists"] = content_digest(connection, f"({lists})")
        if warehouse.exists(connection, "marts.lead_snapshots"):
            content["spells"] = content_digest(
                connection,
                "(select person_id, spell, as_of_date from marts.lead_snapshots)",
                f"as_of_date = date '{as_of}'",
            )
        if warehouse.exists(connection, "marts.lead_labels"):
            content["wins"] = win_counts(connection, as_of, engine.settings.training_weeks)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


# Settings that a plan and its words depend on.
_SETTINGS: Final = (
    "batch_holdout", "global_holdout", "explore_share", "contact_gap_days", "touch_count", "capacity_email",
    "capacity_sms", "capacity_call", "capacity_crm_task", "account_cap", "cautious_uplift", "margin",
    "reporting_currency", "cost_email", "cost_sms", "cost_call", "permission_policy", "max_dormancy_days", "seed",
    "registrations", "frequency_caps",
    "sender_id", "sender_name", "sender_postal_address", "sender_from_address", "unsubscribe_url", "sender_dns",
    "style", "run_at",
)  # fmt: skip


def settings_digest(settings: Settings) -> str:
    """Hash of the settings that a plan depends on."""
    values = {name: getattr(settings, name) for name in _SETTINGS}
    values["registrations"] = sorted(settings.registrations)
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def win_counts(connection: duckdb.DuckDBPyConnection, as_of: date, weeks: int) -> list[int]:
    """People who came back in mature snapshots of the day's training panel, and those of them who bought.

    Only the panel counts: what else the warehouse still holds depends on which days were run before.
    """
    row = connection.execute(
        "select count(distinct l.person_id) filter (where l.is_reactivated), "
        "count(distinct l.person_id) filter (where l.is_reactivated and l.level >= 4) "
        "from marts.lead_labels as l join marts.lead_snapshots as s "
        "on s.person_id = l.person_id and s.as_of_date = l.as_of_date "
        "where s.is_training and list_contains($dates, l.as_of_date)",
        {"dates": list(grid_dates(as_of, weeks))},
    ).fetchone()
    return [int(value) for value in row or (0, 0)]


def read_inputs(engine: Engine, as_of: date, ledger: Ledger, *, read: Reading, is_followed: bool) -> PlanInputs:
    """Everything that `make_plan` takes.

    Args:
        engine: where settings and stores are.
        as_of: the day.
        ledger: assignments, refusals and contacts.
        read: at which moment refusals and contacts are read (`reading_of`).
        is_followed: the batch of this day has left already and the plan follows it.

    Raises:
        BadInputError: people of another as-of date are in the warehouse.
    """
    from recovery.planning import PlanInputs

    settings = engine.settings
    with engine.warehouse.open() as connection:
        _require_day(connection, as_of)
        people = _frame(connection, PEOPLE_SQL, {"as_of": as_of})
        permissions = _permissions(engine, connection, as_of, ledger, read)
        deals = _deals(engine, connection, as_of)
        renamed = _renamed(engine.warehouse, connection, as_of)
        pace = pace_of(engine, connection, ledger, as_of=as_of, read=read, renamed=renamed)
        gap = as_of - timedelta(days=settings.contact_gap_days)
        recent = ledger.read_assignments(before=as_of, since=gap)
        addresses = _addresses(connection, _renamed_ids(recent, renamed).select(["person_id"]))
    earlier = _renamed_ids(ledger.read_assignments(before=as_of), renamed)
    own = ledger.read_assignments(since=as_of, before=as_of + timedelta(days=1)) if is_followed else None
    return PlanInputs(
        people=people,
        scores=_scores(settings.published_dir, as_of),
        permissions=permissions,
        assignments=earlier.to_pandas(),
        deals=deals,
        recent_addresses=addresses,
        emitted=None if own is None else own.to_pandas(),
        good_hours=_good_hours(settings.published_dir, as_of),
        effects=_effects(settings.published_dir, as_of),
        pace=pace,
    )


def _require_day(connection: duckdb.DuckDBPyConnection, as_of: date) -> None:
    row = connection.execute("select min(as_of_date), max(as_of_date) from marts.dim_people").fetchone()
    if row and row[0] is not None and (row[0], row[1]) != (as_of, as_of):
        raise BadInputError(
            f"The people in the warehouse are those of {row[1]}, not of {as_of}.",
            where="marts.dim_people",
            remedy=f"Run the features stage of {as_of} first: `recovery run --as-of {as_of}`.",
        )


def suppression_lists(connection: duckdb.DuckDBPyConnection) -> str:
    """Query over every suppression list that was ever landed; empty where there is none."""
    views = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_schema = 'staging' and table_name like 'stg_%__suppressions' order by 1"
    ).fetchall()
    return " union all ".join(
        f"select source, reason, email, phone, occurred_at, exported_at from {view}" for (view,) in views
    )


def _permissions(
    engine: Engine, connection: duckdb.DuckDBPyConnection, as_of: date, ledger: Ledger, read: Reading
) -> pd.DataFrame:
    known, late = arrow(connection, _PERMISSIONS_SQL), list[str]()
    if engine.is_newest(as_of):
        lists = suppression_lists(connection)
        late = [_LISTED_SQL.format(lists=lists)] if lists else []
        late += [_LATE_SQL] if engine.warehouse.exists(connection, _LATE) else []
    key = load_address_key(engine.settings.secrets_dir)
    parts = [
        ledger_refusals(connection, ledger, key, at=read.at, known_by=read.known_by),
        *(arrow(connection, sql) for sql in late),
    ]
    known = pa.concat_tables([known, *(part.cast(known.schema) for part in parts)])
    frame: pd.DataFrame = known.to_pandas()
    return frame


def _frame(connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any] | None = None) -> pd.DataFrame:
    frame: pd.DataFrame = connection.execute(sql, values or {}).to_arrow_table().to_pandas()
    return frame


def _scores(root: Path, as_of: date) -> pd.DataFrame:
    columns = ["person_id", "p", "points", "tier"]
    rows = pa.table({name: [] for name in columns})
    if read_manifest(root, dataset="lead_scores", as_of=as_of) is not None:
        rows = read_published(root, dataset="lead_scores", as_of=as_of, columns=columns)
    frame: pd.DataFrame = rows.to_pandas()
    return frame


def _good_hours(root: Path, as_of: date) -> dict[str, list[int]]:
    """Surely good hour of each weekday, for whom there is one."""
    if read_manifest(root, dataset="lead_timing", as_of=as_of) is None:
        return {}
    rows = read_published(root, dataset="lead_timing", as_of=as_of, columns=["person_id", "good_hours"])
    rows = rows.filter(rows["good_hours"].is_valid())
    return dict(zip(rows["person_id"].to_pylist(), rows["good_hours"].to_pylist(), strict=True))


def _effects(root: Path, as_of: date) -> pd.DataFrame | None:
    """What drawn contacts changed, by person and channel; None where nothing was measured."""
    if read_manifest(root, dataset="lead_uplift", as_of=as_of) is None:
        return None
    columns = ["person_id", "channel", "p_no_contact", "p_contact", "is_harmed", "is_retest"]
    rows = read_published(root, dataset="lead_uplift", as_of=as_of, columns=columns)
    return rows.to_pandas() if rows.num_rows else None


def _deals(engine: Engine, connection: duckdb.DuckDBPyConnection, as_of: date) -> DealStatistics:
    from recovery.planning.value import deal_statistics

    amounts = _frame(
        connection,
        "select coalesce(market, '-') || '/' || coalesce(lead_kind, '-') as segment, open_amount::double as amount "
        "from marts.dim_people where open_amount > 0 and currency = $currency order by person_id",
        {"currency": engine.settings.reporting_currency},
    )
    reactivated, won = 0, 0
    if engine.warehouse.exists(connection, "marts.lead_labels"):
        reactivated, won = win_counts(connection, as_of, engine.settings.training_weeks)
    return deal_statistics(amounts, reactivated=reactivated, won=won)


def _renamed(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, as_of: date) -> dict[str, str]:
    if not warehouse.exists(connection, "intermediate.person_links"):
        return {}
    return dict(connection.execute(_RENAMED_SQL, {"as_of": as_of}).fetchall())


def _renamed_ids(assignments: pa.Table, renamed: dict[str, str]) -> pa.Table:
    ids = [renamed.get(person, person) for person in assignments["person_id"].to_pylist()]
    index = assignments.schema.get_field_index("person_id")
    return assignments.set_column(index, "person_id", pa.array(ids, pa.string()))


def _addresses(connection: duckdb.DuckDBPyConnection, people: pa.Table) -> frozenset[str]:
    """Addresses of people who were in a batch a short time ago, whoever else has them."""
    connection.register("recent_people", people)
    rows = arrow(
        connection,
        "select email, phone_e164 from marts.dim_people where person_id in (select person_id from recent_people)",
    )
    connection.unregister("recent_people")
    found = rows["email"].to_pylist() + rows["phone_e164"].to_pylist()
    return frozenset(address for address in found if address)
