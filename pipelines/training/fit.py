"""Makes the candidate of a day, or finds the one that the same data, code and parameters made before."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contracts.files import atomic_path, write_atomic
from contracts.settings import Settings
from models.features import FEATURES, FeatureSpec
from models.training.fingerprint import code_version, model_fingerprint
from models.training.record import CandidateRecord
from pipelines.training.frames import PanelRequest, read_panel
from pipelines.training.library import (
    MODEL_FILE,
    PROBE_FILE,
    RANGES_FILE,
    REFERENCE_FILE,
    TEST_FILE,
    Library,
)
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

    from models.tracking.store import Tracking
    from models.training.recipe import Outcome

REFERENCE_ROWS: Final = 20_000
PICTURES: Final = ("calibration.png", "lift.png")
PROBE_ROWS: Final = 8


@dataclass(frozen=True)
class DayOfTraining:
    """What a training is told: the date, settings, the Dagster run and the code's commit."""

    as_of: date
    settings: Settings
    dagster_run_id: str
    commit: str
    features: tuple[FeatureSpec, ...] = FEATURES

    @property
    def request(self) -> PanelRequest:
        """The panel to read."""
        return PanelRequest(self.as_of, self.settings.training_weeks, self.settings.horizon_days, self.features)

    @property
    def library(self) -> Library:
        """Where models are kept."""
        return Library(self.settings.var_dir / "models")


def tracking_of(settings: Settings) -> Tracking:
    """The MLflow store of the installation; importing MLflow takes about a second."""
    from models.tracking.store import Tracking

    return Tracking(settings.tracking_uri, settings.var_dir / "mlflow" / "artifacts")


def fingerprint_of(day: DayOfTraining, data: str) -> str:
    """Fingerprint of the training that this panel would give."""
    settings = day.settings
    parameters = {
        "horizon_days": settings.horizon_days,
        "outcome_level": settings.outcome_level,
        "min_people": settings.min_training_people,
        "min_events": settings.min_training_events,
    }
    return model_fingerprint(data=data, parameters=parameters, seed=settings.seed)


def make_candidate(
    day: DayOfTraining, warehouse: Warehouse, *, data: str, has_rows: bool, afresh: bool = False
) -> tuple[CandidateRecord, bool]:
    """The candidate of the day and whether it was trained now.

    A fingerprint that is registered is reused: no second run, no second version. So is a candidate younger than
    `retrain_every_days`, unless one is to be fitted `afresh`.
    """
    library = day.library
    name = fingerprint_of(day, data)
    found = library.record(name)
    if found is None and not afresh:
        found = library.recent(day.as_of, within_days=day.settings.retrain_every_days)
    if found is not None:
        library.save_day(day.as_of, found.fingerprint)
        return found, False
    record = _train(day, warehouse, data=data, name=name, has_rows=has_rows)
    library.save_record(record)
    library.save_day(day.as_of, record.fingerprint)
    return record, True


def _train(day: DayOfTraining, warehouse: Warehouse, *, data: str, name: str, has_rows: bool) -> CandidateRecord:
    import pandas as pd

    from models.evaluation.metrics import lift_curve, reliability
    from models.training.recipe import TrainingPlan, train
    from models.training.record import record_of

    settings = day.settings
    if has_rows:
        with warehouse.open() as connection:
            frame = read_panel(connection, day.request)
    else:
        columns = ["person_id", "account_id", "as_of_date", "y", *(spec.name for spec in day.features)]
        frame = pd.DataFrame({column: pd.Series(dtype=object) for column in columns})
    plan = TrainingPlan(
        horizon_days=settings.horizon_days,
        min_people=settings.min_training_people,
        min_events=settings.min_training_events,
        seed=settings.seed,
    )
    outcome = train(frame, day.features, plan)
    test = outcome.test
    curves: dict[str, Any] = {"reliability": [], "lift": []}
    if test is not None:
        y, p, raw = (test[column].to_numpy() for column in ("y", "p", "raw"))
        curves = {"reliability": [dict(row) for row in reliability(p, y)], "lift": lift_curve(y, p, raw)}
    record = record_of(
        outcome,
        fingerprint=name,
        data_fingerprint=data,
        as_of=day.as_of,
        horizon_days=settings.horizon_days,
        **curves,
    )
    folder = day.library.folder(name)
    if outcome.model is not None:
        _keep_samples(folder, frame, outcome)
    return _log(day, record, outcome, folder)


