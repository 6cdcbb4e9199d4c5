"""What a person's features are computed from, published per person, so that a server can compute them again.

Rows that were observed before the date but lie after it are among them: tomorrow's features count them.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from contracts.published import PublishedManifest, forget_older, publish_stream, read_manifest
from models.feature_attributes import RAW_ATTRIBUTES
from models.training.fingerprint import fingerprint
from pipelines.features.state import StepOutcome, fingerprint_of, write_outcome
from pipelines.resources import Engine
from pipelines.scoring.frames import SNAPSHOTS, unscored_people

LEADS: Final = "lead_histories"
ACCOUNTS: Final = "account_histories"
_SHAPE: Final = 1  # part of the fingerprint: raise it when what is published changes
_KEPT: Final = 2  # dates: the newest, and the one that a server may still read
_ROWS_AT_ONCE: Final = 65_536
_PEOPLE: Final = "intermediate.int_people__dates"
_ACT: Final = """struct_pack(
    occurred_at := a.occurred_at, observed_at := a.observed_at, kind := a.kind, direction := a.direction,
    actor := a.actor, outcome_level := a.outcome_level, reply_class := a.reply_class, is_machine := a.is_machine
)"""
# A row of an export may tell two activities of one moment, so its place alone gives no order.
_ORDER: Final = "a.occurred_at, a.place, a.kind, a.direction, a.actor, a.observed_at, a.reply_class"
_SQL: Final = {
    LEADS: f"""
with people as (
    select * from {_PEOPLE}
    where as_of_date = $as_of and is_dormant and person_id not in (select unnest($barred::varchar[]))
),

own as (
    select m.person_number, list({_ACT} order by {_ORDER}) as activities
    from people as p
    inner join intermediate.int_people__members as m
        on p.as_of_date = m.as_of_date and p.person_number = m.person_number
    inner join intermediate.int_activities as a on m.record_rank = a.record_rank and p.as_of_at > a.observed_at
    group by m.person_number
)

select
    p.person_id, p.account_id, p.dormant_after_days, {", ".join(f"p.{name}" for name in RAW_ATTRIBUTES)}, o.activities
from people as p
inner join own as o on p.person_number = o.person_number
order by p.person_id
""",
    ACCOUNTS: f"""
with accounts as (
    select distinct as_of_date, as_of_at, account_id from {_PEOPLE}
    where as_of_date = $as_of and is_dormant and account_id is not null
)

select
    s.account_id, m.person_id, a.occurred_at, a.observed_at, a.kind, a.direction, a.actor, a.outcome_level,
    a.reply_class, a.is_machine
from accounts as s
inner join intermediate.int_record_versions as v
    on
        s.account_id = v.account_id and s.as_of_at > v.stable_from
        and s.as_of_at <= coalesce(v.valid_to, timestamp '9999-12-31')
inner join intermediate.int_activities as a
    on
        v.record_key = a.record_key and s.as_of_at > a.observed_at
        and a.is_inbound and a.occurred_at >= s.as_of_at - interval 90 day
left join intermediate.int_people__members as m
    on s.as_of_date = m.as_of_date and a.record_rank = m.record_rank
order by s.account_id, {_ORDER}, m.person_id
""",
}


def publish_histories(engine: Engine, *, as_of: date, dataset: str) -> PublishedManifest | None:
    """Publish a dataset of histories of a date and drop all but the newest dates; None without snapshots.

    Nothing is read when the marts are those that the published file was made from.
    """
    published, warehouse = engine.settings.published_dir, engine.warehouse
    with warehouse.open() as connection:
        if not warehouse.exists(connection, SNAPSHOTS) or not warehouse.exists(connection, _PEOPLE):
            return None
        barred = sorted(unscored_people(engine, connection, as_of=as_of))
        marts = fingerprint_of(connection, warehouse, step="marts")
        name = fingerprint(as_of=as_of.isoformat(), marts=marts or "", barred=barred, shape=_SHAPE)
        known = read_manifest(published, dataset=dataset, as_of=as_of)
        if known is not None and marts and fingerprint_of(connection, warehouse, step=dataset) == name:
            return known
        connection.execute("set preserve_insertion_order = true")
        given = {"as_of": as_of} | ({"barred": barred} if dataset == LEADS else {})
        found = connection.execute(_SQL[dataset], given)
        manifest = publish_stream(
            published,
            dataset=dataset,
            as_of=as_of,
            batches=found.to_arrow_reader(_ROWS_AT_ONCE),
        )
        write_outcome(connection, StepOutcome((), {}), step=dataset, fingerprint=name)
    forget_older(published, dataset=dataset, keep=_KEPT)
    return manifest
