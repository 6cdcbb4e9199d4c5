"""One small world, run through three days, shared by the end-to-end tests of a worker."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.installation import DAYS, Installation, copy_state, make_engine, run_days


@pytest.fixture(scope="session")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The demo's three days at 2,000 people. Tests read it; who changes it copies it first."""
    var_dir = tmp_path_factory.mktemp("three_days") / "var"
    return run_days(var_dir, make_engine(var_dir), DAYS)


@pytest.fixture
def copied(three_days: Installation, tmp_path: Path) -> Installation:
    """A private copy of the three days, at the same absolute depth but another place."""
    var_dir = tmp_path / "var"
    copy_state(three_days.var_dir, var_dir)
    return replace(three_days, var_dir=var_dir, engine=make_engine(var_dir))


@pytest.fixture(autouse=True)
def _dagster_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """run_day points Dagster at its installation; the variables do not outlive the test."""
    for name in ("DAGSTER_HOME", "RECOVERY_DAGSTER_DIR"):
        if name in os.environ:
            monkeypatch.delenv(name)
