"""What is remembered of a training: plain values that cross rooms and outlive the process."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from contracts.words import ScoreKind
from models.evaluation.gate import Verdict
from models.evaluation.resampling import Interval

if TYPE_CHECKING:  # records are read where nothing is trained: scikit-learn stays out
    from models.features import FeatureSpec
    from models.training.recipe import Candidate, Outcome

Bounds = tuple[float, float, float]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), ser_json_inf_nan="null")


class CandidateRecord(_Frozen):
    """A training as it is found again by its fingerprint.

    Attributes:
        figures: measures of the chosen twin on the test slice, by name; empty when training was refused.
        choice: why this recipe was chosen, in words.
        calibration: how its calibrator was chosen, in words.
        candidates: name -> measures of every candidate on the test slice, and `selection_loss`, its log loss on the
            calibration slice.
        without_exposure: name -> rank measures of the same recipe without the `exposure` group.
        slices: slice name -> its as-of dates.
        parts: promised and happened returns by CRM, channel, silence and tier on the test slice.
        version, run_id, experiment_id: where MLflow holds it.
        model_sha256: hash of the model's file, None when training was refused.
        recalibrated_from, recalibrated_as_of: fingerprint of the training whose model has another calibrator here, and
            since when.
    """

    fingerprint: str
    data_fingerprint: str
    trained_as_of: date
    horizon_days: int
    name: str
    choice: str = ""
    calibration: str = ""
    refused: str | None
    train_people: int
    train_events: int
    mature_rows: int
    mature_people: int
    mature_events: int
    base_rate: float | None
    last_date: date | None
    slices: dict[str, list[date]]
    card: dict[str, Any]
    figures: dict[str, float]
    candidates: dict[str, dict[str, float]]
    parameters: dict[str, dict[str, float]]
    without_exposure: dict[str, dict[str, float]]
    gain_over_card: Bounds | None
    features: list[str]
    dropped: dict[str, str]
    infinite: dict[str, int]
    reliability: list[dict[str, float]] = []
    lift: list[tuple[float, float]] = []
    parts: list[dict[str, Any]] = []
    version: str | None = None
    run_id: str | None = None
    experiment_id: str | None = None
    model_sha256: str | None = None
    recalibrated_from: str | None = None
    recalibrated_as_of: date | None = None


class ModelState(_Frozen):
    """The model in use on one as-of date; figures belong to its twin, and are None where they cannot be measured.

    Attributes:
        action, action_reasons: what the rule of drift said, and every reason that was found.
    """

    name: str
    recipe: str
    version: str | None
    score_kind: ScoreKind
    roc_auc: float | None
    roc_auc_interval: tuple[float, float] | None
    pr_auc: float | None
    brier: float | None
    log_loss: float | None
    log_loss_skill: Bounds | None
    ece: float | None
    ece_expected: float | None
    base_rate: float | None
    calibration: dict[str, Bounds] | None
    lift_at_10: float | None
    anchor: float
    anchor_version: int
    train_people: int
    train_events: int
    decision: Verdict
    decision_reason: str
    gain: Bounds | None
    paragraph: str
    run_id: str | None
    experiment_id: str | None
    trained_as_of: date | None
    twin_of: str | None
    candidates: dict[str, dict[str, float]]
    without_exposure: dict[str, dict[str, float]]
    refused_reason: str | None
    card: dict[str, Any]
    model_fingerprint: str | None
    model_sha256: str | None
    challenger_version: str | None
    champion_alias: str | None
    dropped: dict[str, str]
    infinite: dict[str, int]
    reliability: list[dict[str, float]]
    lift: list[tuple[float, float]]
    fingerprint: str
    action: str = "keep"
    action_reasons: list[str] = []


def bounds(interval: Interval | None) -> Bounds | None:
    """Plain triple of an interval; None where there is none."""
    return None if interval is None else (interval.value, interval.low, interval.high)


def record_of(
    outcome: Outcome,
    *,
    fingerprint: str,
    data_fingerprint: str,
    as_of: date,
    horizon_days: int,
    reliability: list[dict[str, float]],
    lift: list[tuple[float, float]],
) -> CandidateRecord:
    """The record of a training outcome, before MLflow has named it."""
    chosen = next((one for one in outcome.candidates if one.name == outcome.chosen), None)
    slices = outcome.slices
    return CandidateRecord(
        fingerprint=fingerprint,
        data_fingerprint=data_fingerprint,
        trained_as_of=as_of,
        horizon_days=horizon_days,
        name=outcome.chosen,
        choice=outcome.choice,
        calibration=outcome.calibration,
        refused=outcome.refused,
        train_people=outcome.train_people,
        train_events=outcome.train_events,
        mature_rows=outcome.mature_rows,
        mature_people=outcome.mature_people,
        mature_events=outcome.mature_events,
        base_rate=outcome.base_rate,
        last_date=outcome.last_date,
        slices={name: list(getattr(slices, name)) for name in ("train", "calibrate", "test")} if slices else {},
        card=outcome.card.to_dict(),
        figures=chosen.evaluation.flat() if chosen else {},
        candidates={
            one.name: one.evaluation.flat() | {"selection_loss": one.selection_loss} for one in outcome.candidates
        },
        parameters={one.name: dict(one.params) for one in outcome.candidates},
        without_exposure=_without_exposure(outcome.candidates),
        gain_over_card=bounds(outcome.gain_over_card),
        features=_names(outcome.features),
        dropped=outcome.report.dropped,
        infinite=outcome.report.infinite,
        reliability=reliability,
        lift=lift,
        parts=[part.flat() for part in outcome.parts],
    )


def _without_exposure(candidates: tuple[Candidate, ...]) -> dict[str, dict[str, float]]:
    return {one.name: one.without_exposure for one in candidates if one.without_exposure is not None}


def _names(features: tuple[FeatureSpec, ...]) -> list[str]:
    return [spec.name for spec in features]
