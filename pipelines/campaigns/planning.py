"""The plan's shell: settings to policy, holds, words for the chosen, comparison with what has left already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from contracts.settings import Settings
from contracts.words import Channel, SkipReason
from pipelines.campaigns.standing import sender_of
from recovery.batch import Batch, Touch, make_batch
from recovery.drafting import Drafter, DraftError, lead_facts
from recovery.permission import WORDS, RuleBook, load_rules
from recovery.planning import Plan, PlanInputs, PlanPolicy, Playbook, load_playbooks, make_plan, touch_id
from recovery.tokens import load_key


def policy_of(settings: Settings, as_of: date, holds: tuple[SkipReason, ...]) -> PlanPolicy:
    """The operator's settings as the plan's policy."""
    hour, minute = (int(part) for part in settings.run_at.split(":"))
    return PlanPolicy(
        as_of=as_of,
        release_at=datetime.combine(as_of, time(hour, minute), tzinfo=UTC),
        capacity={
            Channel.EMAIL: settings.capacity_email,
            Channel.SMS: settings.capacity_sms,
            Channel.CALL: settings.capacity_call,
            Channel.CRM_TASK: settings.capacity_crm_task,
        },
        cost={
            Channel.EMAIL: settings.cost_email,
            Channel.SMS: settings.cost_sms,
            Channel.CALL: settings.cost_call,
            Channel.CRM_TASK: settings.cost_call,
        },
        account_cap=settings.account_cap,
        contact_gap_days=settings.contact_gap_days,
        touch_count=settings.touch_count,
        batch_holdout=settings.batch_holdout,
        global_holdout=settings.global_holdout,
        explore_share=settings.explore_share,
        cautious_uplift=settings.cautious_uplift,
        margin=settings.margin,
        currency=settings.reporting_currency,
        permission_mode=settings.permission_policy,
        max_dormancy_days=settings.max_dormancy_days,
        registrations=settings.registrations,
        seed=settings.seed,
        sender_id=settings.sender_id,
        holds=holds,
    )


@dataclass(frozen=True)
class Planned:
    """A plan and the batch that it would release; None when nobody is chosen."""

    plan: Plan
    batch: Batch | None


@lru_cache(maxsize=1)
def books() -> tuple[tuple[Playbook, ...], RuleBook]:
    """Playbooks and permission rules, read once: they are part of the release."""
    return load_playbooks(), load_rules()


def plan_day(inputs: PlanInputs, policy: PlanPolicy, settings: Settings, *, model: str) -> Planned:
    """Plan, write the words, and leave out whoever cannot be written to safely.

    Args:
        inputs: from `read_inputs`.
        policy: from `policy_of`.
        settings: sender and style.
        model: fingerprint of the scores, part of the batch's content.
    """
    playbooks, rules = books()
    plan = make_plan(inputs, policy, playbooks=playbooks, rules=rules)
    touches, failed = write_touches(plan.table, people_by_id(inputs, plan.table), settings)
    if failed:
        plan = make_plan(replace(inputs, unwritable=failed), policy, playbooks=playbooks, rules=rules)
    if not touches:
        return Planned(plan, None)
    batch = make_batch(
        touches,
        as_of=policy.as_of,
        sender_id=policy.sender_id,
        policy_version=plan.facts["policy_version"],
        model=model,
        rules=rules.sha256,
    )
    return Planned(plan, batch)


def people_by_id(inputs: PlanInputs, table: pa.Table) -> dict[str, dict[Any, Any]]:
    """Rows of the chosen people only."""
    chosen = set(chosen_rows(table)["person_id"].to_pylist())
    rows = inputs.people[inputs.people["person_id"].isin(chosen)].astype("object")
    return {str(row["person_id"]): row for row in rows.where(rows.notna(), None).to_dict("records")}


def chosen_rows(table: pa.Table) -> pa.Table:
    """Rows of a plan that become touches: contacted and held out."""
    return table.filter(pc.not_equal(table["decision"], "skipped"))


def write_touches(
    table: pa.Table, people: Mapping[str, Mapping[Any, Any]], settings: Settings
) -> tuple[list[Touch], frozenset[str]]:
    """Touches with their words, and the people whose message cannot be written safely."""
    rows = chosen_rows(table).to_pylist()
    if not rows:
        return [], frozenset()
    key = load_key(settings.secrets_dir)
    drafter = Drafter(sender_of(settings), style=settings.style, key=key, list_id=settings.sender_id)
    templates = {(book.name, step.step): step.template for book in books()[0] for step in book.steps}
    touches, failed = [], set()
    for row in rows:
        try:
            touches.append(_touch(row, people[row["person_id"]], drafter, templates[row["playbook"], row["step"]]))
        except DraftError:
            failed.add(row["person_id"])
    return touches, frozenset(failed)


def _touch(row: Mapping[str, Any], person: Mapping[Any, Any], drafter: Drafter, template: str) -> Touch:
    identifier = touch_id(row["person_id"], row["playbook"], row["step"], row["cycle"])
    channel = Channel(row["channel"])
    persona = drafter.persona(person.get("job_title"))
    refused = {c: r for c, r in json.loads(row["alternatives"]).items() if not r.startswith("allowed")}
    barred = ", ".join(f"{c} ({WORDS[SkipReason(r)]})" for c, r in refused.items()) or "none"
    address = {Channel.EMAIL: person["email"], Channel.CRM_TASK: ""}.get(channel, person["phone_e164"])
    draft = drafter.draft(
        channel=channel,
        template=template,
        touch_id=identifier,
        lead=lead_facts({**person, "tier": row["tier"]}, persona=persona),
        to_address=address or "",
        barred=barred,
    )
    return Touch(
        touch_id=identifier,
        draft=draft,
        **{name: row[name] for name in _PLAIN},
        rank=row["rank"] or 0,
    )


_PLAIN = (
    "person_id", "account_id", "source", "crm", "record_object", "record_id", "not_before", "expires_at", "playbook",
    "step", "cycle", "arm", "propensity",
)  # fmt: skip
