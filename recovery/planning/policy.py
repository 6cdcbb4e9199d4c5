"""Everything that the operator decides about a plan, as one value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal

from contracts.words import Channel, SkipReason
from recovery.permission.rules import RuleBook
from recovery.planning.playbooks import Playbook

# Raised whenever the way of choosing changes.
PLANNER_VERSION: Final = "3"


@dataclass(frozen=True)
class PlanPolicy:
    """Limits, shares and values of one day's plan.

    Attributes:
        as_of: day of the decision.
        release_at: earliest moment of a contact, aware UTC.
        capacity: contacts a day by channel; 0 switches a channel off.
        cost: cost of one contact by channel, reporting currency.
        account_cap: most people of one account.
        contact_gap_days: nobody is planned again within so many days.
        touch_count: most steps of a playbook in one dormancy spell.
        batch_holdout, global_holdout, explore_share: shares, 0..1.
        cautious_uplift: share of p taken as caused by a contact while nothing better is known.
        margin: share of an amount that is kept.
        currency: of amounts that count.
        permission_mode, max_dormancy_days, registrations: see `recovery.permission.PermissionPolicy`.
        seed: of every draw.
        sender_id: to whom permission and batch belong.
        holds: why nobody may be contacted today; the first is given as the reason.
    """

    as_of: date
    release_at: datetime
    capacity: Mapping[Channel, int]
    cost: Mapping[Channel, float]
    account_cap: int = 2
    contact_gap_days: int = 14
    touch_count: int = 3
    batch_holdout: float = 0.10
    global_holdout: float = 0.05
    explore_share: float = 0.05
    cautious_uplift: float = 0.15
    margin: float = 0.3
    currency: str = "USD"
    permission_mode: Literal["law", "explicit"] = "law"
    max_dormancy_days: int = 365
    registrations: frozenset[str] = frozenset()
    seed: int = 7
    sender_id: str = "main"
    holds: tuple[SkipReason, ...] = field(default=())


def policy_version(policy: PlanPolicy, playbooks: tuple[Playbook, ...], rules: RuleBook) -> str:
    """Short hash of the policy, the playbooks, the rule files and the planner; dates and holds are no part of it."""
    parts = {name: value for name, value in vars(policy).items() if name not in ("as_of", "release_at", "holds")}
    content = {
        "planner": PLANNER_VERSION,
        "policy": {name: _plain(value) for name, value in parts.items()},
        "playbooks": [playbook.model_dump(mode="json") for playbook in playbooks],
        "rules": rules.sha256,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return sorted(value) if isinstance(value, frozenset) else value
