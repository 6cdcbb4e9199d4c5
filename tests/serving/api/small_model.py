"""A small real model over the real features, fitted once per process."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd

from models.calibration.calibrator import fit_calibrator
from models.feature_algebra import Activity, LeadHistory
from models.feature_batch import evaluate_leads
from models.features import FEATURES
from models.scoring.flatten import flatten
from models.scoring.model import ResurrectionModel, raw_log_odds
from models.training.candidates import RecipeName
from models.training.fitting import fit_recipe
from models.training.matrix import clean_frame
from tests.models.scoring.fitted import RECIPES

AS_OF = date(2026, 6, 1)
_MIDNIGHT = datetime(2026, 6, 1)
_NAMES = (
    "days_since_last_inbound", "inbound_last_365d", "replies_last_365d", "outbound_last_90d", "title_level",
    "account_inbound_last_90d", "mean_gap_days_ever", "has_phone", "year_sine",
)  # fmt: skip
SPECS = tuple(spec for spec in FEATURES if spec.name in _NAMES)


def histories(count: int, *, seed: int = 3) -> list[LeadHistory]:
    """Leads with random histories; the same seed gives the same leads."""
    rng = np.random.default_rng(seed)
    leads = []
    for _ in range(count):
        days = rng.uniform(31, 700, rng.integers(1, 15))
        own = tuple(
            Activity(
                _MIDNIGHT - timedelta(days=float(day)),
                _MIDNIGHT - timedelta(days=float(day)),
                str(rng.choice(["email", "form", "click", "page_view"])),
                "inbound" if at == 0 or rng.random() < 0.5 else "outbound",
                "person" if at == 0 or rng.random() < 0.5 else "rep",
                int(rng.integers(0, 3)),
            )
            for at, day in enumerate(days)
        )
        attributes = {"job_title": str(rng.choice(["VP Sales", "clerk", "CTO"])), "has_phone": bool(rng.random() < 0.5)}
        leads.append(LeadHistory(own, (), attributes))
    return leads


@cache
def small_model(recipe: RecipeName = RecipeName.BOOSTING, seed: int = 3) -> ResurrectionModel:
    """A fitted recipe as the plain model that a serving process reads."""
    frame = pd.DataFrame(evaluate_leads(histories(600, seed=seed), AS_OF).columns())
    rng = np.random.default_rng(seed)
    pull = -2.0 + 0.2 * frame["inbound_last_365d"] - 0.004 * frame["days_since_last_inbound"]
    y = rng.random(len(frame)) < 1 / (1 + np.exp(-pull.to_numpy()))
    found = next(one for one in RECIPES if one.name is recipe)
    cleaned = clean_frame(frame, SPECS)
    fitted = fit_recipe(found, cleaned, y, SPECS, 7)
    calibrator = fit_calibrator(raw_log_odds(fitted, cleaned), y)
    return flatten(fitted, features=SPECS, calibrator=calibrator, background=frame)
