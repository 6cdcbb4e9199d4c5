"""May this person be contacted through this channel? Facts, dated rules of each country, one pure decision."""

from recovery.permission.decide import Decision, PermissionPolicy, Status, decide
from recovery.permission.facts import ContactFacts, Fact, Recipient, Stance, merge
from recovery.permission.hours import Window, next_window
from recovery.permission.rules import RuleBook, load_rules
from recovery.permission.words import UNLOCK, WORDS

__all__ = [
    "UNLOCK",
    "WORDS",
    "ContactFacts",
    "Decision",
    "Fact",
    "PermissionPolicy",
    "Recipient",
    "RuleBook",
    "Stance",
    "Status",
    "Window",
    "decide",
    "load_rules",
    "merge",
    "next_window",
]
