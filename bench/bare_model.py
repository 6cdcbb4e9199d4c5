"""The baseline's science: fit, predict, contributions and reasons on the same tables, and one Parquet file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.settings import Settings
from models.features import FEATURES
from models.scoring.points import percentiles_of, points_of, ranking, tiers_of
from models.scoring.reasons import reasons_table
from models.training.recipe import TrainingPlan, train
from pipelines.training.frames import PanelRequest, read_panel, read_people


def score_everyone(connection: duckdb.DuckDBPyConnection, as_of: date, settings: Settings, target: Path) -> int:
    """Train on the mature panel, score everyone dormant, write the scores; returns the people scored."""
    request = PanelRequest(as_of, settings.training_weeks, settings.horizon_days, FEATURES)
    frame = read_panel(connection, request)
    outcome = train(
        frame,
        FEATURES,
        TrainingPlan(
            horizon_days=settings.horizon_days,
            min_people=settings.min_training_people,
            min_events=settings.min_training_events,
            seed=settings.seed,
            threads=settings.duckdb_threads,
        ),
    )
    base_rate = outcome.base_rate
    del frame
    people = read_people(connection, as_of=as_of, features=FEATURES)
    if outcome.model is None or base_rate is None or people.empty:
        pq.write_table(pa.table({"person_id": people["person_id"]}), target)
        return len(people)
    raw = outcome.model.raw(people)
    p = outcome.model.calibrate(raw)
    order = ranking(p, raw, people["person_id"].to_numpy(dtype=object))
    people, raw, p = people.iloc[order].reset_index(drop=True), raw[order], p[order]
    points = points_of(p, anchor=base_rate)
    explained = people.head(settings.reasons_limit)
    values, _, _ = outcome.model.contributions(explained)
    by_name = {spec.name: spec for spec in FEATURES}
    reasons = reasons_table(explained, [by_name[name] for name in outcome.model.feature_names], values)
    rest = pa.nulls(len(people) - len(explained), type=reasons.type)
    table = pa.table(
        {
            "person_id": pa.array(people["person_id"], pa.string()),
            "p": p,
            "raw": raw,
            "points": points,
            "percentile": percentiles_of(p),
            "tier": pa.array(tiers_of(points), pa.string()),
            "anchor": np.full(len(people), base_rate),
            "reasons": pa.chunked_array([reasons, rest]),
        }
    )
    pq.write_table(table, target, compression="zstd")
    return len(people)
