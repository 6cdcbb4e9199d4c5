"""Everyone known on a date who has no score, whose they are and why, so that a server can tell them from nobody."""

from __future__ import annotations

from datetime import date
from typing import Final

import pyarrow as pa

from contracts.published import PublishedManifest, arrow, forget_older, publish, read_manifest
from models.training.fingerprint import fingerprint
from pipelines.features.state import fingerprint_of
from pipelines.resources import Engine
from pipelines.scoring.frames import PEOPLE, unscored_people

DATASET: Final = "unscored_people"
_KEPT: Final = 2  # dates: the newest, and the one that a server may still read
_SQL: Final = f"""
    select p.person_id, p.owner_id, p.team_id, coalesce(b.reason, p.not_dormant_reason, 'not_dormant') as reason
    from {PEOPLE} as p
    left join barred as b on p.person_id = b.person_id
    where p.as_of_date = $as_of and (not p.is_dormant or b.reason is not null)
    order by p.person_id
"""


def publish_unscored(engine: Engine, *, as_of: date) -> PublishedManifest | None:
    """Publish the dataset of a date and drop all but it and the newest dates; None where the date is not the newest.

    Nothing is read when the marts are those that the published file was made from.
    """
    published, warehouse = engine.settings.published_dir, engine.warehouse
    with warehouse.open() as connection:
        if not warehouse.exists(connection, PEOPLE):
            return None
        newest = connection.execute(f"select max(as_of_date) from {PEOPLE}").fetchone()
        if newest is None or newest[0] != as_of:
            return None
        barred = unscored_people(engine, connection, as_of=as_of)
        marts = fingerprint_of(connection, warehouse, step="marts")
        name = fingerprint(as_of=as_of.isoformat(), marts=marts or "", barred=barred)
        known = read_manifest(published, dataset=DATASET, as_of=as_of)
        if known is not None and marts and known.facts.get("fingerprint") == name:
            return known
        people, reasons = sorted(barred), [barred[person] for person in sorted(barred)]
        table = pa.table({"person_id": pa.array(people, pa.string()), "reason": pa.array(reasons, pa.string())})
        connection.register("barred", table)
        rows = arrow(connection, _SQL, {"as_of": as_of})
        connection.unregister("barred")
    manifest = publish(published, dataset=DATASET, as_of=as_of, table=rows, facts={"fingerprint": name})
    forget_older(published, dataset=DATASET, keep=_KEPT, beside=as_of)
    return manifest
