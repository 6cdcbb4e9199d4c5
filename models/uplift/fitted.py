"""The uplift model in use: learned on a whole trial, kept as plain JSON, asked about anybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.calibration.calibrator import Floats
from models.features import FeatureSpec
from models.training.matrix import clean_frame
from models.training.table import TableCoder
from models.uplift.base import Basis, Fitted
from models.uplift.crossfit import thinned
from models.uplift.learners import Chances, Effect, LearnerName, code, fit_effects
from models.uplift.report import UpliftReport, assess_trial
from models.uplift.trial import Trial

_ARRAYS: Final = ("means_", "scales_", "pairs_", "pair_means_", "pair_scales_")
_ROWS_AT_ONCE: Final = 200_000


@dataclass(frozen=True)
class UpliftModel:
    """P(outcome) with and without one channel.

    Attributes:
        features: columns read.
        coder: of the columns.
        effect: the learner.
        harmed_below: everybody whose uplift lies below it belongs to a group that contact surely harms; None where
            there is none.
    """

    features: tuple[FeatureSpec, ...]
    coder: TableCoder
    effect: Effect
    harmed_below: float | None

    def both(self, frame: pd.DataFrame) -> tuple[Floats, Floats]:
        """P(outcome) with and without contact, shape (rows,) each."""
        with_contact, without = [np.zeros(0)], [np.zeros(0)]
        for start in range(0, len(frame), _ROWS_AT_ONCE):
            matrix = self.coder.transform(clean_frame(frame.iloc[start : start + _ROWS_AT_ONCE], self.features))
            contacted, spared = self.effect.both(matrix)
            with_contact.append(contacted)
            without.append(spared)
        return np.concatenate(with_contact), np.concatenate(without)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; it holds no code."""
        coder = {name: getattr(self.coder, name).tolist() for name in _ARRAYS}
        chances = self.effect.chances
        return {
            "features": [[spec.name, spec.kind] for spec in self.features],
            "coder": coder | self.coder.get_params() | {"features": self.coder.features_, "codes": self.coder.codes_},
            "learner": self.effect.name.value,
            "chances": {name: getattr(chances, name).to_dict() for name in ("usual", "treated", "control")},
            "shift": chances.shift,
            "base": chances.base,
            "parts": [part.to_dict() for part in self.effect.parts],
            "share": self.effect.share,
            "average": self.effect.average,
            "harmed_below": self.harmed_below,
        }

    @staticmethod
    def from_dict(data: dict[str, Any]) -> UpliftModel:
        """Inverse of `to_dict`."""
        given = data["coder"]
        coder = TableCoder(**{name: given[name] for name in ("basis", "knots", "buckets", "seed")})
        coder.features_, coder.codes_ = list(given["features"]), list(given["codes"])
        for name in _ARRAYS:
            kind = np.int64 if name == "pairs_" else np.float64
            setattr(coder, name, np.asarray(given[name], dtype=kind).reshape((-1, 2) if name == "pairs_" else -1))
        models = {name: Fitted.from_dict(found) for name, found in data["chances"].items()}
        chances = Chances(models["usual"], data["shift"], data["base"], models["treated"], models["control"])
        parts = tuple(Fitted.from_dict(found) for found in data["parts"])
        effect = Effect(LearnerName(data["learner"]), chances, parts, data["share"], data["average"])
        features = tuple(FeatureSpec(name, kind, "stage", "", "") for name, kind in data["features"])
        return UpliftModel(features, coder, effect, data["harmed_below"])


def fit_uplift(name: str, trial: Trial, *, cost: float, seed: int) -> tuple[UpliftModel | None, UpliftReport]:
    """Judge the learners, then fit the chosen one on the whole trial; no model where the trial does not suffice.

    Args:
        name: of the channel, for the report.
        trial: as drawn.
        cost: of one contact in units of the trial's worth.
        seed: of folds and fits.
    """
    report, basis = assess_trial(name, trial, cost=cost, seed=seed)
    if not trial.is_sufficient:
        return None, report
    return _fit(trial, report, basis, seed), report


def _fit(trial: Trial, report: UpliftReport, basis: Basis, seed: int) -> UpliftModel:
    with threadpool_limits(1):
        coder, coded = code(thinned(trial, seed=seed), basis=basis, seed=seed)
        effect = fit_effects(coded, (report.learner,), basis=basis, seed=seed)[report.learner]
    below = report.harmed[-1].below if report.harmed else None
    return UpliftModel(trial.features, coder, effect, below)
