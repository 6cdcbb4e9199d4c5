"""What takes a batch out of the house."""

from recovery.sinks.crm_update import CRM_UPDATE_SCHEMA, write_crm_updates
from recovery.sinks.file import emit_batch, emit_scores
from recovery.sinks.formula import guard
from recovery.sinks.protocol import Mailbox, OutgoingTouch, Receipt, ReceiptStatus, Sink, SinkUnusableError

__all__ = [
    "CRM_UPDATE_SCHEMA",
    "Mailbox",
    "OutgoingTouch",
    "Receipt",
    "ReceiptStatus",
    "Sink",
    "SinkUnusableError",
    "emit_batch",
    "emit_scores",
    "guard",
    "write_crm_updates",
]
