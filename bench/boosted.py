"""One boosted fit of ours against the defaults of scikit-learn and LightGBM, on a table of the size of a panel."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from bench.references import Table, specs_of
from bench.rows import Origin, Row, make_row
from models.calibration.calibrator import Floats, expit
from models.training.candidates import RecipeName
from models.training.search import fit_recipe
from models.training.settings import Budget, boosting_settings

_RATE: Final = -3.2  # log odds of an average row: about 5 % come back
_TEST_SHARE: Final = 0.2


def snapshots(rows: int, columns: int, *, seed: int = 3) -> Table:
    """Rows like lead snapshots: skewed counts with gaps, rare events, a law with curves and interactions."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, columns))
    values = np.where(np.arange(columns) % 3 == 0, np.floor(np.exp(z)), z)
    odds = 0.5 * z[:, 0] - 0.4 * np.abs(z[:, 1]) + 0.4 * z[:, 2] * z[:, 3] + 0.3 * (z[:, 4] > 1) + 0.2 * z[:, 5]
    y = rng.random(rows) < expit(_RATE + odds)
    values[rng.random((rows, columns)) < 0.05] = np.nan
    frame = pd.DataFrame({f"x{index:02d}": values[:, index] for index in range(columns)})
    order = np.arange(rows) * 21 // rows
    return Table(frame, y, np.arange(rows), order, specs_of(frame))


def boosted_rows(at: Origin, table: Table) -> list[Row]:
    """Processor seconds and AUC of one fit; the ratio is against the faster of the two libraries."""
    cut = int((1 - _TEST_SHARE) * table.y.size)
    known, test = table.rows(np.arange(cut)), table.rows(np.arange(cut, table.y.size))
    X, X_test = known.frame.to_numpy(), test.frame.to_numpy()

    def ours() -> Floats:
        budget = Budget(rows=cut, events=int(known.y.sum()))
        recipe = boosting_settings(RecipeName.LIGHTGBM, budget)[-1]
        fitted = fit_recipe(recipe, known.frame, known.y, known.features, 7)
        return fitted.decision_function(test.frame)

    def scikit() -> Floats:
        model = HistGradientBoostingClassifier(random_state=0, early_stopping=False).fit(X, known.y)
        return np.asarray(model.decision_function(X_test))

    def light() -> Floats:
        data = lgb.Dataset(X, label=known.y.astype(float))
        model = lgb.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, num_boost_round=100)
        return np.asarray(model.predict(X_test))

    seconds, auc = {}, {}
    for name, fit in {"ours": ours, "scikit-learn": scikit, "LightGBM": light}.items():
        seconds[name], auc[name] = _timed(fit, test.y)
    fastest = min(("scikit-learn", "LightGBM"), key=lambda name: seconds[name])
    return [
        make_row(
            at, f"one boosted fit / {fastest} with default settings, processor seconds", [seconds["ours"]], "s",
            baseline=[seconds[fastest]], target_ratio=1.15,
        ),
        make_row(
            at, "one boosted fit: AUC short of the better library", [max(auc.values()) - auc["ours"]], "AUC",
            target=0.001,
        ),
    ]  # fmt: skip


def _timed(fit: Callable[[], Floats], y: NDArray[Any]) -> tuple[float, float]:
    started = time.process_time()
    score = fit()
    return time.process_time() - started, float(roc_auc_score(y, score))
