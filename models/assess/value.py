"""The second stage of a value model: how much a positive brings, so that chance x amount is the expected value.

Amounts have heavy tails. Three forms compete on the deviance of held-out positives, the simpler first: their mean; a
ridge on the log amount, brought back by smearing (Duan, 1983); boosted trees with the gamma likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV

from models.assess.table import Bools, Floats
from models.training.selection import grouped_error

MEAN, LOG_RIDGE, GAMMA_TREES = "mean amount", "ridge on log amount", "gamma trees"
_LEAST_AMOUNTS: Final = 100  # fewer cannot tell amounts apart
_ALPHAS: Final = np.logspace(0, 4, 9)
_WIDEST: Final = 3.0  # log units beyond the amounts seen; further is extrapolation


@dataclass(frozen=True)
class AmountModel:
    """Expected amount of a positive.

    Attributes:
        form: which of the three forms.
        mean: weighted mean amount, which every form keeps on its training rows.
        deviance: form -> gamma deviance on held-out positives; empty with too few amounts.
        held_out: expected amount of each training row, made without it where it is a positive, shape (rows,).
    """

    form: str
    mean: float
    deviance: dict[str, float]
    held_out: Floats
    parts: tuple[Any, ...] = ()

    def expected(self, prepared: Floats, raw: Floats) -> Floats:
        """Expected amount of rows; `prepared` for the ridge and `raw` for the trees, shape (rows, columns)."""
        return _predict(self.form, self.parts, prepared if self.form == LOG_RIDGE else raw, self.mean)


def fit_amounts(
    *,
    prepared: Floats,
    raw: Floats,
    y: Bools,
    amount: Floats,
    weights: Floats,
    fold: NDArray[np.intp],
    groups: Any,
    seed: int,
) -> AmountModel:
    """Fit the amount of positives and choose its form.

    Args:
        prepared: scaled columns for the ridge, shape (rows, columns).
        raw: columns for trees, NaN for missing.
        y: whether it happened.
        amount: amounts, NaN where unknown; those of negatives are not read.
        weights: how many rows of the population each stands for.
        fold: fold of each row; held-out amounts come from other folds.
        groups: units of resampling.
        seed: of the trees.
    """
    used = np.flatnonzero(y & np.isfinite(amount) & (amount > 0))
    mean = float(np.average(amount[used], weights=weights[used])) if used.size else 0.0
    flat = np.full(y.size, mean)
    if used.size < _LEAST_AMOUNTS:
        return AmountModel(MEAN, mean, {}, flat)
    held = {form: np.full(y.size, mean) for form in (MEAN, LOG_RIDGE, GAMMA_TREES)}
    for k in np.unique(fold):
        inside, learn = fold == k, used[fold[used] != k]
        if learn.size < _LEAST_AMOUNTS // 2:
            continue
        held[MEAN][inside] = np.average(amount[learn], weights=weights[learn])
        for form, X in ((LOG_RIDGE, prepared), (GAMMA_TREES, raw)):
            parts = _fit(form, X[learn], amount[learn], weights[learn], seed)
            held[form][inside] = _predict(form, parts, X[inside], mean)
    losses = {form: weights[used] * _deviance(amount[used], held[form][used]) for form in held}
    form = _simplest(losses, np.asarray(groups)[used])
    X = prepared if form == LOG_RIDGE else raw
    parts = () if form == MEAN else _fit(form, X[used], amount[used], weights[used], seed)
    deviance = {name: float(loss.sum() / weights[used].sum()) for name, loss in losses.items()}
    return AmountModel(form, mean, deviance, held[form], parts)


def _simplest(losses: dict[str, Floats], groups: Any) -> str:
    """The least deviance, or a simpler form within one standard error of it."""
    best = min(losses, key=lambda name: float(losses[name].mean()))
    for name, loss in losses.items():
        behind = loss - losses[best]
        if name == best or float(behind.mean()) <= grouped_error(behind, groups):
            return name
    return best


def _deviance(amount: Floats, expected: Floats) -> Floats:
    """Gamma deviance of each row; least in expectation at the true mean, whatever the spread."""
    ratio = amount / expected
    return 2.0 * (ratio - 1.0 - np.log(ratio))


def _fit(form: str, X: Floats, amount: Floats, weights: Floats, seed: int) -> tuple[Any, ...]:
    w = weights / weights.mean()
    if form == GAMMA_TREES:
        trees = HistGradientBoostingRegressor(
            loss="gamma", max_iter=80, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=30,
            l2_regularization=10.0, early_stopping=False, random_state=seed,
        )  # fmt: skip
        trees.fit(X, amount, sample_weight=w)
        fitted = np.maximum(trees.predict(X), 1e-12)
        return (trees, float((w * amount).sum() / (w * fitted).sum()))
    ridge = RidgeCV(alphas=_ALPHAS)
    log_amount = np.log(amount)
    ridge.fit(X, log_amount, sample_weight=w)
    bounds = (float(log_amount.min()) - _WIDEST, float(log_amount.max()) + _WIDEST)
    line = np.clip(ridge.predict(X), *bounds)
    # Smearing in the form that keeps the mean: the errors of large and small gifts need not be alike.
    return (ridge, float((w * amount).sum() / (w * np.exp(line)).sum()), bounds)


def _predict(form: str, parts: tuple[Any, ...], X: Floats, mean: float) -> Floats:
    if form == MEAN or X.shape[0] == 0:
        return np.full(X.shape[0], mean)
    if form == GAMMA_TREES:
        trees, factor = parts
        return np.asarray(np.maximum(trees.predict(X), 1e-12) * factor, dtype=np.float64)
    ridge, factor, bounds = parts
    return np.asarray(np.exp(np.clip(ridge.predict(X), *bounds)) * factor, dtype=np.float64)
