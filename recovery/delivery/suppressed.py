"""The least re-check: whoever is suppressed gets nothing, whatever else is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from recovery.delivery.words import ALLOWED, ClaimedTouch, Verdict, refused
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading


class SuppressedOnly:
    """Refuses touches whose address has any suppression for their sender; a reopened one stays refused here.

    Args:
        engine: of the ledger.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __call__(self, touches: Sequence[ClaimedTouch], now: datetime) -> Mapping[str, Verdict]:
        """One verdict per touch, in one query."""
        row = tables.suppressions.c
        hashes = sorted({touch.address_hash for touch in touches if touch.address_hash})
        query = sa.select(row.address_hash, row.channel, row.sender_id, row.reason).where(
            row.address_hash.in_(hashes), row.since <= now
        )
        with reading(self._engine) as connection:
            found = connection.execute(query).all() if hashes else []
        barred = {(hit.address_hash, hit.channel, hit.sender_id): hit.reason for hit in found}
        return {touch.touch_id: _verdict(touch, barred) for touch in touches}


def _verdict(touch: ClaimedTouch, barred: Mapping[tuple[str, str, str], str]) -> Verdict:
    for channel in (touch.channel.value, "all"):
        reason = barred.get((touch.address_hash or "", channel, touch.sender_id))
        if reason is not None:
            return refused(reason)
    return ALLOWED
