"""The engine's contacts: read from a batch, stored with the truth, and handed to the law chunk by chunk."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInputError
from contracts.files import write_atomic
from simulation.chunks import EngineContacts
from simulation.draws import FloatArray, IntArray, uniform
from simulation.events import Sends, moment
from simulation.law import Treatments
from simulation.mail import Lane, mail_outcome
from simulation.people import People, make_people
from simulation.settings import CHUNK, WorldSettings
from simulation.truth import IDENTITY, WORLD, holds_world, write_parquet

CHANNELS: Final = ("email", "sms", "call", "crm_task")
# Relative effect of a channel: scale and shift of the effect of an e-mail; assumed.
_SCALE: Final = np.array([1.0, 0.9, 1.4, 1.0])
_SHIFT: Final = np.array([0.0, -0.03, 0.1, 0.05])
STORE: Final = "treatments.parquet"
ANSWERED: Final = "answered.json"
_SCHEMA: Final = pa.schema(
    [
        ("batch", pa.string()), ("touch_id", pa.string()), ("pid", pa.int64()), ("slot", pa.int64()),
        ("channel", pa.int64()), ("at", pa.int64()), ("subject", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class RespondReport:
    """Batches answered now; touches by channel; touches whose record the world does not know."""

    batches: int
    touches: int
    unknown_records: int
    by_channel: dict[str, int]


def _epoch(text: str) -> int | None:
    """Epoch seconds of an ISO time; naive times are UTC; None if there is none."""
    if not text:
        return None
    value = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int((value if value.tzinfo else datetime.fromisoformat(f"{value.isoformat()}+00:00")).timestamp())


def _touches(folder: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for number, channel in enumerate(CHANNELS):
        path = folder / f"{channel}.csv"
        if path.exists():
            with path.open(newline="", encoding="utf-8-sig") as handle:
                for row in csv.DictReader(handle):
                    yield number, {k: (v or "").removeprefix("'") for k, v in row.items() if k}


def _identity(truth: Path, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """(crm, record id) -> (person, slot) for the wanted records."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    file = pq.ParquetFile(truth / IDENTITY)
    for batch in file.iter_batches(columns=["pid", "slot", "crm", "record_id"]):
        columns = [batch.column(i).to_pylist() for i in range(4)]
        for pid, slot, crm, record in zip(*columns, strict=True):
            if (crm, record) in wanted:
                found[(crm, record)] = (pid, slot)
    return found


def respond(settings: WorldSettings, *, outbox: Path, truth: Path, as_of: date) -> RespondReport:
    """Answer every batch of the outbox that was not answered yet: people will react to it from now on.

    Held-out people are not in the channel files and go on as they would. Answering twice changes nothing.

    Args:
        settings: the world that wrote the exports.
        outbox: folder with one folder per batch, each with `manifest.json` and one CSV per channel.
        truth: folder of the ground truth; gets `treatments.parquet`.
        as_of: date of a batch whose manifest names none; nobody is contacted before the batch's date.

    Raises:
        BadInputError: no export of this world was written yet, so its records are unknown.
    """
    if not (truth / IDENTITY).exists():
        raise BadInputError(
            "The world has no records yet.", where=str(truth / IDENTITY), remedy="Write its exports before answering."
        )
    if not holds_world(truth, settings):
        raise BadInputError(
            "The truth belongs to a world with other settings.", where=str(truth), remedy="Write its exports first."
        )
    answered = set(json.loads((truth / ANSWERED).read_text())) if (truth / ANSWERED).exists() else set()
    folders = sorted(path.parent for path in outbox.glob("*/manifest.json"))
    fresh = [folder for folder in folders if folder.name not in answered]
    touches = [(folder.name, channel, row) for folder in fresh for channel, row in _touches(folder)]
    known = _identity(truth, {(row["crm"], row["record_id"]) for _, _, row in touches})
    earliest = {folder.name: settings.epoch(_batch_day(folder, as_of)) + 6 * 3600 for folder in fresh}
    rows, counts, unknown = [], Counter[str](), 0
    for batch, channel, row in touches:
        person = known.get((row["crm"], row["record_id"]))
        if person is None:
            unknown += 1
            continue
        counts[CHANNELS[channel]] += 1
        start = max(_epoch(row.get("not_before", "")) or 0, earliest[batch])
        at = _sent_at(settings, row["touch_id"], start, _epoch(row.get("expires_at", "")))
        rows.append((batch, row["touch_id"], *person, channel, at, row.get("subject", "")))
    _store(truth, rows)
    done = sorted(answered | {folder.name for folder in fresh})
    write_atomic(truth / ANSWERED, (json.dumps(done, indent=1) + "\n").encode())
    return RespondReport(len(fresh), len(rows), unknown, dict(sorted(counts.items())))


