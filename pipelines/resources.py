"""What assets are given: settings, stores and the clock. Nothing is opened or read at import."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock
from pydantic import PrivateAttr

from contracts.published import latest_date
from contracts.settings import Settings
from pipelines.runlock import DRIVER_TAG, UNLOCKED_TAG, take_run_lock
from pipelines.warehouse import Warehouse

PROJECT_ROOT = Path(__file__).resolve().parent.parent
_WAIT_SECONDS = 900.0  # a day of a large installation


class Engine(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The installation that a run works on.

    Args:
        root: folder that relative paths of settings refer to; the project's root when empty.
        overrides: settings by field name that win over the environment (tests, benchmarks).
        fixed_now: ISO timestamp that replaces the clock; empty uses the real one.
    """

    root: str = ""
    overrides: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies defaults
    fixed_now: str = ""
    _settings: Settings | None = PrivateAttr(default=None)
    _lock: FileLock | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Take the run lock for a run that was started by the daemon or from the UI.

        Raises:
            BusyError: another run is still going on after a quarter of an hour.
        """
        if context.run is not None and not {DRIVER_TAG, UNLOCKED_TAG} & context.run.tags.keys():
            self._lock = take_run_lock(self.settings.var_dir, wait_seconds=_WAIT_SECONDS)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        """Give the run lock back."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def settings(self) -> Settings:
        """Settings with `var_dir`, `sources_file` and `example_data` made absolute; read once per resource."""
        if self._settings is None:
            settings = Settings(**self.overrides)
            base = Path(self.root) if self.root else PROJECT_ROOT
            paths = {name: base / getattr(settings, name) for name in ("var_dir", "sources_file", "example_data")}
            self._settings = settings.model_copy(update=paths)
        return self._settings

    @property
    def warehouse(self) -> Warehouse:
        """The DuckDB warehouse of this installation."""
        settings = self.settings
        return Warehouse(settings.warehouse_path, memory=settings.duckdb_memory, threads=settings.duckdb_threads)

    def now(self) -> datetime:
        """Current time, UTC."""
        return datetime.fromisoformat(self.fixed_now) if self.fixed_now else datetime.now(UTC)

    def is_newest(self, as_of: date) -> bool:
        """Whether no later day was scored: only such a day may move an alias or release a batch."""
        newest = latest_date(self.settings.published_dir, "lead_scores")
        return newest is None or as_of >= newest
