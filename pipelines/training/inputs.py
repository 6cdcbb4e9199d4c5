"""What a decision about the model in use rests on."""

from __future__ import annotations

from dataclasses import dataclass

from models.training.fingerprint import code_version, fingerprint
from models.training.record import CandidateRecord
from pipelines.training.evidence import Known
from pipelines.training.fit import DayOfTraining


@dataclass(frozen=True)
class Inputs:
    """What a decision rests on: the day, its candidate, and what is known of the model in use."""

    day: DayOfTraining
    candidate: CandidateRecord
    known: Known

    @property
    def fingerprint(self) -> str:
        """Same inputs, same decision."""
        return fingerprint(
            candidate=self.candidate.fingerprint,
            known=self.known.fingerprint,
            promote_every_days=self.day.settings.promote_every_days,
            refresh_after_days=self.day.settings.refresh_after_days,
            code=code_version(),
            as_of=self.day.as_of,
        )
