"""Compares today's people with the champion's training reference."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from contracts.files import write_atomic
from contracts.published import PublishedManifest, publish, read_manifest
from models.features import FEATURES, FeatureSpec
from models.training.fingerprint import fingerprint
from models.training.record import ModelState
from pipelines.resources import Engine
from pipelines.scoring.frames import SNAPSHOTS, people_fingerprint
from pipelines.training.library import RANGES_FILE, REFERENCE_FILE, Library

if TYPE_CHECKING:
    from models.drift.report import DriftResult

DATASET: Final = "feature_drift"
SAMPLE_ROWS: Final = 5_000  # Evidently's cost grows with rows; the index of 5,000 is known to about .01
CODE: Final = "2"  # part of the fingerprint: raise it when what is computed changes
KEPT_REPORTS: Final = 30  # pages below var/report/drift; the MLflow run of the champion keeps all
SCHEMA: Final = pa.schema(
    [("as_of_date", pa.date32()), ("feature", pa.string()), ("psi", pa.float64()), ("is_drifted", pa.bool_()),
     ("out_of_range", pa.int64())]
)  # fmt: skip


def drift_day(
    engine: Engine, *, as_of: date, state: ModelState, features: tuple[FeatureSpec, ...] = FEATURES
) -> tuple[PublishedManifest, bool]:
    """Publish `feature_drift` of a date; returns its manifest and whether it was computed now.

    Without a model, or without people, nothing is compared: `share_drifted` is null and nothing is severe.
    """
    settings = engine.settings
    columns = tuple(spec.name for spec in features)
    with engine.warehouse.open() as connection:
        people = people_fingerprint(engine.warehouse, connection, as_of=as_of, columns=columns)
    thresholds = (settings.drift_warn_share, settings.drift_hold_share)
    name = fingerprint(people=people, model=state.model_fingerprint, thresholds=thresholds, code=CODE)
    manifest = read_manifest(settings.published_dir, dataset=DATASET, as_of=as_of)
    if manifest is not None and manifest.facts.get("fingerprint") == name:
        return manifest, False
    rows, facts = _compared(engine, as_of=as_of, state=state, features=features)
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    facts = {"fingerprint": name, **facts}
    return publish(settings.published_dir, dataset=DATASET, as_of=as_of, table=table, facts=facts), True


def _nothing_compared(state: ModelState) -> dict[str, Any]:
    return {
        "share_drifted": None,
        "severe": False,
        "warns": False,
        "drifted": [],
        "ageing": [],
        "out_of_range_rows": 0,
        "out_of_range": {},
        "report": None,
        "reference_version": state.version,
        "people": 0,
    }


def _rows(result: DriftResult, by_feature: dict[str, int], *, as_of: date) -> list[dict[str, Any]]:
    names = sorted({*result.scores, *by_feature})
    return [
        {
            "as_of_date": as_of,
            "feature": name,
            "psi": result.scores.get(name),
            "is_drifted": name in result.drifted,
            "out_of_range": by_feature.get(name, 0),
        }
        for name in names
    ]


def _compared(
    engine: Engine, *, as_of: date, state: ModelState, features: tuple[FeatureSpec, ...]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    settings = engine.settings
    facts = _nothing_compared(state)
    if state.model_fingerprint is None:
        return [], facts
    folder = Library(settings.var_dir / "models").folder(state.model_fingerprint)
    if not (folder / REFERENCE_FILE).exists() or not (folder / RANGES_FILE).exists():
        return [], facts | {"missing_reference": True}

    import pyarrow.parquet as pq

    from models.drift.ranges import out_of_range
    from models.drift.report import AGEING, drift_report, sample_rows
    from pipelines.training.frames import read_people

    with engine.warehouse.open() as connection:
        if not engine.warehouse.exists(connection, SNAPSHOTS):
            return [], facts
        frame = read_people(connection, as_of=as_of, features=features)
    ranges = json.loads((folder / RANGES_FILE).read_text())
    outside, by_feature = out_of_range(frame, [spec for spec in features if spec.name in ranges], ranges)
    reference = pq.read_table(folder / REFERENCE_FILE).to_pandas()
    result = drift_report(
        frame.iloc[sample_rows(len(frame), SAMPLE_ROWS)],
        reference.iloc[sample_rows(len(reference), SAMPLE_ROWS)],
        features,
    )
    path = settings.report_dir / "drift" / f"{as_of}.html"
    if result.html:
        write_atomic(path, result.html.encode())
        _keep_with_run(engine, state, path)
        purge_reports(path.parent)
    share = result.share
    facts |= {
        "share_drifted": share,
        "severe": share is not None and share >= settings.drift_hold_share,
        "warns": share is not None and share >= settings.drift_warn_share,
        "drifted": list(result.drifted),
        "ageing": [name for name in result.drifted if name in AGEING],
        "out_of_range_rows": outside,
        "out_of_range": dict(sorted(by_feature.items(), key=lambda pair: (-pair[1], pair[0]))[:5]),
        "report": path.relative_to(settings.var_dir).as_posix() if result.html else None,
        "people": len(frame),
    }
    return _rows(result, by_feature, as_of=as_of), facts


def _keep_with_run(engine: Engine, state: ModelState, path: Path) -> None:
    """Keep the report with the MLflow run of the champion."""
    if state.run_id is None:
        return
    from pipelines.training.fit import tracking_of

    tracking_of(engine.settings).add_file(state.run_id, path, "drift_reports")


def purge_reports(folder: Path, *, kept: int = KEPT_REPORTS) -> int:
    """Remove all but the newest pages, named by date; returns how many went."""
    old = sorted(folder.glob("????-??-??.html"))[:-kept]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
