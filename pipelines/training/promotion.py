"""Decides which model a day uses, and carries out what the written rule says."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from contracts.published import published_dates
from models.drift.decision import Action, Verdict, decide_action
from models.evaluation.gate import Challenger, Champion, Decision, decide
from models.evaluation.resampling import Interval
from models.scoring.probe import load_fault
from models.tracking.peek import champion_version
from models.training.record import CandidateRecord, ModelState
from pipelines.training.comparing import compared
from pipelines.training.fit import tracking_of
from pipelines.training.inputs import Inputs
from pipelines.training.library import MODEL_FILE, PROBE_FILE, Library
from pipelines.training.recalibrating import recalibrated
from pipelines.training.restoring import restored_record
from pipelines.training.serving import is_published, publish_champion
from pipelines.training.states import model_state, rules_state, stored_state
from pipelines.training.telling import keep_page, tell
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    from models.tracking.store import Held, Tracking


def model_in_use(inputs: Inputs, warehouse: Warehouse, *, newest: bool) -> tuple[ModelState, bool]:
    """The model of a day, and whether it was decided now.

    Only the newest date decides. An older one keeps the model that it used, or without one the model that was in
    use on the date before it, or the scorecard.
    """
    settings, as_of = inputs.day.settings, inputs.day.as_of
    stored = stored_state(settings, as_of)
    decided = published_dates(settings.published_dir, "model_state")
    if not newest or any(day > as_of for day in decided):
        return (stored, False) if stored is not None else (_inherited(inputs), True)
    if stored is not None and stored.fingerprint == inputs.fingerprint:
        unmoved = champion_version(settings.tracking_uri) == stored.champion_alias
        if unmoved and _has_files(inputs.day.library, stored) and is_published(settings, stored.version):
            return stored, False
    return _decide(inputs, warehouse), True


def _has_files(library: Library, state: ModelState) -> bool:
    if state.model_fingerprint is None:
        return True
    return (library.folder(state.model_fingerprint) / MODEL_FILE).exists()


def _inherited(inputs: Inputs) -> ModelState:
    """State of a past date that is run for the first time: it promotes nothing and learns nothing from later days."""
    settings, as_of = inputs.day.settings, inputs.day.as_of
    earlier = [day for day in published_dates(settings.published_dir, "model_state") if day < as_of]
    if earlier and (before := stored_state(settings, earlier[-1])) is not None:
        reason = f"a past date uses the model that was in use on {earlier[-1]}"
        told = before.paragraph.split(" Today's decision:")[0]
        paragraph = f"{told} Today's decision: kept - {reason}." if before.version else before.paragraph
        # What was compared or refused that day says nothing of this one.
        fresh = {"gain": None, "challenger_version": None, "paragraph": paragraph}
        verdict = "kept" if before.version else "refused"
        return before.model_copy(update={"decision": verdict, "decision_reason": reason, **fresh})
    reason = "this past date is run after a newer one, and no model was in use then"
    return rules_state(inputs, Decision("refused", reason), champion_alias=None, anchor=None)


def _decide(inputs: Inputs, warehouse: Warehouse) -> ModelState:
    from models.tracking import registry

    day, candidate = inputs.day, inputs.candidate
    tracking = tracking_of(day.settings)
    before = registry.champion_before(tracking, day.as_of)
    held = tracking.version(candidate.version) if candidate.version else None
    champion = _champion(before, day.as_of)
    gate = decide(
        challenger=_challenger(candidate),
        refused=candidate.refused,
        champion=champion,
        rolled_back=held is not None and registry.is_barred(held),
        failing_backtest=inputs.known.evidence.failing_backtest,
        promote_every_days=day.settings.promote_every_days,
        refresh_after_days=day.settings.refresh_after_days,
        compare=lambda: compared(inputs, warehouse, before, tracking),
        loads=lambda: _load_fault(day.library, candidate),
    )
    verdict = decide_action(replace(inputs.known.evidence, gate_promotes=gate.verdict == "promoted"))
    live, decision = _carried_out(inputs, tracking, before=before, held=held, gate=gate, verdict=verdict)
    state = model_state(inputs, decision, live, tracking)
    state = state.model_copy(update={"action": verdict.action.value, "action_reasons": list(verdict.reasons)})
    record = restored_record(day.library, tracking, live) if live is not None and state.version is not None else None
    if live is not None and record is not None:
        publish_champion(day.settings, held=live, record=record, anchor=(state.anchor, state.anchor_version))
    tell(tracking, inputs, state)
    keep_page(tracking, inputs, state, decision, champion)
    return state


def _carried_out(
    inputs: Inputs, tracking: Tracking, *, before: Held | None, held: Held | None, gate: Decision, verdict: Verdict
) -> tuple[Held | None, Decision]:
    """Do what the rule says; returns the version in use from now on, and the decision as it is told."""
    from models.tracking import registry

    as_of, decision = inputs.day.as_of, gate
    live = before
    if verdict.action is Action.PROMOTE and held is not None:
        live = _promoted(inputs, tracking, before, held)
    elif verdict.action is Action.ROLL_BACK and before is not None and inputs.known.fallback is not None:
        live = registry.go_back(tracking, out=before, back=inputs.known.fallback, as_of=as_of)
        told = f"version {before.version} is taken out of use, version {live.version} is back: {verdict.reasons[0]}"
        decision = replace(gate, verdict="rolled_back", reason=told)
    elif verdict.action is Action.HOLD and gate.verdict == "promoted":
        decision = replace(gate, verdict="held", reason=verdict.reasons[0])
    elif verdict.action is Action.RECALIBRATE and before is not None:
        live, decision = recalibrated(inputs, tracking, before, gate)
    used = {one.version for one in (before, live) if one is not None}
    if held is not None and held.version not in used:
        registry.challenge(tracking, held.version)
    return live, decision


def _promoted(inputs: Inputs, tracking: Tracking, before: Held | None, held: Held) -> Held | None:
    from models.tracking import registry

    candidate, as_of = inputs.candidate, inputs.day.as_of
    if tracking.anchor() is None and candidate.base_rate is not None:
        tracking.freeze_anchor(candidate.base_rate, version=1)
    registry.promote(tracking, held.version, before=before, as_of=as_of)
    if before is not None and before.version != held.version:
        tracking.describe(before.version, f"Replaced by version {held.version} on {as_of}.")
    return tracking.version(held.version)


def _challenger(candidate: CandidateRecord) -> Challenger | None:
    if candidate.refused is not None or candidate.gain_over_card is None:
        return None
    figures = candidate.figures
    skill = Interval(figures["skill"], figures["skill_low"], figures["skill_high"])
    return Challenger(candidate.fingerprint, candidate.name, skill, Interval(*candidate.gain_over_card))


def _champion(before: Held | None, as_of: date) -> Champion | None:
    if before is None:
        return None
    # A new calibrator makes no newer model: age and identity are those of what it was put on.
    since = date.fromisoformat(before.tags.get("in_use_since", before.tags.get("promoted_as_of", "1970-01-01")))
    return Champion(before.root, before.version, (as_of - since).days)


def _load_fault(library: Library, candidate: CandidateRecord) -> str | None:
    folder = library.folder(candidate.fingerprint)
    sha = candidate.model_sha256 or ""
    return load_fault(folder / MODEL_FILE, sha256=sha, probe=folder / PROBE_FILE)
