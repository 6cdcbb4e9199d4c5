"""What training may use and what it ends with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pandas as pd
from numpy.typing import NDArray

from models.evaluation.metrics import Evaluation
from models.evaluation.resampling import Interval
from models.evaluation.slices import SliceFigures
from models.features import FeatureSpec
from models.scoring.model import ResurrectionModel
from models.scoring.scorecard import Scorecard
from models.training.candidates import ORDER, RecipeName
from models.training.matrix import InputReport
from models.training.slices import Slices

CARD: Final = "rule_scorecard"


@dataclass(frozen=True)
class TrainingPlan:
    """What training may use.

    Attributes:
        horizon_days: length of the label window, and of the gap between slices.
        min_people, min_events: distinct people and reactivation events that the training slice needs.
        seed: of fits and resampling.
        threads: OpenMP and BLAS threads; one gives the same model on every machine, and on a busy one less work.
        recipes: competing recipes, the simpler first.
    """

    horizon_days: int = 30
    min_people: int = 1_000
    min_events: int = 120
    seed: int = 7
    threads: int = 1
    recipes: tuple[RecipeName, ...] = ORDER


@dataclass(frozen=True)
class Candidate:
    """One candidate as judged on the test slice; all figures belong to its twin, not to the refitted model.

    Attributes:
        without_exposure: the same recipe without what we sent; rank measures only. None but for the chosen recipe.
        selection_loss: log loss on the calibration slice, through the calibrator that was fitted there.
    """

    name: str
    params: dict[str, float | int]
    evaluation: Evaluation
    without_exposure: dict[str, float] | None
    selection_loss: float


@dataclass(frozen=True)
class Outcome:
    """What training ended with.

    Attributes:
        refused: why no model was trained; None when one was.
        slices: the time slices, None when the panel is too short.
        train_people, train_events: distinct people and events of the training slice.
        mature_rows, mature_people, mature_events: of all mature rows.
        base_rate: share of mature rows with an outcome, None without rows.
        card: the scorecard, calibrated on outcomes or on a stated prior.
        candidates: judged candidates, the scorecard first.
        model: the refitted live model.
        chosen: its recipe.
        choice: why that recipe, in words.
        calibration: how its calibrator was chosen, in words.
        gain_over_card: log loss of the scorecard minus that of the chosen twin.
        parts: how the chosen twin's promise holds by CRM, channel, silence and tier.
        test: per test row person_id, as_of_date, group, y, p, raw and p_card of the chosen twin.
    """

    refused: str | None
    slices: Slices | None
    train_people: int
    train_events: int
    mature_rows: int
    mature_people: int
    mature_events: int
    base_rate: float | None
    card: Scorecard
    report: InputReport
    features: tuple[FeatureSpec, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    model: ResurrectionModel | None = None
    chosen: str = CARD
    choice: str = ""
    calibration: str = ""
    gain_over_card: Interval | None = None
    parts: tuple[SliceFigures, ...] = ()
    test: pd.DataFrame | None = None
    last_date: date | None = None


def groups_of(frame: pd.DataFrame) -> NDArray[Any]:
    """Unit of resampling: the account where known, else the person."""
    if "account_id" not in frame.columns:
        return frame["person_id"].to_numpy(dtype=object)
    known = frame["account_id"].notna()
    return frame["account_id"].astype(object).where(known, frame["person_id"]).to_numpy(dtype=object)
