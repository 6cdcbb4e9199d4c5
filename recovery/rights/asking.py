"""A request of a person as it is written down, with the day by which it must be answered."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit

# One calendar month is never longer than 31 and never shorter than 28 days (GDPR Art. 12(3)); 45 days (11 CCR 7021).
_DUE: Final = {"gdpr": timedelta(days=28), "ccpa": timedelta(days=45)}


class RequestKind(StrEnum):
    """What was asked for."""

    EXPORT = "export"
    ERASE = "erase"
    RESTRICT = "restrict"
    LIFT = "lift"
    MERGE = "merge"
    UNMERGE = "unmerge"


def write_request(
    connection: sa.Connection, kind: RequestKind, person_id: str, *, by: str, received_at: datetime, law: str = "gdpr"
) -> str:
    """Write a request down in the caller's transaction; see `recovery.rights.requests.open_request`."""
    request_id = uuid.uuid4().hex
    row = {
        "request_id": request_id,
        "kind": kind.value,
        "person_id": person_id,
        "requested_by": by,
        "received_at": received_at,
        "due_at": received_at + _DUE[law],
        "state": "open",
    }
    connection.execute(sa.insert(tables.rights_requests), [row])
    entry = AuditEntry("right_requested", request_id, {"kind": kind.value, "person": person_id})
    append_audit(connection, [entry], at=received_at)
    return request_id


def has_open_request(connection: sa.Connection, kind: RequestKind, person_id: str) -> bool:
    """Whether a request of this kind waits for an answer."""
    request = tables.rights_requests
    found = sa.select(request.c.request_id).where(
        request.c.kind == kind.value, request.c.person_id == person_id, request.c.state == "open"
    )
    return connection.execute(found.limit(1)).first() is not None
