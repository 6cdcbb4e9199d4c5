"""A small client of the scoring API: typed, with retries and idempotency. It needs httpx and nothing of the engine."""

from recovery_client.client import ApiError, RecoveryClient
from recovery_client.types import Activity, Lead, Reason, Score

__all__ = ["Activity", "ApiError", "Lead", "Reason", "RecoveryClient", "Score"]
