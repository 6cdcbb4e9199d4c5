"""The machine-readable result of a run: `var/summary.json`."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, model_validator


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChampionSummary(_Frozen):
    """The model in use; figures are None where they cannot be measured."""

    name: str
    version: str | None
    score_kind: str
    roc_auc: float | None
    pr_auc: float | None
    brier: float | None
    ece: float | None
    base_rate: float | None


class DriftSummary(_Frozen):
    """Drift of today's snapshots against the champion's reference; `report` is a path or None."""

    share_drifted: float | None
    report: str | None


class ScoresSummary(_Frozen):
    """Scored rows, and dormant people without a score by reason."""

    rows: int
    unscored: dict[str, int]
    path: str | None


class PowerSummary(_Frozen):
    """What the holdout can show: controls, and the smallest visible effect as a share (0..1)."""

    controls: int
    smallest_visible_effect: float | None


class BatchSummary(_Frozen):
    """The emitted batch; `id` is None when nothing was planned."""

    id: str | None
    sha256: str | None
    planned: int
    held_out: int
    skipped: dict[str, int]
    power: PowerSummary
    path: str | None


class RunSummary(_Frozen):
    """One day; `scores.rows + sum(scores.unscored) == dormant` always holds."""

    as_of_date: date
    people: int
    dormant: int
    contactable: int
    rows_in: int
    rows_rejected: int
    champion: ChampionSummary
    drift: DriftSummary
    scores: ScoresSummary
    batch: BatchSummary
    report: str | None
    seconds: dict[str, float]

    @model_validator(mode="after")
    def _every_dormant_person_is_accounted_for(self) -> RunSummary:
        counted = self.scores.rows + sum(self.scores.unscored.values())
        if counted != self.dormant:
            raise ValueError(f"scores.rows + unscored is {counted}, dormant is {self.dormant}")
        return self
