"""The local shelf of models under `var/models`: records, model files and samples, found by fingerprint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from contracts.files import write_atomic
from models.training.record import CandidateRecord

MODEL_FILE: Final = "model.bin"
PROBE_FILE: Final = "probe.json"
TEST_FILE: Final = "test.parquet"
REFERENCE_FILE: Final = "reference.parquet"
RANGES_FILE: Final = "ranges.json"
RECORD_FILE: Final = "record.json"


@dataclass(frozen=True)
class Library:
    """Folder of models; MLflow holds the same files, this is where they load from without it."""

    root: Path

    def folder(self, fingerprint: str) -> Path:
        """Folder of one training."""
        return self.root / "by_fingerprint" / fingerprint[:32]

    def record(self, fingerprint: str) -> CandidateRecord | None:
        """The record of a training, or None when it was never finished here."""
        path = self.folder(fingerprint) / RECORD_FILE
        if not path.exists():
            return None
        return CandidateRecord.model_validate_json(path.read_bytes())

    def save_record(self, record: CandidateRecord) -> None:
        """Store a record: the last write of a training, so that its presence means all else is there."""
        payload = record.model_dump_json(indent=1).encode() + b"\n"
        write_atomic(self.folder(record.fingerprint) / RECORD_FILE, payload)

    def of_day(self, as_of: date) -> CandidateRecord | None:
        """The training that a date used, or None."""
        path = self._day(as_of)
        return self.record(json.loads(path.read_text())["fingerprint"]) if path.exists() else None

    def save_day(self, as_of: date, fingerprint: str) -> None:
        """Remember which training a date used."""
        write_atomic(self._day(as_of), json.dumps({"fingerprint": fingerprint}).encode() + b"\n")

    def recent(self, as_of: date, *, within_days: int) -> CandidateRecord | None:
        """The newest training made less than `within_days` before a date, or None."""
        for back in range(1, within_days):
            found = self.of_day(as_of - timedelta(days=back))
            if found is not None:
                age = (as_of - found.trained_as_of).days
                return found if 0 <= age < within_days else None
        return None

    def _day(self, as_of: date) -> Path:
        return self.root / "by_day" / f"{as_of.isoformat()}.json"
