"""Says in MLflow which model is in use, what was decided and from which numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from models.evaluation.gate import Champion, Decision
from models.training.record import ModelState
from models.training.words import model_summary
from pipelines.training.inputs import Inputs

if TYPE_CHECKING:
    from models.tracking.store import Tracking


def tell(tracking: Tracking, inputs: Inputs, state: ModelState) -> None:
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


def keep_page(
    tracking: Tracking, inputs: Inputs, state: ModelState, decision: Decision, champion: Champion | None
) -> None:
    """Keep the page of the decision: verdict, what the rule says and why, and every number behind it."""
    from models.tracking.pages import keep_decision

    candidate, as_of = inputs.candidate, inputs.day.as_of
    figures = inputs.known.figures | (decision.comparison.figures() if decision.comparison else {})
    if champion is not None:
        figures["champion_days_in_use"] = float(champion.days_in_use)
    verdict = decision.verdict.replace("_", " ")
    found = "".join(f"\n- {told}" for told in [*state.action_reasons, *filter(None, [inputs.known.told])])
    note = (
        f"**{verdict.capitalize()}** on {as_of}: {decision.reason}.\n\n"
        f"The rule of drift says **{state.action}**:\n{found}\n\n{state.paragraph}"
    )
    keep_decision(
        tracking,
        fingerprint=inputs.fingerprint,
        name=f"decision {as_of}: {decision.verdict}",
        note=note,
        figures=figures,
        tags={
            "as_of_date": as_of.isoformat(),
            "verdict": decision.verdict,
            "rule_says": state.action,
            "champion_before": champion.version if champion else "none",
            "challenger": candidate.version or "none",
            "live": state.version or "rules",
        },
    )
