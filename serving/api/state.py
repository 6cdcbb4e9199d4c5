"""What the application holds: settings it was given, the published state, doors and meters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from serving.api.auth import Authenticator
from serving.api.doors import Doors
from serving.api.housekeeping import Housekeeper
from serving.api.limits import Limiter, MemoryLimiter
from serving.api.live import Live, Source
from serving.api.metering import Figures, UsageMeter
from serving.api.rescoring import Rescorer
from serving.api.together import Together
from serving.api.told import Told

_UNUSABLE: Final = {
    "model": "the newest model cannot be used: an older one, or the rules, answer",
    "scores": "the newest scores cannot be read: older ones answer",
}


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
        told, rescorer: what applications told since the published date, and answers that know of it.
        housekeeper: forgets what is too old.
        figures, usage: meters.
        now: the clock, aware UTC.
    """

    source: Source
    authenticator: Authenticator
    limiter: Limiter
    failures: MemoryLimiter
    ledger: sa.Engine
    published: Path
    told: Told
    rescorer: Rescorer
    housekeeper: Housekeeper
    figures: Figures
    usage: UsageMeter
    now: Callable[[], datetime]

    @property
    def live(self) -> Live:
        """The state of this moment; take it once per request."""
        return self.source.live

    @cached_property
    def together(self) -> Together:
        """Scores the described leads of requests that arrive at the same moment."""
        return Together(lambda: self.source.live, self.now)

    @cached_property
    def bulk(self) -> Doors:
        """Places for bulk requests."""
        return Doors()

    def tell_figures(self) -> None:
        """Bring the figures of the published state up to date."""
        live = self.live
        self.figures.people.set(len(live.people))
        self.figures.ready.set(live.why_not_ready() is None)
        self.figures.model_since.set(live.loaded_at.timestamp() if live.pointer else 0)

    def degraded(self) -> list[str]:
        """What works less well than it should, in words; empty when nothing does."""
        found = [] if self.told.fault is None else [self.told.fault]
        if faults := self.source.live.faults:
            found += [_UNUSABLE[what] for what in faults]
        if self.authenticator.is_degraded:
            found.append("the ledger does not answer: keys are those of the last minutes")
        if getattr(self.limiter, "is_degraded", False):
            found.append("Redis does not answer: rate limits are counted by process")
        return found
