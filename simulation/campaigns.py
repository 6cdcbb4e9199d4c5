"""Twelve months of past campaigns with logged random assignment, as a table of its own."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from simulation.chunks import Chunk
from simulation.csvfiles import CsvFile, FileSpec
from simulation.events import clock, spots
from simulation.exports import Exporter, write_manifest
from simulation.formats import gohighlevel_time
from simulation.settings import WEEK, WorldSettings

ASSIGNMENTS: Final = FileSpec("campaign_history", "assignments.csv", "assignments", "assigned_at")
HEADER: Final = (
    "assignment_id", "crm", "record_object", "record_id", "campaign", "channel", "assigned_at", "arm", "propensity",
    "policy_version",
)  # fmt: skip
_SQL: Final = f"""
select
    'past-' || a.week || '-' || r.pid as assignment_id,
    case r.crm when 0 then 'hubspot' when 1 then 'salesforce' else 'gohighlevel' end as crm,
    case when r.crm = 1 and r.is_lead then 'leads' else 'contacts' end as record_object,
    r.record_id,
    'winback-' || strftime(make_timestamp(a.stamp * 1000000), '%Y-%m-%d') as campaign,
    'email' as channel,
    {gohighlevel_time("make_timestamp(a.stamp * 1000000)")} as assigned_at,
    case when a.contacted then 'contacted' else 'held_out' end as arm,
    printf('%.2f', a.propensity) as propensity,
    'past-1' as policy_version,
    hash(a.week, r.pid) as _key
from assignment_rows as a
inner join rec as r on a.who = r.who and r.slot = 0
where a.stamp < $cut
order by a.week, r.pid
"""


class CampaignFile:
    """Writes `<out>/exports/<as_of>/campaign_history/assignments.csv`; assignment is at 06:00 of the day."""

    def __init__(self, world: WorldSettings, *, out: Path, as_of: date) -> None:
        self.world = world
        self.as_of = as_of
        self.folder = out / "exports" / as_of.isoformat() / ASSIGNMENTS.source
        self.file = CsvFile(self.folder, ASSIGNMENTS, world.model_copy(update={"bad_rows": 0.0, "stray_rows": 0.0}))

    def write(self, chunk: Chunk, exporter: Exporter) -> None:
        """Append the assignments of one chunk, whose records the exporter has loaded."""
        past, end = chunk.past, (self.world.epoch(self.as_of) - self.world.start_epoch) / WEEK
        parts = []
        for matrix, contacted in ((past.campaign, True), (past.held_out, False)):
            who, week = spots(matrix, end)
            at = clock(self.world, past.people, who, week)
            day = at - at % 86_400 + 6 * 3600
            parts.append((who, np.floor(week).astype(np.int64), day, np.full(len(who), contacted)))
        who, week, at, arm = (np.concatenate(column) for column in zip(*parts, strict=True))
        share = self.world.campaign_held_out
        rows = {"who": who, "week": week, "stamp": at, "contacted": arm, "propensity": np.where(arm, 1 - share, share)}
        exporter.connection.register("assignment_rows", pa.table(rows))
        self.file.write(exporter.table(_SQL))

    def close(self) -> dict[str, int]:
        """Finish the file and its manifest."""
        rows = self.file.close()
        write_manifest(self.folder, ASSIGNMENTS.source, [ASSIGNMENTS], as_of=self.as_of, since=None, crm="mapped_csv")
        return {f"{ASSIGNMENTS.source}/{ASSIGNMENTS.name}": rows}
