"""Reads past published scores beside the outcomes that have matured since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from contracts.published import arrow, published_dates, published_path, read_manifest
from models.calibration.calibrator import Calibrator
from models.evaluation.backtest import BacktestDay, backtest_day, failing
from models.training.fingerprint import fingerprint
from pipelines.training.frames import TABLES
from pipelines.warehouse import Warehouse

DATASET: Final = "matured_backtest"
_MOST_DAYS: Final = 12  # past days that are told; older ones stay in their own partitions
_WEEK: Final = 7

SCHEMA: Final = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("scored_date", pa.date32()),
        ("score_kind", pa.string()),
        ("model_version", pa.string()),
        ("people", pa.int64()),
        ("promised", pa.float64()),
        ("happened", pa.int64()),
        ("ratio", pa.float64()),
        ("ratio_low", pa.float64()),
        ("ratio_high", pa.float64()),
        ("log_loss", pa.float64()),
        ("roc_auc", pa.float64()),
        ("roc_auc_low", pa.float64()),
        ("roc_auc_high", pa.float64()),
    ]
)

_JOINED: Final = """
select s.p, s.raw, l.is_reactivated as y, coalesce(s.account_id, s.person_id) as grp, s.score_kind, s.model_version
from read_parquet(?) as s
join marts.lead_labels as l on l.person_id = s.person_id and l.as_of_date = ?
where l.censored_at is null and l.is_reactivated is not null and l.label_observed_until <= ?
order by s.person_id
"""


def judge_past_days(warehouse: Warehouse, *, published: Path, as_of: date, seed: int) -> list[BacktestDay]:
    """Every past published day whose outcomes have matured, newest last, at most twelve."""
    days = [day for day in published_dates(published, "lead_scores") if day < as_of]
    judged: list[BacktestDay] = []
    if not days:
        return judged
    with warehouse.open() as connection:
        if not all(warehouse.exists(connection, table) for table in TABLES):
            return judged
        matured = {row[0] for row in connection.execute("select distinct as_of_date from marts.lead_labels").fetchall()}
        for day in [one for one in days if one in matured][-_MOST_DAYS:]:
            path = published_path(published, dataset="lead_scores", as_of=day)
            found = arrow(connection, _JOINED, [str(path), day, as_of])
            if found.num_rows == 0:
                continue
            judged.append(
                backtest_day(
                    scored_date=day,
                    score_kind=found["score_kind"][0].as_py(),
                    model_version=found["model_version"][0].as_py() or "",
                    p=found["p"].to_numpy(),
                    raw=found["raw"].to_numpy(),
                    y=found["y"].to_numpy(),
                    groups=found["grp"].to_numpy(),
                    seed=seed,
                )
            )
    return judged


def inputs_fingerprint(warehouse: Warehouse, *, published: Path, as_of: date) -> str:
    """Changes when a past score or a mature outcome changes."""
    manifests = [
        (str(day), manifest.sha256)
        for day in published_dates(published, "lead_scores")
        if day < as_of and (manifest := read_manifest(published, dataset="lead_scores", as_of=day))
    ]
    labels: object = None
    if manifests:
        with warehouse.open() as connection:
            if all(warehouse.exists(connection, table) for table in TABLES):
                labels = connection.execute(
                    """
                    select count(*), sum(cast(hash(as_of_date, person_id, is_reactivated, censored_at) as hugeint))
                    from marts.lead_labels
                    where label_observed_until <= ? and as_of_date in (select unnest(cast(? as date[])))
                    """,
                    [as_of, [day for day, _ in manifests]],
                ).fetchone()
    return fingerprint(scores=manifests, labels=str(labels))


def backtest_table(days: list[BacktestDay], *, as_of: date) -> pa.Table:
    """One row per judged past day."""
    rows = [
        {
            "as_of_date": as_of,
            "scored_date": day.scored_date,
            "score_kind": day.score_kind,
            "model_version": day.model_version,
            "people": day.people,
            "promised": day.promised,
            "happened": day.happened,
            "ratio": day.ratio.value,
            "ratio_low": day.ratio.low,
            "ratio_high": day.ratio.high,
            "log_loss": day.log_loss,
            "roc_auc": day.roc_auc.value if day.roc_auc else None,
            "roc_auc_low": day.roc_auc.low if day.roc_auc else None,
            "roc_auc_high": day.roc_auc.high if day.roc_auc else None,
        }
        for day in days
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def verdict_words(days: list[BacktestDay]) -> str:
    """The backtest in a sentence."""
    if not days:
        return "too early: no published day has matured yet"
    fault = failing(days)
    if fault is not None:
        return f"failing: {fault}"
    day = days[-1]
    return (
        f"of {day.promised:.0f} returns expected on {day.scored_date}, {day.happened} happened "
        f"(ratio {day.ratio.value:.2f}, {day.ratio.low:.2f} to {day.ratio.high:.2f})"
    )


@dataclass(frozen=True)
class Promises:
    """What one model promised on past days a week apart, beside what happened; all arrays have shape (rows,).

    Attributes:
        raw: its log odds before calibration.
        y: matured outcomes.
        day: date on which each was scored.
        groups: account or person.
        is_newest_of_all: no other model has scored a later day that has matured.
    """

    raw: Any
    y: Any
    day: Any
    groups: Any
    is_newest_of_all: bool

    @property
    def month(self) -> Any:
        """Month in which each was scored."""
        return self.day.astype("datetime64[M]")

    def newest(self, calibrator: Calibrator, *, seed: int) -> BacktestDay:
        """The newest day, judged as if this calibrator had promised."""
        rows = self.day == self.day.max()
        return backtest_day(
            scored_date=self.day.max().astype(date),
            score_kind="model",
            model_version="",
            p=calibrator.apply(self.raw[rows]),
            raw=self.raw[rows],
            y=self.y[rows],
            groups=self.groups[rows],
            seed=seed,
        )


def read_promises(warehouse: Warehouse, *, published: Path, as_of: date, versions: frozenset[str]) -> Promises | None:
    """Matured promises of the given versions, a week apart, newest first until they hold outcomes enough; None before
    any."""
    import numpy as np

    from models.calibration.recalibration import LEAST_EVENTS_SLOPE

    parts: list[pa.Table] = []
    days: list[date] = []
    newest: date | None = None
    events = others = 0
    with warehouse.open() as connection:
        if not all(warehouse.exists(connection, table) for table in TABLES):
            return None
        for day in reversed([one for one in published_dates(published, "lead_scores") if one < as_of]):
            if len(days) == _MOST_DAYS or min(events, others) >= LEAST_EVENTS_SLOPE:
                break
            if days and (days[-1] - day).days < _WEEK:
                continue
            found = arrow(
                connection, _JOINED, [str(published_path(published, dataset="lead_scores", as_of=day)), day, as_of]
            )
            if not found.num_rows:
                continue
            newest = newest or day
            if found["model_version"][0].as_py() not in versions:
                continue
            parts.append(found)
            days.append(day)
            hits = int(found["y"].to_numpy().sum())
            events, others = events + hits, others + found.num_rows - hits
    if not parts:
        return None
    joined = pa.concat_tables(parts)
    return Promises(
        raw=joined["raw"].to_numpy(),
        y=joined["y"].to_numpy().astype(bool),
        day=np.repeat(np.array(days, dtype="datetime64[D]"), [part.num_rows for part in parts]),
        groups=np.asarray(joined["grp"].to_pylist(), dtype=object),
        is_newest_of_all=newest == days[0],
    )
