"""The transactional record of people and sends: links, permission, batches, touches, attempts, events, audit.

SQLAlchemy 2 Core on SQLite (embedded default) or PostgreSQL; the same code and migrations on both.
"""

from recovery.ledger import schema_access as schema_access  # its tables belong to the same metadata
from recovery.ledger.bulk import ASSIGNMENTS_SCHEMA, CONTENTS_SCHEMA, LINKS_SCHEMA, TOUCHES_SCHEMA
from recovery.ledger.engine import ledger_url
from recovery.ledger.store import BatchRecord, BatchState, Ledger, RecordOutcome, open_ledger

__all__ = [
    "ASSIGNMENTS_SCHEMA",
    "CONTENTS_SCHEMA",
    "LINKS_SCHEMA",
    "TOUCHES_SCHEMA",
    "BatchRecord",
    "BatchState",
    "Ledger",
    "RecordOutcome",
    "ledger_url",
    "open_ledger",
]
