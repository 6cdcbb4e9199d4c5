"""The synthetic world beside its own optimum: how much of the way from .5 the platform's scores go.

A world of so many people is exported, the platform runs one day on it as an operator would, and its published scores
are judged against the hidden chances: by the AUC that outcomes drawn from these would show on average, so that no luck
of one draw is measured. The optimum is the best anybody can do with what the exports tell.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np

from bench.rows import ROOT, Origin, Row, make_row
from bench.science import expected_auc
from bench.uplift import uplift_rows
from bench.world import SECOND_DAY, World, write
from contracts.errors import BadInputError
from contracts.published import published_path
from models.calibration.calibrator import Floats
from simulation import WorldSettings, optima

_DAY: Final = SECOND_DAY
_OPTIMUM_PEOPLE: Final = 1_000_000
# Chance, true chance and the best chance that the exports allow, of everybody who was scored.
_JOINED: Final = """
with people as (
    select r.person_id, min(i.pid) as pid
    from marts.person_records as r
    join read_parquet(?) as i on i.crm = r.crm and i.record_id = r.record_id
    group by r.person_id
    having count(distinct i.pid) = 1
)
select s.p as ours, t.p as truth, o.p_observable as best, t.reacted
from read_parquet(?) as s
join people using (person_id)
join read_parquet(?) as t using (pid)
join read_parquet(?) as o using (pid)
where t.dormant
order by s.person_id
"""


@dataclass(frozen=True)
class Judged:
    """People of the world who were scored; all arrays have shape (people,).

    Attributes:
        ours: published p.
        truth: hidden chance.
        best: chance by everything that the exports tell.
        reacted: what happened in this world.
    """

    ours: Floats
    truth: Floats
    best: Floats
    reacted: Any

    @property
    def way(self) -> float:
        """Share of the way from .5 to the observable optimum."""
        optimum = expected_auc(self.best, self.truth)
        return (expected_auc(self.ours, self.truth) - 0.5) / (optimum - 0.5)


def world_rows(at: Origin, people: int, *, way: float | None, folder: Path, optimum_people: int) -> list[Row]:
    """Rows of one world.

    Args:
        at: origin of the rows.
        people: of the world.
        way: share of the way that is promised, or None.
        folder: for world and installation; what is there is used again.
        optimum_people: fresh people that the optimum is fitted on.

    Raises:
        BadInputError: the day failed, or nobody of the world can be judged.
    """
    judged = judged_world(folder, people, optimum_people=optimum_people)
    name = f"synthetic world, {people:,} people"
    error = abs(float(judged.ours.sum()) / float(judged.truth.sum()) - 1.0)
    missing = None if way is None else round(1.0 - way, 6)
    return [
        make_row(
            at, f"{name}: AUC against the hidden chances", [expected_auc(judged.ours, judged.truth)], "AUC",
            baseline=[expected_auc(judged.best, judged.truth)],
        ),
        make_row(at, f"{name}: missing of the way from .5 to the optimum", [1.0 - judged.way], "share", target=missing),
        make_row(at, f"{name}: expected returns off by", [error], "share"),
        make_row(at, f"{name}: people judged", [float(judged.truth.size)], "people"),
    ]  # fmt: skip


def judged_world(folder: Path, people: int, *, optimum_people: int) -> Judged:
    """Export, run the day in a process of its own, and join its scores with the truth; what is there is kept."""
    state, truth = day_of(folder, people)
    optima(WorldSettings(seed=7, people=people), truth=truth, fresh_people=optimum_people)
    return joined(state, truth)


def day_of(folder: Path, people: int) -> tuple[Path, Path]:
    """State of the platform after one day on a world, and the world's truth; what is there is kept."""
    world = World(folder / f"world-{people}", people)
    state = folder / f"state-{people}"
    if not world.sources.exists():
        write(world, _DAY, since=None)
    if not (state / "published" / "lead_scores").exists():
        _run(state, world.sources)
    return state, world.truth


def joined(state: Path, truth: Path) -> Judged:
    """Published scores of an installation beside the truth, a row a person of whom all records are known to be one's.

    Raises:
        BadInputError: nobody can be judged.
    """
    paths = (
        truth / "identity.parquet",
        published_path(state / "published", dataset="lead_scores", as_of=_DAY),
        truth / "p" / f"{_DAY}.parquet",
        truth / "optimum" / "people.parquet",
    )
    with duckdb.connect(str(state / "warehouse" / "recovery.duckdb"), read_only=True) as connection:
        found = connection.execute(_JOINED, [str(path) for path in paths]).fetchnumpy()
    if found["truth"].size == 0 or not np.asarray(found["reacted"], dtype=bool).any():
        raise BadInputError("Nobody of the world can be judged.", where=str(state), remedy="Take a larger world.")
    arrays = {name: np.asarray(found[name], dtype=np.float64) for name in ("ours", "truth", "best")}
    return Judged(**arrays, reacted=np.asarray(found["reacted"], dtype=bool))


def _run(state: Path, sources: Path) -> None:
    words = ["--state", str(state), "--sources", str(sources), "--as-of", _DAY.isoformat()]
    done = subprocess.run(
        [sys.executable, "-m", "bench.platform_day", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    told = json.loads(lines[-1]) if lines else {"ok": False, "failures": [done.stderr[-400:]]}
    if not told["ok"]:
        raise BadInputError("The day failed.", where=str(state), remedy="; ".join(told["failures"])[:600])


@dataclass(frozen=True)
class Part:
    """A part of `make benchmark`: a world in a folder of its own.

    Attributes:
        people: of the world.
        way: share of the way to the optimum that is promised; None leaves the scores out.
        value: share of the oracle's value that is promised of whom to contact; None promises nothing.
    """

    people: int
    way: float | None
    value: float | None

    def __call__(self, at: Origin, data: Path) -> list[Row]:  # noqa: ARG002 - as every part; no public table is read
        """Measure the part."""
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            state, truth = day_of(folder, self.people)
            optima(WorldSettings(seed=7, people=self.people), truth=truth, fresh_people=_OPTIMUM_PEOPLE)
            rows = uplift_rows(at, self.people, share=self.value, state=state, truth=truth)
            if self.way is None:
                return rows
            scores = world_rows(at, self.people, way=self.way, folder=folder, optimum_people=_OPTIMUM_PEOPLE)
            return [*scores, *rows]


rows_6_000: Final = Part(6_000, way=None, value=None)
rows_60_000: Final = Part(60_000, way=0.85, value=0.80)
rows_200_000: Final = Part(200_000, way=0.90, value=None)
rows_500_000: Final = Part(500_000, way=None, value=0.92)