def _keep_samples(folder: Path, frame: pd.DataFrame, outcome: Outcome) -> None:
    """Test predictions, drift reference, training ranges and probe rows beside the model."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from models.drift.ranges import training_ranges
    from models.scoring.probe import probe_rows
    from models.training.matrix import clean_frame

    model = outcome.model
    if model is None or outcome.test is None:
        raise AssertionError("samples belong to a trained model")
    with atomic_path(folder / TEST_FILE) as path:
        pq.write_table(pa.Table.from_pandas(outcome.test, preserve_index=False), path, compression="zstd")
    # Evenly spaced rows of the panel in date order: every week is there, nobody is named.
    rows = np.unique(np.linspace(0, len(frame) - 1, min(REFERENCE_ROWS, len(frame))).astype(int))
    sample = clean_frame(frame.iloc[rows], outcome.features).reset_index(drop=True)
    with atomic_path(folder / REFERENCE_FILE) as path:
        pq.write_table(pa.Table.from_pandas(sample, preserve_index=False), path, compression="zstd")
    ranges = training_ranges(frame, outcome.features)
    write_atomic(folder / RANGES_FILE, json.dumps(ranges, sort_keys=True).encode() + b"\n")
    few = sample.iloc[:: max(1, len(sample) // PROBE_ROWS)]
    write_atomic(folder / PROBE_FILE, probe_rows(few, list(model.feature_names), model.p(few)))


def _log(day: DayOfTraining, record: CandidateRecord, outcome: Outcome, folder: Path) -> CandidateRecord:
    from models.evaluation.plots import calibration_png, lift_png
    from models.tracking.store import DayRun
    from models.training.words import model_card, model_summary

    card = model_card(record)
    files = {
        "model_card.md": card.encode(),
        "features.json": json.dumps([vars_of(spec) for spec in outcome.features], indent=1).encode(),
        "record.json": record.model_dump_json(indent=1).encode(),
        "parts.json": json.dumps(record.parts, indent=1).encode(),
    }
    if outcome.model is not None:
        for name, picture in zip(PICTURES, (calibration_png(record.reliability), lift_png(record.lift)), strict=True):
            write_atomic(folder / name, picture)
            files[f"plots/{name}"] = picture
        files |= {f"drift/{name}": (folder / name).read_bytes() for name in (REFERENCE_FILE, RANGES_FILE)}
        files["probe/probe.json"] = (folder / PROBE_FILE).read_bytes()
    tracking = tracking_of(day.settings)
    logged = tracking.log_day(
        DayRun(
            fingerprint=record.fingerprint,
            name=f"{day.as_of} {record.name if record.refused is None else 'no model'}",
            note=card,
            summary=model_summary(record) if record.refused is None else f"No model: {record.refused}.",
            dataset=("weekly_panel", record.data_fingerprint, "marts.lead_snapshots"),
            params=_params(day, record),
            metrics=record.figures | _counts(record) | _parts(record),
            tags={
                "as_of_date": day.as_of.isoformat(),
                "dagster_run_id": day.dagster_run_id,
                "git_commit": day.commit,
                "dataset_fingerprint": record.data_fingerprint,
                "code_version": code_version()[:16],
            },
            candidates={
                name: (
                    record.parameters[name],
                    figures | {f"no_exposure_{key}": v for key, v in record.without_exposure.get(name, {}).items()},
                )
                for name, figures in record.candidates.items()
            },
            files=files,
        ),
        outcome.model,
    )
    if logged.version is not None:
        write_atomic(folder / MODEL_FILE, tracking.model_bytes(logged.version))
    return record.model_copy(
        update={
            "version": logged.version,
            "run_id": logged.run_id,
            "experiment_id": logged.experiment_id,
            "model_sha256": logged.model_sha256,
        }
    )


def _parts(record: CandidateRecord) -> dict[str, float]:
    """Figures by part of the people under names that MLflow takes."""
    found = {}
    for part in record.parts:
        name = re.sub(r"[^A-Za-z0-9_ .-]", "_", f"part.{part['column']}.{part['value']}")[:200]
        for key in ("rows", "events", "promised", "ratio", "ratio_low", "ratio_high", "ece_excess"):
            if part[key] is not None:
                found[f"{name}.{key}"] = float(part[key])
    return found


def vars_of(spec: FeatureSpec) -> dict[str, str]:
    """A feature as a data scientist reads it."""
    return {"name": spec.name, "kind": spec.kind, "group": spec.group, "description": spec.description}


def _params(day: DayOfTraining, record: CandidateRecord) -> dict[str, object]:
    slices = {f"{name}_dates": f"{min(days)}..{max(days)}" for name, days in record.slices.items() if days}
    chosen = {f"chosen.{key}": value for key, value in record.parameters.get(record.name, {}).items()}
    return {
        "recipe": record.name,
        "horizon_days": day.settings.horizon_days,
        "outcome_level": day.settings.outcome_level,
        "seed": day.settings.seed,
        "features": len(record.features),
        **slices,
        **chosen,
    }


def _counts(record: CandidateRecord) -> dict[str, float]:
    return {
        "train_people": record.train_people,
        "train_events": record.train_events,
        "mature_rows": record.mature_rows,
        "mature_people": record.mature_people,
        "mature_events": record.mature_events,
    }
