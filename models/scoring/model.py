"""The resurrection model: features, encoder, estimator, calibrator and contributions as one object."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.calibration.calibrator import Calibrator, Floats, logit
from models.features import FeatureSpec
from models.scoring.contributions import recipe_contributions
from models.training.matrix import clean_frame


class ResurrectionModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted recipe that answers with calibrated p.

    Args:
        recipe: name of the recipe, `logistic_regression` or `hist_gradient_boosting`.
        features: pairs of feature name and kind, in the order the pipeline was fitted with.
        pipeline: fitted scikit-learn pipeline.
        calibration: `Calibrator.to_dict()`.
        centre: mean of the prepared training columns (linear recipe), else empty.
        threads: OpenMP and BLAS threads used when predicting.
    """

    def __init__(
        self,
        recipe: str = "",
        features: list[list[str]] | None = None,
        pipeline: Any = None,
        calibration: dict[str, Any] | None = None,
        centre: Floats | None = None,
        threads: int = 2,
    ) -> None:
        self.recipe = recipe
        self.features = features
        self.pipeline = pipeline
        self.calibration = calibration
        self.centre = centre
        self.threads = threads

    @property
    def classes_(self) -> NDArray[np.bool_]:
        """False, True."""
        return np.array([False, True])

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features that the model reads."""
        return tuple(name for name, _ in self.features or [])

    def __sklearn_is_fitted__(self) -> bool:
        return self.pipeline is not None

    def _cleaned(self, frame: pd.DataFrame) -> pd.DataFrame:
        specs = [FeatureSpec(n, k, "stage", "", "") for n, k in self.features or []]  # type: ignore[arg-type]
        return clean_frame(frame, specs)

    def raw(self, frame: pd.DataFrame) -> Floats:
        """Uncalibrated log odds, shape (rows,); ranks without ties where the calibrator makes some."""
        if len(frame) == 0:
            return np.zeros(0)
        with threadpool_limits(self.threads):
            return raw_log_odds(self.pipeline, self._cleaned(frame))

    def p(self, frame: pd.DataFrame) -> Floats:
        """Calibrated P(reactivated within the horizon, handled as usual), shape (rows,)."""
        return self.calibrate(self.raw(frame))

    def calibrate(self, raw: Floats) -> Floats:
        """p of raw log odds."""
        return Calibrator.from_dict(self.calibration or {}).apply(raw)

    def predict_proba(self, frame: pd.DataFrame) -> Floats:
        """Shape (rows, 2): P(not reactivated), P(reactivated)."""
        p = self.p(frame)
        return np.column_stack([1.0 - p, p])

    def predict(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Whether p is at least one half; ranking by p says more."""
        return self.p(frame) >= 0.5

    def contributions(self, frame: pd.DataFrame) -> tuple[Floats, float, Floats]:
        """Why: contributions (rows, features), baseline, and the named `calibration` term (rows,).

        contributions.sum(axis=1) + baseline + calibration = logit(p).
        """
        cleaned = self._cleaned(frame)
        with threadpool_limits(self.threads):
            values, baseline = recipe_contributions(self.pipeline, cleaned, threads=self.threads)
        raw = values.sum(axis=1) + baseline
        return values, baseline, logit(self.calibrate(raw)) - raw


def raw_log_odds(pipeline: Any, cleaned: pd.DataFrame) -> Floats:
    """Decision function of a fitted pipeline as float64, shape (rows,)."""
    return np.asarray(pipeline.decision_function(cleaned), dtype=np.float64)
