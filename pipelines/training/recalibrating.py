"""Puts another calibrator on the model in use: a version of its own, with the same trees and coefficients."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.errors import BadInputError
from contracts.files import write_atomic
from models.calibration.calibrator import Calibrator
from models.evaluation.gate import Decision
from models.scoring.probe import load_fault, probe_rows
from models.training.fingerprint import code_version, fingerprint
from models.training.record import CandidateRecord
from models.training.words import model_card, model_summary
from pipelines.training.fit import PROBE_ROWS
from pipelines.training.inputs import Inputs
from pipelines.training.library import MODEL_FILE, PROBE_FILE, RANGES_FILE, REFERENCE_FILE
from pipelines.training.restoring import restored_record

if TYPE_CHECKING:
    from models.scoring.model import ResurrectionModel
    from models.tracking.store import DayRun, Held, Tracking


def recalibrated(inputs: Inputs, tracking: Tracking, before: Held, gate: Decision) -> tuple[Held | None, Decision]:
    """Register the model in use with the calibrator that matured outcomes call for, and make it the champion.

    The same calibrator finds the version that is there. The version before it becomes `previous`.

    Returns:
        The version in use from now on, and the decision as it is told; `held` when the new file cannot be used.
    """
    from models.tracking import registry
    from models.tracking.store import IN_USE_TAG, PROMOTED_TAG

    known, day = inputs.known, inputs.day
    record = restored_record(day.library, tracking, before)
    if record is None or known.calibrator is None:
        reason = f"the files of version {before.version} cannot be found"
        return before, replace(gate, verdict="held", reason=f"it cannot be recalibrated: {reason}")
    made = _registered(inputs, tracking, before, record, Calibrator.from_dict(known.calibrator))
    folder = day.library.folder(made.fingerprint)
    fault = load_fault(folder / MODEL_FILE, sha256=made.model_sha256 or "", probe=folder / PROBE_FILE)
    if fault is not None:
        return before, replace(gate, verdict="held", reason=f"the recalibrated model cannot be used: {fault}")
    version = str(made.version)
    # The tag comes first: after a kill before the promotion nothing has changed.
    since = before.tags.get(IN_USE_TAG, before.tags.get(PROMOTED_TAG, day.as_of.isoformat()))
    tracking.tag_version(version, {IN_USE_TAG: since})
    registry.promote(tracking, version, before=before, as_of=day.as_of)
    tracking.describe(before.version, f"Replaced by version {version} on {day.as_of}, which has another calibrator.")
    told = f"version {version} is version {before.version} with another calibrator: {known.evidence.recalibration}"
    return tracking.version(version), replace(gate, verdict="recalibrated", reason=told)


def _registered(
    inputs: Inputs, tracking: Tracking, before: Held, record: CandidateRecord, calibrator: Calibrator
) -> CandidateRecord:
    from models.scoring.files import load_model

    library, as_of = inputs.day.library, inputs.day.as_of
    name = fingerprint(recalibrated_from=before.root, calibrator=calibrator.to_dict())
    found = library.record(name)
    if found is not None and tracking.version_of(name) is not None:
        return found
    source = library.folder(before.fingerprint)
    model = load_model(source / MODEL_FILE, sha256=before.model_sha256).with_calibrator(calibrator)
    made = record.model_copy(
        update={
            "fingerprint": name,
            "recalibrated_from": before.root,
            "recalibrated_as_of": as_of,
            "calibration": f"{record.calibration}; on {as_of}: {inputs.known.evidence.recalibration}",
            **dict.fromkeys(("version", "run_id", "experiment_id", "model_sha256")),
        }
    )
    logged = tracking.log_day(_run(inputs, made, before, _samples(source, library.folder(name), model)), model)
    if logged.version is None:
        raise BadInputError("The recalibrated model was not registered.", where=tracking.uri, remedy="Run it again.")
    write_atomic(library.folder(name) / MODEL_FILE, tracking.model_bytes(logged.version))
    named = {"version": logged.version, "run_id": logged.run_id, "experiment_id": logged.experiment_id}
    made = made.model_copy(update=named | {"model_sha256": logged.model_sha256})
    library.save_record(made)
    return made


def _samples(source: Path, folder: Path, model: ResurrectionModel) -> dict[str, bytes]:
    """Reference, ranges and probe rows beside the new version; artifact path -> content."""
    import pyarrow.parquet as pq

    files = {f"drift/{name}": (source / name).read_bytes() for name in (REFERENCE_FILE, RANGES_FILE)}
    reference = pq.read_table(source / REFERENCE_FILE).to_pandas()
    few = reference.iloc[:: max(1, len(reference) // PROBE_ROWS)]
    files[f"probe/{PROBE_FILE}"] = probe_rows(few, list(model.feature_names), model.p(few))
    for path, content in files.items():
        write_atomic(folder / path.rpartition("/")[2], content)
    return files


def _run(inputs: Inputs, made: CandidateRecord, before: Held, files: dict[str, bytes]) -> DayRun:
    from models.tracking.store import ROOT_TAG, DayRun

    known, day = inputs.known, inputs.day
    card = model_card(made)
    calibrator = {f"calibrator.{name}": value for name, value in (known.calibrator or {}).items() if name != "knots"}
    return DayRun(
        fingerprint=made.fingerprint,
        name=f"{day.as_of} {made.name}, recalibrated",
        note=card,
        summary=f"Version {before.version} with another calibrator. {model_summary(made)}",
        dataset=("matured_promises", known.fingerprint, "published lead_scores, marts.lead_labels"),
        params={"recipe": made.name, "recalibrated_version": before.version, **calibrator},
        metrics=known.figures,
        tags={
            "as_of_date": day.as_of.isoformat(),
            "dagster_run_id": day.dagster_run_id,
            "git_commit": day.commit,
            "code_version": code_version()[:16],
        },
        candidates={},
        files={
            "model_card.md": card.encode(),
            "record.json": made.model_dump_json(indent=1).encode(),
            "calibrator.json": json.dumps(known.calibrator, sort_keys=True).encode(),
            **files,
        },
        version_tags={ROOT_TAG: before.root},
        source="training/champion_model",
    )
