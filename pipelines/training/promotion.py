"""Decides which model a day uses, and moves the aliases when the evidence says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from contracts.files import write_atomic
from contracts.published import published_dates, read_manifest
from contracts.settings import Settings
from contracts.words import ScoreKind
from models.evaluation.gate import Challenger, Champion, Decision, decide
from models.evaluation.resampling import Interval
from models.scoring.probe import load_fault
from models.scoring.scorecard_words import PRIOR_RATE
from models.tracking.peek import champion_version
from models.training.fingerprint import code_version, fingerprint
from models.training.record import Bounds, CandidateRecord, ModelState, bounds
from models.training.words import model_paragraph, model_summary, rules_paragraph
from pipelines.training.fit import DayOfTraining, tracking_of
from pipelines.training.frames import read_panel
from pipelines.training.library import MODEL_FILE, PROBE_FILE, RANGES_FILE, REFERENCE_FILE, TEST_FILE, Library
from pipelines.training.serving import is_published, publish_champion
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

    from models.evaluation.comparison import Comparison
    from models.tracking.store import Held, Tracking

CARD_NAME = "rule_scorecard"
MODEL = "resurrection"
_EDGES = (60.0, 120.0, 240.0)
_SILENT = ("under 60 days", "60 to 119 days", "120 to 239 days", "240 days and more")


@dataclass(frozen=True)
class Inputs:
    """What a decision rests on: the day, its candidate, and the verdict of the matured backtest."""

    day: DayOfTraining
    candidate: CandidateRecord
    failing_backtest: str | None

    @property
    def fingerprint(self) -> str:
        """Same inputs, same decision."""
        return fingerprint(
            candidate=self.candidate.fingerprint,
            backtest=self.failing_backtest,
            promote_every_days=self.day.settings.promote_every_days,
            refresh_after_days=self.day.settings.refresh_after_days,
            code=code_version(),
            as_of=self.day.as_of,
        )


def stored_state(settings: Settings, as_of: date) -> ModelState | None:
    """The model that a date used, as published; None when it was never decided."""
    manifest = read_manifest(settings.published_dir, dataset="model_state", as_of=as_of)
    return ModelState.model_validate(manifest.facts) if manifest else None


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
    return _rules_state(inputs, Decision("refused", reason), champion_alias=None, anchor=None)


def _decide(inputs: Inputs, warehouse: Warehouse) -> ModelState:
    from models.tracking import registry

    day, candidate = inputs.day, inputs.candidate
    tracking = tracking_of(day.settings)
    before = registry.champion_before(tracking, day.as_of)
    challenger = _challenger(candidate)
    held = tracking.version(candidate.version) if candidate.version else None
    champion = _champion(before, day.as_of)
    decision = decide(
        challenger=challenger,
        refused=candidate.refused,
        champion=champion,
        rolled_back=held is not None and "rolled_back_as_of" in held.tags,
        failing_backtest=inputs.failing_backtest,
        promote_every_days=day.settings.promote_every_days,
        refresh_after_days=day.settings.refresh_after_days,
        compare=lambda: _compared(inputs, warehouse, before, tracking),
        loads=lambda: _load_fault(day.library, candidate),
    )
    if decision.verdict == "promoted" and candidate.version is not None and candidate.base_rate is not None:
        if tracking.anchor() is None:
            tracking.freeze_anchor(candidate.base_rate, version=1)
        registry.promote(tracking, candidate.version, before=before, as_of=day.as_of)
        if before is not None and before.version != candidate.version:
            tracking.describe(before.version, f"Replaced by version {candidate.version} on {day.as_of}.")
        live: Held | None = tracking.version(candidate.version)
    else:
        live = before
        if held is not None and (before is None or held.version != before.version):
            registry.challenge(tracking, held.version)
    state = _state(inputs, decision, live, tracking)
    record = restored_record(day.library, tracking, live) if live is not None and state.version is not None else None
    if live is not None and record is not None:
        publish_champion(day.settings, held=live, record=record, anchor=(state.anchor, state.anchor_version))
    _tell(tracking, inputs, state)
    _keep_page(tracking, inputs, state, decision, champion)
    return state


def _keep_page(
    tracking: Tracking, inputs: Inputs, state: ModelState, decision: Decision, champion: Champion | None
) -> None:
    from models.tracking.pages import keep_decision

    candidate, as_of = inputs.candidate, inputs.day.as_of
    figures = decision.comparison.figures() if decision.comparison else {}
    if champion is not None:
        figures["champion_days_in_use"] = float(champion.days_in_use)
    note = f"**{decision.verdict.capitalize()}** on {as_of}: {decision.reason}.\n\n{state.paragraph}"
    keep_decision(
        tracking,
        fingerprint=inputs.fingerprint,
        name=f"decision {as_of}: {decision.verdict}",
        note=note,
        figures=figures,
        tags={
            "as_of_date": as_of.isoformat(),
            "verdict": decision.verdict,
            "champion_before": champion.version if champion else "none",
            "challenger": candidate.version or "none",
            "live": state.version or "rules",
        },
    )


def _challenger(candidate: CandidateRecord) -> Challenger | None:
    if candidate.refused is not None or candidate.gain_over_card is None:
        return None
    figures = candidate.figures
    skill = Interval(figures["skill"], figures["skill_low"], figures["skill_high"])
    return Challenger(candidate.fingerprint, candidate.name, skill, Interval(*candidate.gain_over_card))


def _champion(before: Held | None, as_of: date) -> Champion | None:
    if before is None:
        return None
    since = date.fromisoformat(before.tags.get("promoted_as_of", "1970-01-01"))
    return Champion(before.fingerprint, before.version, (as_of - since).days)


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


def _load_fault(library: Library, candidate: CandidateRecord) -> str | None:
    folder = library.folder(candidate.fingerprint)
    sha = candidate.model_sha256 or ""
    return load_fault(folder / MODEL_FILE, sha256=sha, probe=folder / PROBE_FILE)


def _compared(inputs: Inputs, warehouse: Warehouse, before: Held | None, tracking: Tracking) -> Comparison | None:
    """The candidate's twin and the champion on test rows later than the champion's data."""
    import pyarrow.parquet as pq

    from models.evaluation.comparison import compare
    from models.scoring.files import load_model

    day, candidate = inputs.day, inputs.candidate
    path = day.library.folder(candidate.fingerprint) / TEST_FILE
    if before is None or not path.exists():
        return None
    record = restored_record(day.library, tracking, before)
    if record is None or record.last_date is None:
        return None
    test: pd.DataFrame = pq.read_table(path).to_pandas()
    # One horizon after the champion's last training date: no outcome of the comparison was in its data.
    test = test[test["as_of_date"] >= record.last_date + timedelta(days=candidate.horizon_days)]
    if len(test) == 0 or not test["y"].any():
        return None
    with warehouse.open() as connection:
        panel = read_panel(connection, day.request)
    rows = test.merge(panel.drop(columns=["y"]), on=["person_id", "as_of_date"], how="inner")
    model = load_model(day.library.folder(before.fingerprint) / MODEL_FILE, sha256=before.model_sha256)
    return compare(
        y=rows["y"].to_numpy(dtype=bool),
        p_new=rows["p"].to_numpy(),
        p_old=model.p(rows),
        groups=rows["group"].to_numpy(),
        slices=_slices(rows),
        seed=day.settings.seed,
    )


def _slices(rows: pd.DataFrame) -> dict[str, Any]:
    """Parts of the people in which a new model must not fail: CRM, and how long they have been silent."""
    import numpy as np

    found: dict[str, Any] = {}
    if "crm_system" in rows.columns:
        found["CRM"] = rows["crm_system"].astype(object).to_numpy()
    if "days_since_last_inbound" in rows.columns:
        found["silent"] = np.array(_SILENT, dtype=object)[
            np.digitize(rows["days_since_last_inbound"].to_numpy(dtype=np.float64), _EDGES)
        ]
    return found


def _state(inputs: Inputs, decision: Decision, live: Held | None, tracking: Tracking) -> ModelState:
    if live is None:
        return _rules_state(inputs, decision, champion_alias=None, anchor=tracking.anchor())
    record = restored_record(inputs.day.library, tracking, live)
    anchor = tracking.anchor()
    if record is None or anchor is None:
        reason = f"the files of version {live.version} cannot be found"
        return _rules_state(inputs, Decision("held", reason), champion_alias=live.version, anchor=anchor)
    told = f"{decision.verdict} - {decision.reason}"
    return ModelState(
        name=MODEL,
        recipe=record.name,
        version=live.version,
        score_kind=ScoreKind.MODEL,
        **_figures(record.figures),
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


def _rules_state(
    inputs: Inputs, decision: Decision, *, champion_alias: str | None, anchor: tuple[float, int] | None
) -> ModelState:
    candidate = inputs.candidate
    rate = candidate.base_rate if candidate.base_rate else PRIOR_RATE
    return ModelState(
        name=CARD_NAME,
        recipe=CARD_NAME,
        version=None,
        score_kind=ScoreKind.RULES,
        **_figures(candidate.candidates.get(CARD_NAME, {})),
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


def _figures(figures: dict[str, float]) -> dict[str, Any]:
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


def _tell(tracking: Tracking, inputs: Inputs, state: ModelState) -> None:
    """Write the verdict where people look in MLflow."""
    candidate, as_of = inputs.candidate, inputs.day.as_of
    if candidate.run_id is not None:
        facts = {"decision": state.decision, "reason": state.decision_reason, "gain": state.gain}
        tracking.tag_run(
            candidate.run_id,
            {
                f"decision_{as_of}": json.dumps(facts, sort_keys=True),
                "dagster_run_id_decided": inputs.day.dagster_run_id,
            },
        )
    live = f"live v{state.version}" if state.version else "rules"
    tracking.tell(
        run_id=candidate.run_id,
        run_name=f"{as_of} {state.decision}, {live}",
        paragraph=state.paragraph,
        verdict=f"{state.decision}: {state.decision_reason}",
    )
    if state.version is not None:
        tracking.describe(state.version, f"LIVE on {as_of}. {state.paragraph}")
    if candidate.version is not None and candidate.version != state.version:
        opening = f"Not live on {as_of} ({state.decision}: {state.decision_reason}). {model_summary(candidate)}"
        tracking.describe(candidate.version, opening)
