"""May this person be contacted through this channel? Facts, dated rules of each country, one pure decision."""

from recovery.permission.decide import (
    Decision,
    PermissionPolicy,
    Status,
    decide,
    may_confirm_revocation,
    reachable_until,
)
from recovery.permission.facts import ContactFacts, Fact, Recipient, Stance, merge
from recovery.permission.hours import Hours, Window, next_window
from recovery.permission.rules import RuleBook, load_rules
from recovery.permission.words import UNLOCK, WORDS

__all__ = [
    "UNLOCK",
    "WORDS",
    "ContactFacts",
    "Decision",
    "Fact",
    "Hours",
    "PermissionPolicy",
    "Recipient",
    "RuleBook",
    "Stance",
    "Status",
    "Window",
    "decide",
    "load_rules",
    "may_confirm_revocation",
    "merge",
    "next_window",
    "reachable_until",
]
