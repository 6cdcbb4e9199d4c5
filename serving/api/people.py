"""Published scores as a process serves them: memory-mapped, one finished answer per person, found by binary search."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from contracts.files import fsync_path
from contracts.published import PublishedManifest, published_path

DATASET: Final = "lead_scores"
_SHAPE: Final = 1  # part of the folder's name: raise it when the files change
_KEPT: Final = 2  # folders: the one in use and the one that a slower process still reads
_ROWS_AT_ONCE: Final = 65_536
NOBODY: Final = -1

UNSCORED: Final = "unscored_people"
_SCORES_SQL: Final = """
select
    person_id,
    owner_id,
    team_id,
    p,
    to_json(struct_pack(
        person_id := person_id, points := points, p := p, percent := round(100 * p, 1),
        times_average := round(p / anchor, 2), percentile := percentile, tier := tier, score_kind := score_kind,
        reasons := coalesce(reasons, []), model := struct_pack(name := model_name, version := model_version),
        as_of_date := as_of_date, anchor := anchor, origin := 'published'
    )) as body
from read_parquet(?)
order by person_id
"""
_UNSCORED_SQL: Final = """
select person_id, owner_id, team_id, null::double as p, to_json(reason) as body from read_parquet(?) order by person_id
"""
_SQL: Final = {DATASET: _SCORES_SQL, UNSCORED: _UNSCORED_SQL}


@dataclass(frozen=True)
class People:
    """Everyone scored on the newest published date, or everyone known who is not.

    Attributes:
        as_of: the date.
        ids: person ids, rising, bytes, shape (people,).
        start: where each body begins in `bodies`, and the end, int64, shape (people + 1,).
        bodies: JSON answers one after another, uint8; of those without a score the reason, a JSON string.
        owner, team: code of the person's owner and team, -1 for none, int32, shape (people,).
        owners, teams: code of every owner and team.
        p: chances of everyone scored, rising, shape (people,) or empty.
    """

    as_of: date | None
    ids: NDArray[np.bytes_]
    start: NDArray[np.int64]
    bodies: NDArray[np.uint8]
    owner: NDArray[np.int32]
    team: NDArray[np.int32]
    owners: dict[str, int]
    teams: dict[str, int]
    p: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, person_ids: Sequence[str]) -> NDArray[np.int64]:
        """Row of each id, `NOBODY` where there is none, shape (ids,)."""
        if not len(self.ids) or not len(person_ids):
            return np.full(len(person_ids), NOBODY, np.int64)
        width = self.ids.dtype.itemsize
        coded = [one.encode("utf-8", "surrogatepass") for one in person_ids]
        fits = np.array([0 < len(one) <= width and not one.endswith(b"\0") for one in coded])
        wanted = np.array(coded, dtype=f"S{width}")
        at = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return np.where(fits & (self.ids[at] == wanted), at, NOBODY)

    def seen_by(self, rows: NDArray[np.int64], *, owner_id: str | None, team_id: str | None) -> NDArray[np.int64]:
        """The rows, `NOBODY` for people outside the caller's owner and team."""
        seen = rows
        for wanted, codes, held in ((owner_id, self.owners, self.owner), (team_id, self.teams, self.team)):
            if wanted is not None:
                code = codes.get(wanted, -2)
                own = held[np.maximum(seen, 0)] if len(held) else np.full(len(seen), -1)
                seen = np.where((seen != NOBODY) & (own == code), seen, NOBODY)
        return seen

    def body(self, row: int) -> bytes:
        """JSON answer of one row."""
        return self.bodies[self.start[row] : self.start[row + 1]].tobytes()

    def percentiles(self, p: NDArray[np.float64]) -> list[float | None]:
        """Shares of the day's people with a lower p, half of the equal ones added, 0..100; None without people."""
        if not len(self.p):
            return [None] * len(p)
        around = np.searchsorted(self.p, p, side="left") + np.searchsorted(self.p, p, side="right")
        return [round(100.0 * both / (2.0 * len(self.p)), 6) for both in around.tolist()]


def nobody() -> People:
    """Before the first published day."""
    empty: Any = np.zeros(0)
    return People(
        None, np.zeros(0, "S1"), np.zeros(1, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.int32),
        np.zeros(0, np.int32), {}, {}, empty,
    )  # fmt: skip


def open_people(published: Path, cache: Path, manifest: PublishedManifest) -> People:
    """Map the people of a published date; the first process that needs them makes the files, others wait.

    Args:
        published: root of published datasets.
        cache: folder of files that can be made again.
        manifest: of the date's scores, or of those without one.
    """
    dataset = manifest.dataset
    cache = cache if dataset == DATASET else cache / dataset
    folder = cache / f"{manifest.as_of_date}-{manifest.sha256[:16]}-{_SHAPE}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / ".lock"):
            if not folder.exists():
                source = published_path(published, dataset=dataset, as_of=manifest.as_of_date)
                _make(source, folder, _SQL[dataset])
                _tidy(cache, keep=folder)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))

    def mapped(name: str, dtype: Any) -> Any:
        path = folder / f"{name}.bin"
        return np.memmap(path, dtype=dtype, mode="r") if path.stat().st_size else np.zeros(0, dtype)

    return People(
        manifest.as_of_date,
        mapped("ids", f"S{facts['width']}"),
        mapped("start", np.int64),
        mapped("bodies", np.uint8),
        mapped("owner", np.int32),
        mapped("team", np.int32),
        facts["owners"],
        facts["teams"],
        mapped("p", np.float64),
    )


def _make(source: Path, folder: Path, sql: str) -> None:
    staging = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    owners: dict[str, int] = {}
    teams: dict[str, int] = {}
    chances, ends, end = [], [np.zeros(1, np.int64)], 0
    with duckdb.connect() as connection:
        found = connection.execute("select max(strlen(person_id)) from read_parquet(?)", [str(source)]).fetchone()
        width = int(found[0]) if found and found[0] else 1
        batches = connection.execute(sql, [str(source)]).to_arrow_reader(_ROWS_AT_ONCE)
        files = {name: (staging / f"{name}.bin").open("wb") for name in ("ids", "bodies", "owner", "team")}
        try:
            for batch in batches:
                ids, owner, team, p, body = (batch.column(at).to_pylist() for at in range(5))
                files["ids"].write(np.array([one.encode() for one in ids], dtype=f"S{width}").tobytes())
                files["owner"].write(_codes(owner, owners).tobytes())
                files["team"].write(_codes(team, teams).tobytes())
                texts = [text.encode() for text in body]
                files["bodies"].write(b"".join(texts))
                stops = end + np.cumsum([len(text) for text in texts], dtype=np.int64)
                end = int(stops[-1])
                ends.append(stops)
                chances.append(np.array([one for one in p if one is not None], np.float64))
        finally:
            for handle in files.values():
                handle.close()
    (staging / "start.bin").write_bytes(np.concatenate(ends).tobytes())
    (staging / "p.bin").write_bytes(np.sort(np.concatenate([*chances, np.zeros(0)])).tobytes())
    facts = {"width": width, "owners": owners, "teams": teams}
    (staging / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    staging.replace(folder)
    fsync_path(folder.parent)


def _codes(values: Sequence[str | None], known: dict[str, int]) -> NDArray[np.int32]:
    return np.array([-1 if one is None else known.setdefault(one, len(known)) for one in values], np.int32)


def _tidy(cache: Path, *, keep: Path) -> None:
    """Remove all but the newest folders; a process that maps a removed file goes on reading it."""
    folders = sorted((path for path in cache.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in folders[:-_KEPT]:
        if path != keep:
            shutil.rmtree(path, ignore_errors=True)
