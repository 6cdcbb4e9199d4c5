"""Trains the candidates on time slices, judges the recipe, and refits the chosen one on all mature rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from models.features import FeatureSpec
from models.scoring.scorecard import calibrated_card
from models.training.matrix import usable_features, without_calendar
from models.training.outcome import CARD, Candidate, Outcome, TrainingPlan, groups_of
from models.training.side_by_side import bounded
from models.training.slices import Slices, plan_slices
from models.training.trainer import Trainer

__all__ = ["CARD", "Candidate", "Outcome", "TrainingPlan", "distinct_events", "groups_of", "train"]

_LEAST_EVENTS_TO_JUDGE: Final = 20  # fewer in the calibration or test slice say nothing


def distinct_events(frame: pd.DataFrame) -> int:
    """Distinct reactivations: overlapping windows see one event several times."""
    events = frame.loc[frame["y"].to_numpy(dtype=bool)]
    columns = ["person_id", "event_at"] if "event_at" in frame.columns else ["person_id"]
    return len(events.drop_duplicates(columns))


def train(frame: pd.DataFrame, features: Sequence[FeatureSpec], plan: TrainingPlan) -> Outcome:
    """Train, calibrate, test and refit on mature snapshots.

    Args:
        frame: person_id, account_id, as_of_date (date), y (bool), optionally event_at, and the feature columns;
            sorted by as_of_date and person_id.
        features: features to use.
        plan: sizes, seed and threads.

    Returns:
        An outcome with a model, or with the reason why there is none and a scorecard that works anyway.
    """
    slices = plan_slices(list(frame["as_of_date"].unique()), horizon_days=plan.horizon_days) if len(frame) else None
    y = frame["y"].to_numpy(dtype=bool) if len(frame) else np.zeros(0, dtype=bool)
    train_rows = frame[frame["as_of_date"].isin(slices.train)] if slices else frame.iloc[:0]
    refused = _refusal(frame, slices, train_rows, plan)
    kept, report = usable_features(train_rows if len(train_rows) else frame, features)
    kept, report = without_calendar(kept, report, train_rows["as_of_date"])
    if refused is None and not kept:
        refused = "no feature varies in the training rows"
    facts: dict[str, Any] = {
        "slices": slices,
        "train_people": int(train_rows["person_id"].nunique()),
        "train_events": distinct_events(train_rows),
        "mature_rows": len(frame),
        "mature_people": int(frame["person_id"].nunique()),
        "mature_events": distinct_events(frame),
        "base_rate": float(y.mean()) if y.size else None,
        "card": calibrated_card(frame, y),
        "report": report,
        "last_date": max(frame["as_of_date"]) if len(frame) else None,
    }
    if refused is not None or slices is None:
        return Outcome(refused=refused, **facts)
    with bounded(plan.threads):
        return Trainer(frame, kept, slices, plan).run(facts)


def _refusal(frame: pd.DataFrame, slices: Slices | None, train_rows: pd.DataFrame, plan: TrainingPlan) -> str | None:
    if len(frame) == 0:
        return "no outcome is mature yet"
    y = frame["y"].to_numpy(dtype=bool)
    if not y.any():
        return "nobody came back in the mature rows"
    if y.all():
        return "everybody came back in the mature rows, so there is nothing to tell apart"
    if slices is None:
        dates = frame["as_of_date"].nunique()
        return f"{dates} mature weekly dates are too few for a training, a calibration and a test slice with gaps"
    people, events = int(train_rows["person_id"].nunique()), distinct_events(train_rows)
    if people < plan.min_people or events < plan.min_events:
        return (
            f"{people:,} people with {events:,} reactivations in the training slice; "
            f"{plan.min_people:,} and {plan.min_events:,} are needed"
        )
    for name, dates_of in (("calibration", slices.calibrate), ("test", slices.test)):
        part = frame[frame["as_of_date"].isin(dates_of)]
        found = int(part["y"].sum())
        if found < _LEAST_EVENTS_TO_JUDGE or found == len(part):
            return f"{found} outcomes in the {name} slice; {_LEAST_EVENTS_TO_JUDGE} are needed"
    return None
