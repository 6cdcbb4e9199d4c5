"""Brings the files of a registered version back to the shelf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.files import write_atomic
from models.training.record import CandidateRecord
from pipelines.training.library import MODEL_FILE, PROBE_FILE, RANGES_FILE, REFERENCE_FILE, Library

if TYPE_CHECKING:
    from models.tracking.store import Held, Tracking


def restored_record(library: Library, tracking: Tracking, held: Held) -> CandidateRecord | None:
    """Record and files of a registered version; what the shelf lacks is fetched from MLflow."""
    folder = library.folder(held.fingerprint)
    record = library.record(held.fingerprint)
    if record is None:
        found = tracking.file_bytes(held.run_id, "record.json")
        if found is None:
            return None
        record = CandidateRecord.model_validate_json(found).model_copy(
            update={"version": held.version, "run_id": held.run_id, "model_sha256": held.model_sha256}
        )
        library.save_record(record)
    wanted = {name: f"drift/{name}" for name in (REFERENCE_FILE, RANGES_FILE)} | {PROBE_FILE: f"probe/{PROBE_FILE}"}
    for name, path in wanted.items():
        if not (folder / name).exists() and (content := tracking.file_bytes(held.run_id, path)) is not None:
            write_atomic(folder / name, content)
    if not (folder / MODEL_FILE).exists():
        write_atomic(folder / MODEL_FILE, tracking.model_bytes(held.version))
    return record