def _batch_day(folder: Path, as_of: date) -> date:
    """As-of date of a batch by its manifest."""
    named = json.loads((folder / "manifest.json").read_text(encoding="utf-8")).get("as_of_date")
    return date.fromisoformat(named) if named else as_of


def _sent_at(world: WorldSettings, touch: str, start: int, expires: int | None) -> int:
    """Seconds since 1970 when a touch goes out: within 90 minutes of its window's start."""
    key = int.from_bytes(touch.encode()[-8:], "big")
    at = start + int(uniform(world.seed, 501, np.uint64(key))[0] * 5400)
    return min(at, max(expires - 60, start)) if expires else at


def _store(truth: Path, rows: Sequence[tuple[object, ...]]) -> None:
    """Add rows to the stored treatments, once per touch."""
    if not rows:
        return
    columns = list(zip(*rows, strict=True))
    fresh = pa.table({f.name: pa.array(list(c), f.type) for f, c in zip(_SCHEMA, columns, strict=True)})
    path = truth / STORE
    table = pa.concat_tables([pq.read_table(path), fresh]) if path.exists() else fresh
    write_parquet(path, table.sort_by([("at", "ascending"), ("touch_id", "ascending")]))


class Contacts:
    """All stored treatments before a moment, by chunk."""

    def __init__(self, world: WorldSettings, table: pa.Table) -> None:
        self.world = world
        self.pid = table.column("pid").to_numpy()
        self.columns = {name: table.column(name).to_numpy() for name in ("slot", "channel", "at")}
        self.subjects = table.column("subject").to_pylist()
        self.batch = np.array([sum(name.encode()) % 400 for name in table.column("batch").to_pylist()], dtype=np.int64)

    def chunk(self, number: int) -> EngineContacts | None:
        """Contacts of one chunk, sorted by time; None where there are none."""
        mine = np.flatnonzero(self.pid // CHUNK == number)
        if not len(mine):
            return None
        people = make_people(self.world, number)
        who = (self.pid[mine] - number * CHUNK).astype(np.int64)
        slot, channel, at = (self.columns[name][mine] for name in ("slot", "channel", "at"))
        week = moment(self.world, people, who, at)
        order = np.argsort(week, kind="stable")
        who, slot, channel, at, week = who[order], slot[order], channel[order], at[order], week[order]
        subjects = [self.subjects[index] for index in mine[order].tolist()]
        is_mail = channel == 0
        treatments = Treatments(who, week, _SCALE[channel], _SHIFT[channel], is_mail)
        number_of = 9000 + self.batch[mine][order][is_mail]
        return EngineContacts(
            treatments,
            _mails(self.world, people, who[is_mail], week[is_mail], slot[is_mail], at[is_mail], number_of),
            tuple(_other(who, week, at, slot, channel)),
            dict(zip(zip(who.tolist(), np.floor(week).astype(int).tolist(), strict=True), subjects, strict=True)),
        )


def _mails(
    world: WorldSettings,
    people: People,
    who: IntArray,
    week: FloatArray,
    slot: IntArray,
    at: IntArray,
    number: IntArray,
) -> Sends:
    """The engine's mails with what becomes of them."""
    lane = int(Lane.ENGINE)
    return Sends(who, week, np.full(len(who), lane), slot, number, at, mail_outcome(world, people, who, week, lane))


def _other(who: IntArray, week: np.ndarray, at: IntArray, slot: IntArray, channel: IntArray) -> Iterator[np.ndarray]:
    rest = channel > 0
    for column in (who, week, at, slot, channel):
        yield column[rest]


def claim_truth(world: WorldSettings, truth: Path) -> None:
    """Make a truth folder this world's own; answers that another world gave are dropped with it."""
    if holds_world(truth, world):
        return
    truth.mkdir(parents=True, exist_ok=True)
    for name in (STORE, ANSWERED):
        (truth / name).unlink(missing_ok=True)
    (truth / WORLD).write_text(world.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_contacts(world: WorldSettings, *, truth: Path, before: int) -> Contacts:
    """Treatments stored with the truth that happen before a moment (epoch seconds)."""
    path = truth / STORE
    table = pq.read_table(path) if path.exists() else _SCHEMA.empty_table()
    return Contacts(world, table.filter(pa.array(table.column("at").to_numpy() < before)))
