"""An assessment as the plain values of `assess.json`; what does not apply is null."""

from __future__ import annotations

import math
from typing import Any, Final

from models.assess.assessment import Assessment
from models.evaluation.metrics import ACCURACY_WORDS
from models.evaluation.resampling import Interval

KEYS: Final = (
    "n", "n_test", "base_rate", "model", "roc_auc", "pr_auc", "log_loss_skill", "brier", "ece", "ece_expected",
    "calibration", "lift_at_10", "profit", "uplift", "suspected_leaks", "seconds",
)  # fmt: skip
_RARE: Final = 0.2  # below this base rate accuracy says next to nothing


def to_json(found: Assessment, *, seconds: float) -> dict[str, Any]:
    """The keys of `assess.json`, then what helps to read them."""
    judged = found.evaluation
    values: dict[str, Any] = {
        "n": found.rows,
        "n_test": found.test_rows,
        "base_rate": found.base_rate,
        "model": found.model,
        "roc_auc": _interval(judged.roc_auc),
        "pr_auc": judged.pr_auc,
        "log_loss_skill": _interval(judged.skill),
        "brier": judged.brier,
        "ece": judged.ece,
        "ece_expected": judged.ece_expected,
        "calibration": {"intercept": judged.intercept.value, "slope": judged.slope.value},
        "lift_at_10": judged.lift_at_10.value,
        "profit": _profit(found),
        "uplift": _uplift(found),
        "suspected_leaks": [suspect.column for suspect in found.suspects],
        "seconds": round(seconds, 2),
        "protocol": found.protocol,
        "positives": judged.events,
        "accuracy": {
            "value": judged.accuracy,
            "majority": judged.majority,
            "remark": ACCURACY_WORDS if found.base_rate < _RARE else None,
        },
        "ece_above_expected": judged.ece - judged.ece_expected,
        "intervals": {
            "intercept": _interval(judged.intercept),
            "slope": _interval(judged.slope),
            "lift_at_10": _interval(judged.lift_at_10),
            "top_decile_observed_over_expected": _interval(judged.top_decile),
        },
        "model_reason": found.model_reason,
        "policy": found.policy_words or None,
        "profit_gain": _gain(found),
        "drivers": {driver.column: driver.points for driver in found.drivers},
        "leak_reasons": {suspect.column: suspect.words for suspect in found.suspects},
        "features": len(found.features),
        "dropped": found.dropped,
        "reasons": found.unavailable,
        "notes": list(found.notes),
        "refused": None,
    }
    return {name: _finite(value) for name, value in values.items()}


def refusal(words: str, *, seconds: float) -> dict[str, Any]:
    """The same keys when nothing can be told: null each, and why."""
    return dict.fromkeys(KEYS) | {"seconds": round(seconds, 2), "refused": words}


def _profit(found: Assessment) -> dict[str, float] | None:
    if found.profit is None:
        return None
    profit = found.profit
    return {
        "policy": round(profit.policy, 4),
        "all": round(profit.all, 4),
        "none": profit.none,
        "contacted": round(profit.contacted, 2),
    }


def _gain(found: Assessment) -> dict[str, Any] | None:
    if found.profit is None:
        return None
    return {
        "over_best_of_all_and_none": _interval(found.profit.gain),
        "over_all": _interval(found.profit.gain_over_all),
    }


def _uplift(found: Assessment) -> dict[str, Any] | None:
    if found.uplift is None:
        return None
    return {arm: result.to_json() for arm, result in found.uplift.items()}


def _interval(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "lo": interval.low, "hi": interval.high}


def _finite(value: Any) -> Any:
    """JSON knows no NaN: what cannot be had is null."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
