"""How often: caps per person, account and address over sliding windows, planned plus sent, best first."""

from recovery.cadence.caps import Cap, Contact, Hit, Proposal, admit, parse_caps, room

__all__ = ["Cap", "Contact", "Hit", "Proposal", "admit", "parse_caps", "room"]
