"""What the application holds: settings it was given, the published state, doors and meters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from serving.api.auth import Authenticator
from serving.api.limits import Limiter, MemoryLimiter
from serving.api.live import Live, Source
from serving.api.metering import Figures, UsageMeter


@dataclass(frozen=True)
class ApiState:
    """Everything that routes use; made by the shell, given to `create_app`.

    Attributes:
        source: the published model and scores.
        authenticator: who asks.
        limiter: requests by key.
        failures: wrong credentials by address.
        ledger: of keys, usage, answers and told activities.
        published: root of published datasets.
        figures, usage: meters.
        now: the clock, aware UTC.
    """

    source: Source
    authenticator: Authenticator
    limiter: Limiter
    failures: MemoryLimiter
    ledger: sa.Engine
    published: Path
    figures: Figures
    usage: UsageMeter
    now: Callable[[], datetime]

    @property
    def live(self) -> Live:
        """The state of this moment; take it once per request."""
        return self.source.live
