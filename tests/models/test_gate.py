from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from models.evaluation.backtest import backtest_day, failing
from models.evaluation.gate import Challenger, Champion, decide
from models.evaluation.resampling import Interval

GOOD = Interval(0.05, 0.02, 0.08)
ZERO = Interval(0.0, -0.01, 0.01)
NEW = Challenger("new", "logistic_regression", GOOD, GOOD)
OLD = Champion("old", "3", 30)


def _decide(**changes):
    told = {
        "challenger": NEW,
        "refused": None,
        "champion": OLD,
        "rolled_back": False,
        "failing_backtest": None,
        "promote_every_days": 7,
        "compare": lambda: GOOD,
        "loads": lambda: None,
    }
    return decide(**(told | changes))


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, "promoted", "better than version 3"),
        ({"champion": None}, "promoted", "first model"),
        ({"champion": None, "challenger": Challenger("n", "l", ZERO, GOOD)}, "refused", "does not surely beat"),
        ({"champion": None, "challenger": Challenger("n", "l", GOOD, ZERO)}, "refused", "does not surely beat"),
        ({"compare": lambda: ZERO}, "kept", "not surely better"),
        ({"compare": lambda: None}, "kept", "nothing can be compared"),
        ({"champion": Champion("new", "3", 30)}, "unchanged", "those of the model in use"),
        ({"champion": Champion("old", "3", 6)}, "kept", "at most every 7 days"),
        ({"rolled_back": True}, "kept", "out of use by hand"),
        ({"rolled_back": True, "champion": None}, "refused", "out of use by hand"),
        ({"failing_backtest": "nothing came true"}, "held", "nothing came true"),
        ({"loads": lambda: "no such module"}, "held", "no such module"),
        ({"challenger": None, "refused": "12 people"}, "kept", "12 people"),
        ({"challenger": None, "refused": "12 people", "champion": None}, "refused", "12 people"),
    ],
)
def test_a_model_is_promoted_only_on_evidence(changes, verdict: str, words: str) -> None:
    found = _decide(**changes)
    assert found.verdict == verdict
    assert words in found.reason


def test_nothing_is_loaded_or_compared_before_it_matters() -> None:
    def never():
        raise AssertionError("asked too early")

    assert _decide(champion=Champion("old", "3", 1), compare=never, loads=never).verdict == "kept"
    assert _decide(compare=lambda: ZERO, loads=never).verdict == "kept"


def _day(p: float, rate: float, *, kind: str = "model", people: int = 4_000, order: float = 1.0):
    rng = np.random.default_rng(1)
    scores = np.clip(rng.normal(p, 0.02, people), 0.001, 0.5)
    y = rng.random(people) < np.clip(rate + order * (scores - p), 0, 1)
    return backtest_day(
        scored_date=date(2026, 4, 20), score_kind=kind, model_version="1", p=scores, raw=scores, y=y,
        groups=np.arange(people), seed=1,
    )  # fmt: skip


def test_a_backtest_fails_only_when_it_is_clear() -> None:
    assert failing([]) is None
    assert failing([_day(0.08, 0.08)]) is None
    assert "promised on 2026-04-20" in str(failing([_day(0.08, 0.02)]))
    assert "promised on 2026-04-20" in str(failing([_day(0.05, 0.25)]))
    assert failing([_day(0.08, 0.02, people=60)]) is None
    assert failing([_day(0.08, 0.02, kind="rules")]) is None
    assert "worse than chance" in str(failing([_day(0.08, 0.08, order=-1.5)]))


def test_a_backtest_of_one_class_has_no_area() -> None:
    assert _day(0.05, -1.0).roc_auc is None
