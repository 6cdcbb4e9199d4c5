"""Words to people: allow-listed facts, sandboxed templates, a linter that blocks, and the finished mail."""

from recovery.drafting.facts import LeadFacts, SenderFacts, lead_facts
from recovery.drafting.lint import lint
from recovery.drafting.mail import build_eml
from recovery.drafting.render import Draft, Drafter, DraftError

__all__ = ["Draft", "DraftError", "Drafter", "LeadFacts", "SenderFacts", "build_eml", "lead_facts", "lint"]
