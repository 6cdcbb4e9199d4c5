"""What a person's features are computed from, published per person, so that a server can compute them again.

Rows that were observed before the date but lie after it are among them: tomorrow's features count them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from contracts.published import PublishedManifest, forget_older, publish_stream, read_manifest
from models.feature_attributes import RAW_ATTRIBUTES
from models.training.fingerprint import fingerprint
from pipelines.features.state import StepOutcome, fingerprint_of, write_outcome
from pipelines.resources import Engine
from pipelines.scoring.frames import SNAPSHOTS, unscored_people

if TYPE_CHECKING:
    import duckdb

LEADS: Final = "lead_histories"
ACCOUNTS: Final = "account_histories"
_SHAPE: Final = 1  # part of the fingerprint: raise it when what is published changes
_KEPT: Final = 2  # dates: the newest, and the one that a server may still read
_ROWS_AT_ONCE: Final = 65_536
_PEOPLE_AT_ONCE: Final = 8_192
_PEOPLE: Final = "intermediate.int_people__dates"
_ACT: Final = (
    "occurred_at", "observed_at", "kind", "direction", "actor", "outcome_level", "reply_class", "is_machine",
)  # fmt: skip
# A row of an export may tell two activities of one moment, so its place alone gives no order.
_ORDER: Final = "a.occurred_at, a.place, a.kind, a.direction, a.actor, a.observed_at, a.reply_class"
_ACCOUNTS_SQL: Final = f"""
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
"""
# Lists of a whole population do not fit into memory: activities are sorted once and gathered some people at a time.
_PLACE_PEOPLE: Final = f"""
create or replace temp table history_people as
select row_number() over (order by person_id) as place, *
from {_PEOPLE}
where as_of_date = $as_of and is_dormant and person_id not in (select unnest($barred::varchar[]))
"""
_PLACE_ACTIVITIES: Final = f"""
create or replace temp table history_activities as
select p.place, {", ".join(f"a.{name}" for name in _ACT)}
from history_people as p
inner join intermediate.int_people__members as m
    on p.as_of_date = m.as_of_date and p.person_number = m.person_number
inner join intermediate.int_activities as a on m.record_rank = a.record_rank and p.as_of_at > a.observed_at
order by p.place, {_ORDER}
"""
_SOME_PEOPLE: Final = f"""
select place, person_id, account_id, dormant_after_days, {", ".join(RAW_ATTRIBUTES)}
from history_people
where place > $after and place <= $last
order by place
"""
# In the order in which they were placed: `preserve_insertion_order` is on.
_THEIR_ACTIVITIES: Final = f"""
select place, {", ".join(_ACT)} from history_activities where place > $after and place <= $last
"""


def publish_histories(engine: Engine, *, as_of: date, dataset: str) -> PublishedManifest | None:
    """Publish a dataset of histories of a date and drop all but it and the newest dates; None without snapshots.

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
        if dataset == LEADS:
            batches = _lead_batches(connection, {"as_of": as_of, "barred": barred})
        else:
            batches = connection.execute(_ACCOUNTS_SQL, {"as_of": as_of}).to_arrow_reader(_ROWS_AT_ONCE)
        manifest = publish_stream(published, dataset=dataset, as_of=as_of, batches=batches)
        write_outcome(connection, StepOutcome((), {}), step=dataset, fingerprint=name)
    forget_older(published, dataset=dataset, keep=_KEPT, beside=as_of)
    return manifest


def _lead_batches(connection: duckdb.DuckDBPyConnection, given: dict[str, Any]) -> pa.RecordBatchReader:
    """People in order of their ids with their activities in order of time, some thousands at a time."""
    row = connection.execute(_PLACE_PEOPLE, given).execute("select count(*) from history_people").fetchone()
    people = int(row[0]) if row else 0
    connection.execute(_PLACE_ACTIVITIES)

    def some(after: int) -> pa.Table:
        given = {"after": after, "last": after + _PEOPLE_AT_ONCE}
        rows = connection.execute(_SOME_PEOPLE, given).to_arrow_table()
        return _with_activities(rows, connection.execute(_THEIR_ACTIVITIES, given).to_arrow_table())

    def batches() -> Iterator[pa.RecordBatch]:
        for after in range(0, people, _PEOPLE_AT_ONCE):
            yield from some(after).combine_chunks().to_batches()
        connection.execute("drop table history_activities").execute("drop table history_people")

    return pa.RecordBatchReader.from_batches(some(people).schema, batches())


def _with_activities(people: pa.Table, activities: pa.Table) -> pa.Table:
    """Those people who have activities, with the list of theirs; both tables come in the order of `place`."""
    ends = np.searchsorted(activities["place"].to_numpy(), people["place"].to_numpy(), side="right")
    acted = np.diff(ends, prepend=0) > 0
    columns = [activities[name].combine_chunks() for name in _ACT]
    lists = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], ends[acted]]).astype(np.int32)),
        pa.StructArray.from_arrays(columns, names=list(_ACT)),
    )
    return people.filter(pa.array(acted)).drop_columns("place").append_column("activities", lists)
