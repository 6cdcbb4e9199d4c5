"""Do 95 % intervals hold the truth in 95 of 100 worlds? Small worlds whose true values are known.

A world has people with several rows each that share a taste of their own, so an interval that resampled rows would be
far too narrow. Forecast and policy are fixed beforehand; their true measures come from the law itself, by one large
draw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.rows import Origin, Row, make_row
from models.calibration.calibrator import Floats, expit, logit
from models.evaluation.metrics import evaluate
from models.evaluation.resampling import Interval
from models.uplift.measures import clustered_mean, effect_scores, inverse_scores, policy_value, qini_interval, uplift_at

WORLDS: Final = 1_000
PEOPLE: Final = 700
COPIES: Final = 3
_LARGE: Final = 400_000
_SHARE_MAILED: Final = 0.7
_COST: Final = 0.01
_REFERENCE: Final = 0.12
# Widest distance from 95 % that the promise allows: 93-97 % over 1,000 worlds, 91-99 % over 200.
_NEAR: Final = 0.02
_FAR: Final = 0.04


@dataclass(frozen=True)
class Drawn:
    """Rows of a world: outcome, forecast, contact and person, shape (rows,)."""

    y: NDArray[np.bool_]
    p: Floats
    treated: NDArray[np.bool_]
    person: NDArray[np.int64]
    uplift: Floats
    score: Floats


def draw(people: int, seed: int) -> Drawn:
    """People with `COPIES` rows; the forecast sees the signal and is somewhat too sure, the contact helps most."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), COPIES)
    signal, taste = rng.normal(size=people)[person], 0.8 * rng.normal(size=people)[person]
    wave = 0.5 * rng.normal(size=person.size)
    raw = -2.2 + 0.7 * signal + wave + taste
    change = np.where(signal > -0.5, 0.45, -0.3)
    treated = rng.random(person.size) < _SHARE_MAILED
    plain, contacted = expit(raw), expit(raw + change)
    y = rng.random(person.size) < np.where(treated, contacted, plain)
    p = expit(-1.8 + 0.9 * signal + 0.6 * wave)
    return Drawn(y, p, treated, person, contacted - plain, signal)


@lru_cache(maxsize=1)
def truths() -> dict[str, float]:
    """True value of every measure, from one draw so large that its own error is far below an interval's width."""
    world = draw(_LARGE, seed=987_654)
    contact = world.score > -0.5
    found = {name: one.value for name, one in _forecast(world).items()}
    e = np.full(world.y.size, _SHARE_MAILED)
    top = world.score >= np.quantile(world.score, 0.7)
    return found | {
        "average effect, inverse propensity": float(world.uplift.mean()),
        "average effect, doubly robust": float(world.uplift.mean()),
        "policy value": float(np.where(contact, world.uplift - _COST, 0.0).mean()),
        "uplift at 30 %": float(world.uplift[top].mean()),
        "Qini": qini_interval(world.y, world.treated, e, world.score, np.arange(world.y.size) % 2, seed=1).value,
    }


def _forecast(world: Drawn) -> dict[str, Interval]:
    judged = evaluate(
        y=world.y, p=world.p, raw=logit(world.p), groups=world.person, reference_rate=_REFERENCE, seed=1
    ) if world.y.size < _LARGE else _forecast_of_large(world)  # fmt: skip
    if isinstance(judged, dict):
        return judged
    return {
        "AUC": judged.roc_auc,
        "log-loss skill": judged.skill,
        "calibration intercept": judged.intercept,
        "calibration slope": judged.slope,
        "top tenth, observed over expected": judged.top_decile,
    }


def _forecast_of_large(world: Drawn) -> dict[str, Interval]:
    """The same measures without resampling, for the truth."""
    from sklearn.metrics import log_loss, roc_auc_score

    from models.calibration.calibrator import calibration_in_the_large, logistic_line

    y, p = world.y, world.p
    top = np.argsort(-p)[: y.size // 10]
    values = {
        "AUC": float(roc_auc_score(y, p)),
        "log-loss skill": 1 - float(log_loss(y, p)) / float(log_loss(y, np.full(y.size, _REFERENCE))),
        "calibration intercept": calibration_in_the_large(p, y),
        "calibration slope": logistic_line(logit(p), y)[1],
        "top tenth, observed over expected": float(y[top].sum() / p[top].sum()),
    }
    return {name: Interval(value, value, value) for name, value in values.items()}


def intervals_of(seed: int) -> dict[str, Interval]:
    """All intervals of one small world."""
    world = draw(PEOPLE, seed)
    y, e = world.y.astype(np.float64), np.full(world.y.size, _SHARE_MAILED)
    # Outcome models that are wrong: the scores are right all the same.
    scores = effect_scores(y, world.treated, e, world.p * 1.2, world.p)
    contact = world.score > -0.5
    return _forecast(world) | {
        "average effect, inverse propensity": clustered_mean(inverse_scores(y, world.treated, e), world.person),
        "average effect, doubly robust": clustered_mean(scores, world.person),
        "policy value": policy_value(scores, contact, _COST, world.person),
        "uplift at 30 %": uplift_at(0.3, y, world.treated, e, world.score, world.person),
        "Qini": qini_interval(world.y, world.treated, e, world.score, world.person, seed=seed),
    }


def coverage(
    worlds: int, *, first: int = 0, of: Callable[[int], dict[str, Interval]] = intervals_of
) -> dict[str, float]:
    """Share of worlds whose interval holds the truth, by measure."""
    true = truths()
    hits = dict.fromkeys(true, 0)
    for seed in range(first, first + worlds):
        for name, found in of(seed).items():
            hits[name] += found.low <= true[name] <= found.high
    return {name: count / worlds for name, count in hits.items()}


def interval_rows(origin: Origin, share: float) -> list[Row]:
    """Coverage of every measure, and its distance from 95 % against what is promised at this size."""
    worlds = max(10, int(WORLDS * share))
    target = _NEAR if worlds >= WORLDS else _FAR if worlds >= 200 else None
    rows = []
    for name, held in coverage(worlds).items():
        rows.append(make_row(origin, f"coverage of 95 % intervals, {name}, {worlds} worlds", [held], "share"))
        distance = abs(held - 0.95)
        rows.append(make_row(origin, f"its distance from 95 %, {name}", [distance], "share", target=target))
    return rows
