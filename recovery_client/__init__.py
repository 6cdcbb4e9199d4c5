"""A small client of the scoring API: typed, with retries and idempotency. It needs httpx and nothing of the engine."""

from recovery_client.client import ApiError, RecoveryClient
from recovery_client.types import Activity, Event, Lead, Reason, Score, Told

__all__ = ["Activity", "ApiError", "Event", "Lead", "Reason", "RecoveryClient", "Score", "Told"]
