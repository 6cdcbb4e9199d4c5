"""One installation that has lived three days: D-42, D-7 and D."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from pipelines.resources import Engine
from pipelines.scoring import assets as scoring
from pipelines.scoring import checks as scoring_checks
from pipelines.training import assets as training
from pipelines.training import checks as training_checks
from tests.models.marts import AS_OF, engine_at, fill, snapshots, weeks_before

DAYS = (weeks_before(AS_OF, 6), weeks_before(AS_OF, 1), AS_OF)
OBJECTOR = "p000003"
_MARTS = [
    dg.AssetSpec(dg.AssetKey(["marts", name]))
    for name in ("lead_snapshots", "lead_labels", "dim_people", "fct_permissions")
]


def run_day(engine: Engine, as_of: date, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    """Training and scoring of one date, with their checks."""
    return dg.materialize(
        [
            *training.ASSETS,
            *scoring.ASSETS,
            *training_checks.CHECKS,
            *scoring_checks.CHECKS,
            *_MARTS,
        ],
        partition_key=as_of.isoformat(),
        resources={"engine": engine},
        raise_on_error=raise_on_error,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


@dataclass(frozen=True)
class Installation:
    """A lived-in installation with its snapshots and run results by date."""

    engine: Engine
    frame: pd.DataFrame
    results: dict[date, Any]


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Three days on 400 people; one person objects."""
    var: Path = tmp_path_factory.mktemp("lived")
    engine = engine_at(var, min_training_people=100, min_training_events=40)
    frame = snapshots(people=400, weeks=33)
    results = {}
    for day in DAYS:
        fill(engine, frame, as_of=day, objectors=(OBJECTOR,))
        results[day] = run_day(engine, day)
    return Installation(engine, frame, results)
