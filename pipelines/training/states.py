"""The model in use of a date as it is published: from a registered version, or the rules where there is none."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from contracts.published import read_manifest
from contracts.settings import Settings
from contracts.words import ScoreKind
from models.evaluation.gate import Decision
from models.scoring.scorecard_words import PRIOR_RATE
from models.training.record import Bounds, ModelState, bounds
from models.training.words import model_paragraph, rules_paragraph
from pipelines.training.inputs import Inputs
from pipelines.training.restoring import restored_record

if TYPE_CHECKING:
    from models.tracking.store import Held, Tracking

CARD_NAME: Final = "rule_scorecard"
MODEL: Final = "resurrection"


def stored_state(settings: Settings, as_of: date) -> ModelState | None:
    """The model that a date used, as published; None when it was never decided."""
    manifest = read_manifest(settings.published_dir, dataset="model_state", as_of=as_of)
    return ModelState.model_validate(manifest.facts) if manifest else None


def model_state(inputs: Inputs, decision: Decision, live: Held | None, tracking: Tracking) -> ModelState:
    """State of a registered version; the rules where there is none or its files are lost."""
    if live is None:
        return rules_state(inputs, decision, champion_alias=None, anchor=tracking.anchor())
    record = restored_record(inputs.day.library, tracking, live)
    anchor = tracking.anchor()
    if record is None or anchor is None:
        reason = f"the files of version {live.version} cannot be found"
        return rules_state(inputs, Decision("held", reason), champion_alias=live.version, anchor=anchor)
    told = f"{decision.verdict} - {decision.reason}"
    return ModelState(
        name=MODEL,
        recipe=record.name,
        version=live.version,
        score_kind=ScoreKind.MODEL,
        **figures_of(record.figures),
        base_rate=record.base_rate,
        anchor=anchor[0],
        anchor_version=anchor[1],
        train_people=record.train_people,
        train_events=record.train_events,
        decision=decision.verdict,
        decision_reason=decision.reason,
        gain=bounds(decision.gain),
        paragraph=model_paragraph(record, version=live.version, decision=told),
        run_id=record.run_id,
        experiment_id=record.experiment_id or tracking.experiment_id,
        trained_as_of=record.trained_as_of,
        twin_of=record.fingerprint,
        candidates=inputs.candidate.candidates,
        without_exposure=record.without_exposure,
        refused_reason=inputs.candidate.refused,
        card=inputs.candidate.card,
        model_fingerprint=live.fingerprint,
        model_sha256=live.model_sha256,
        challenger_version=inputs.candidate.version if inputs.candidate.version != live.version else None,
        champion_alias=live.version,
        dropped=record.dropped,
        infinite=record.infinite,
        reliability=record.reliability,
        lift=record.lift,
        fingerprint=inputs.fingerprint,
    )


def rules_state(
    inputs: Inputs, decision: Decision, *, champion_alias: str | None, anchor: tuple[float, int] | None
) -> ModelState:
    """State of the rule scorecard."""
    candidate = inputs.candidate
    rate = candidate.base_rate if candidate.base_rate else PRIOR_RATE
    return ModelState(
        name=CARD_NAME,
        recipe=CARD_NAME,
        version=None,
        score_kind=ScoreKind.RULES,
        **figures_of(candidate.candidates.get(CARD_NAME, {})),
        base_rate=candidate.base_rate,
        anchor=anchor[0] if anchor else rate,
        anchor_version=anchor[1] if anchor else 0,
        train_people=candidate.train_people,
        train_events=candidate.train_events,
        decision=decision.verdict,
        decision_reason=decision.reason,
        gain=bounds(decision.gain),
        paragraph=rules_paragraph(candidate, reason=decision.reason),
        run_id=candidate.run_id,
        experiment_id=candidate.experiment_id,
        trained_as_of=None,
        twin_of=None,
        candidates=candidate.candidates,
        without_exposure=candidate.without_exposure,
        refused_reason=candidate.refused or decision.reason,
        card=candidate.card,
        model_fingerprint=None,
        model_sha256=None,
        challenger_version=candidate.version,
        champion_alias=champion_alias,
        dropped=candidate.dropped,
        infinite=candidate.infinite,
        reliability=[],
        lift=[],
        fingerprint=inputs.fingerprint,
    )


def figures_of(figures: dict[str, float]) -> dict[str, Any]:
    """Figures of a twin under the names of `ModelState`; None where they could not be measured."""

    def ranged(name: str) -> Bounds | None:
        if name not in figures or f"{name}_low" not in figures:
            return None
        return (figures[name], figures[f"{name}_low"], figures[f"{name}_high"])

    auc = ranged("roc_auc")
    calibration = {name: found for name in ("intercept", "slope", "top_decile") if (found := ranged(name))}
    plain = ("roc_auc", "pr_auc", "brier", "log_loss", "ece", "ece_expected", "lift_at_10")
    return {name: figures.get(name) for name in plain} | {
        "roc_auc_interval": auc[1:] if auc else None,
        "log_loss_skill": ranged("skill"),
        "calibration": calibration or None,
    }
