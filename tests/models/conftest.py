"""One training shared by the tests of the models."""

from __future__ import annotations

import pandas as pd
import pytest

from models.training.recipe import Outcome, TrainingPlan, train
from tests.models.world import SPECS, panel


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """21 mature weeks of 700 people with a clear law."""
    return panel(people=700)


@pytest.fixture(scope="session")
def plan() -> TrainingPlan:
    """Small thresholds, one thread."""
    return TrainingPlan(min_people=100, min_events=40, threads=1)


@pytest.fixture(scope="session")
def outcome(frame: pd.DataFrame, plan: TrainingPlan) -> Outcome:
    """The trained outcome."""
    return train(frame, SPECS, plan)
