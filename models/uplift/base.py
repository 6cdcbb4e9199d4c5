"""Base learners on a coded matrix: a chance or a number, by ridge lines or by boosted trees. State is plain text."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from models.calibration.calibrator import Floats, expit

Basis = Literal["linear", "trees"]
_STRENGTH: Final = 0.05
_BELIEVED_SPREAD: Final = 0.5
_EFFECT_ROUNDS: Final = 15  # with ridge and rate, trees then move about as far from the mean as is believed


@dataclass(frozen=True)
class Fitted:
    """A fitted base learner.

    Attributes:
        basis: how it was fitted.
        text: LightGBM's own text for trees.
        intercept, coefficients: of the line, shape (columns,).
        is_chance: whether the raw value is a log odds.
    """

    basis: Basis
    is_chance: bool
    text: str = ""
    intercept: float = 0.0
    coefficients: tuple[float, ...] = ()

    def __call__(self, matrix: Floats) -> Floats:
        """Chance or number of each row, shape (rows,)."""
        if self.basis == "trees":
            raw = np.asarray(_booster(self.text).predict(matrix, raw_score=True, num_threads=1), dtype=np.float64)
        else:
            raw = matrix @ np.asarray(self.coefficients) + self.intercept
        return expit(raw) if self.is_chance else raw

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**vars(self), "coefficients": list(self.coefficients)}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Fitted:
        """Inverse of `to_dict`."""
        return Fitted(**{**data, "coefficients": tuple(float(one) for one in data["coefficients"])})


@lru_cache(maxsize=64)
def _booster(text: str) -> Any:
    return lgb.Booster(model_str=text)


def fit_chance(matrix: Floats, y: NDArray[np.bool_], weights: Floats, *, basis: Basis, seed: int) -> Fitted:
    """Learn P(y); with one class only, a constant chance with half an event added."""
    total = float(weights.sum())
    hits = float(weights[y].sum())
    if not y.any() or y.all():
        share = (hits + 0.5) / (total + 1.0)
        return Fitted("linear", True, "", float(np.log(share / (1 - share))), (0.0,) * matrix.shape[1])
    if basis == "linear":
        model = LogisticRegression(C=_STRENGTH, max_iter=30, solver="newton-cholesky")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(matrix, y, sample_weight=weights)
        return Fitted("linear", True, "", float(model.intercept_[0]), tuple(map(float, model.coef_[0])))
    few = int(min(y.sum(), (~y).sum()))
    settings = {
        "objective": "binary",
        "learning_rate": 0.08,
        "num_leaves": 4 if few < 500 else 8,
        "min_data_in_leaf": int(min(300, max(20, y.size // 100))),
        "lambda_l2": 10.0,
    }
    rounds = 40 if few < 500 else 80 if few < 5_000 else 160
    return Fitted("trees", True, _boost(settings, matrix, y.astype(np.float64), weights, rounds, seed))


def fit_number(matrix: Floats, target: Floats, weights: Floats, *, basis: Basis, seed: int) -> Fitted:
    """Learn the mean of a noisy number, such as an effect, shrunk towards its weighted mean.

    The ridge is the noise over the spread that is believed beforehand: differences between people of about half the
    mean effect (or of the mean's own error, where that is larger).
    """
    total = float(weights.sum())
    mean = float((weights * target).sum()) / total
    noise = float((weights * (target - mean) ** 2).sum()) / target.size
    spread = _BELIEVED_SPREAD**2 * max(mean**2, noise / total)
    ridge = noise / max(spread, 1e-12)
    if basis == "linear":
        model = Ridge(alpha=ridge * matrix.shape[1]).fit(matrix, target, sample_weight=weights)
        return Fitted("linear", False, "", float(model.intercept_), tuple(map(float, model.coef_)))
    settings = {
        "objective": "regression",
        "learning_rate": 0.1,
        "num_leaves": 4,
        "min_data_in_leaf": int(max(50, target.size // 25)),
        "lambda_l2": ridge,
    }
    return Fitted("trees", False, _boost(settings, matrix, target, weights, _EFFECT_ROUNDS, seed))


def _boost(settings: dict[str, Any], matrix: Floats, target: Floats, weights: Floats, rounds: int, seed: int) -> str:
    chosen = settings | {
        "feature_fraction": 0.5,
        "max_bin": 63,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }
    data = lgb.Dataset(matrix, label=target, weight=weights, free_raw_data=True)
    return str(lgb.train(chosen, data, num_boost_round=rounds).model_to_string())
