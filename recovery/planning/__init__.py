"""Who is contacted, through which channel and when: permission, value, capacity, holdouts."""

from recovery.planning.identifiers import touch_id
from recovery.planning.plan import PLAN_SCHEMA, Plan, PlanInputs, make_plan
from recovery.planning.playbooks import Playbook, load_playbooks
from recovery.planning.policy import PlanPolicy, policy_version
from recovery.planning.power import smallest_visible_effect
from recovery.planning.value import DealStatistics

__all__ = [
    "PLAN_SCHEMA",
    "DealStatistics",
    "Plan",
    "PlanInputs",
    "PlanPolicy",
    "Playbook",
    "load_playbooks",
    "make_plan",
    "policy_version",
    "smallest_visible_effect",
    "touch_id",
]
