"""The ground truth, in a folder of its own that no pipeline reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.files import atomic_path
from simulation.chunks import Chunk
from simulation.exports import Exporter
from simulation.mail import Intent
from simulation.settings import WEEK, WorldSettings

IDENTITY: Final = "identity.parquet"
WORLD: Final = "world.json"
_CRM: Final = "case crm when 0 then 'hubspot' when 1 then 'salesforce' else 'gohighlevel' end"
_IDENTITY_SQL: Final = f"""
select
    pid, slot, {_CRM} as crm, case when crm = 1 and is_lead then 'leads' else 'contacts' end as record_object,
    record_id, email, main_address, created, merged, deleted
from rec
order by rid
"""
_REPLY_SQL: Final = f"""
select
    pid, {_CRM} as crm, record_id,
    case crm when 0 then event_number when 1 then '02s' || substr(event_hex, 2) else event_hex end as message_id,
    at_time, intent, has_injection
from ev
where kind in (1, 5)
order by rid, stamp, event
"""
EFFECT_CLASSES: Final = ("lost_cause", "persuadable", "harmed")


@dataclass(frozen=True)
class TruthFacts:
    """True counts at the as-of date."""

    people: int
    dormant: int
    rate: float


def holds_world(truth: Path, world: WorldSettings) -> bool:
    """Whether a truth folder belongs to this very world."""
    path = truth / WORLD
    return path.exists() and WorldSettings.model_validate_json(path.read_bytes()) == world


class TruthWriter:
    """Writes identity, traits, p per person, and true intents of replies, chunk by chunk."""

    def __init__(self, world: WorldSettings, *, truth: Path, as_of: date) -> None:
        self.world = world
        self.moment = (world.epoch(as_of) - world.start_epoch) / WEEK
        day = as_of.isoformat()
        self.targets = {
            "identity": truth / IDENTITY,
            "traits": truth / "traits.parquet",
            "p": truth / "p" / f"{day}.parquet",
            "replies": truth / "replies" / f"{day}.parquet",
        }
        self.writers: dict[str, pq.ParquetWriter] = {}
        self.people = self.dormant = self.reacted = 0

    def write(self, chunk: Chunk, exporter: Exporter) -> None:
        """Append the truth of one chunk, whose records the exporter has loaded."""
        self._put("identity", exporter.table(_IDENTITY_SQL))
        replies = exporter.table(_REPLY_SQL)
        names = pa.array([intent.name.lower() for intent in Intent])
        index = replies.column_names.index("intent")
        self._put("replies", replies.set_column(index, "intent", names.take(replies.column("intent").combine_chunks())))
        entered = np.flatnonzero(chunk.people.created[: chunk.persons.num_rows] < self.moment)
        self._put("traits", _traits(chunk, entered))
        table = _probabilities(chunk, entered, self.moment)
        self._put("p", table)
        self.people += len(entered)
        asleep = table.column("dormant").to_numpy()
        self.dormant += int(asleep.sum())
        self.reacted += int((asleep & table.column("reacted").to_numpy()).sum())

    def _put(self, name: str, table: pa.Table) -> None:
        target = self.targets[name]
        if name not in self.writers:
            target.parent.mkdir(parents=True, exist_ok=True)
            self.writers[name] = pq.ParquetWriter(target.with_name(f".{target.name}.tmp"), table.schema)
        self.writers[name].write_table(table)

    def close(self) -> TruthFacts:
        """Put the finished files in place."""
        for name, writer in self.writers.items():
            writer.close()
            target = self.targets[name]
            target.with_name(f".{target.name}.tmp").replace(target)
        return TruthFacts(self.people, self.dormant, self.reacted / max(self.dormant, 1))


def _traits(chunk: Chunk, entered: np.ndarray) -> pa.Table:
    """Latent traits and hidden effects of the people who have entered."""
    people = chunk.people
    names = ("pid", "account", "intent", "browser", "period", "swing", "effect", "opener", "clicker", "dead_week")
    columns = {name: getattr(people, name)[entered] for name in names}
    classes = pa.array(EFFECT_CLASSES).take(pa.array(people.effect_class[entered]))
    return pa.table({**columns, "effect_class": classes, "free_mail": people.is_free_mail[entered]})


def _probabilities(chunk: Chunk, entered: np.ndarray, moment: float) -> pa.Table:
    """True p without and with an e-mail of today, and what happens; `dormant_days` is null if never engaged."""
    truth = chunk.past.truth
    if truth is None:
        raise ValueError("The chunk was simulated without truth.")
    days = (moment - truth.last_inbound[entered]) * 7
    return pa.table(
        {
            "pid": chunk.people.pid[entered],
            "dormant": truth.dormant[entered],
            "p": truth.p[entered],
            "p_email": truth.p_treated[entered],
            "uplift": (truth.p_treated - truth.p)[entered],
            "reacted": truth.reacted[entered],
            "opportunity": truth.deal[entered],
            "won": truth.won[entered],
            "dormant_days": pa.array(np.where(np.isfinite(days), days, 0.0), mask=~np.isfinite(days)),
            "suppressed": truth.suppressed[entered],
        }
    )


def write_parquet(target: Path, table: pa.Table) -> None:
    """Replace a Parquet file durably."""
    with atomic_path(target) as temporary:
        pq.write_table(table, temporary)
