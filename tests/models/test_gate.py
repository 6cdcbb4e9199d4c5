from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from models.evaluation.backtest import backtest_day, failing
from models.evaluation.comparison import Capacity, Comparison, compare
from models.evaluation.gate import Challenger, Champion, decide
from models.evaluation.resampling import Interval

GOOD = Interval(0.05, 0.02, 0.08)
ZERO = Interval(0.0, -0.01, 0.01)
BETTER = Comparison(1_000, 80, 0.25, GOOD, 0.005)
SAME = Comparison(1_000, 80, 0.25, ZERO, -0.02)
WORSE = Comparison(1_000, 80, 0.25, Interval(-0.002, -0.01, 0.006), -0.02)
NEW = Challenger("new", "logistic_regression", GOOD, GOOD)
OLD = Champion("old", "3", 14)


def _decide(**changes):
    told = {
        "challenger": NEW,
        "refused": None,
        "champion": OLD,
        "rolled_back": False,
        "failing_backtest": None,
        "promote_every_days": 7,
        "refresh_after_days": 14,
        "compare": lambda: BETTER,
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
        ({"compare": lambda: SAME}, "kept", "not surely better"),
        ({"compare": lambda: SAME, "champion": Champion("old", "3", 15)}, "promoted", "15 days old, and not worse"),
        ({"compare": lambda: WORSE, "champion": Champion("old", "3", 90)}, "kept", "not surely better"),
        ({"compare": lambda: replace(BETTER, surely=-1e-6)}, "kept", "not surely better"),
        ({"compare": lambda: replace(BETTER, collapsed=("CRM zoho: worse",))}, "kept", "part of the people: CRM zoho"),
        ({"compare": lambda: replace(BETTER, profit=Interval(-90.0, -200.0, -1.0))}, "kept", "earn less"),
        ({"compare": lambda: replace(BETTER, profit=Interval(-90.0, -200.0, 9.0))}, "promoted", "better than"),
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
    assert _decide(compare=lambda: SAME, loads=never).verdict == "kept"


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


def _weeks(rng: np.random.Generator, *, gain: float, weeks: int = 52, people: int = 400) -> list[Comparison]:
    """Weekly comparisons over one year; challenger and champion err alike, but for `gain` on the logit scale."""
    found = []
    truth = rng.normal(-2.6, 0.8, people)
    carried = rng.normal(0, 0.3, people)  # what both models got wrong of a person stays wrong
    for _ in range(weeks):
        p = 1 / (1 + np.exp(-truth))
        y = rng.random(people) < p
        old, new = (
            1 / (1 + np.exp(-(truth + (1 - part) * carried + rng.normal(0, 0.2, people)))) for part in (0, gain)
        )
        found.append(compare(y=y, p_new=new, p_old=old, groups=np.arange(people) // 2))
    return found


def test_without_a_change_hardly_a_year_sees_a_false_promotion_and_a_real_gain_is_found() -> None:
    rng = np.random.default_rng(3)
    years = 40
    false = sum(any(week.surely > 0 for week in _weeks(rng, gain=0.0)) for _ in range(years))
    # 5 % of years are expected at most; 6 of 40 would be seen in one run in a hundred.
    assert false <= 5
    large = compare(
        y=(y := rng.random(20_000) < (p := 1 / (1 + np.exp(-rng.normal(-2.6, 1.0, 20_000))))),
        p_new=p, p_old=np.full(20_000, y.mean()), groups=np.arange(20_000),
    )  # fmt: skip
    assert large.surely > 0


def test_a_slice_that_collapses_is_named_and_a_noisy_one_is_not() -> None:
    rng = np.random.default_rng(5)
    p = 1 / (1 + np.exp(-rng.normal(-2.0, 1.0, 12_000)))
    y = rng.random(p.size) < p
    crm = np.array(["hubspot", "zoho", None], dtype=object)[rng.integers(0, 3, p.size)]
    bad = np.where(crm == "zoho", p.mean() * 0.1, p)
    found = compare(y=y, p_new=bad, p_old=p, groups=np.arange(p.size), slices={"CRM": crm})
    assert [told.split(":")[0] for told in found.collapsed] == ["CRM zoho"]
    shaken = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + rng.normal(0, 0.1, p.size))))
    assert compare(y=y, p_new=shaken, p_old=p, groups=np.arange(p.size), slices={"CRM": crm}).collapsed == ()


def test_profit_at_the_plans_capacity_tells_who_would_be_contacted() -> None:
    rng = np.random.default_rng(7)
    p = rng.random(4_000) * 0.2
    y = rng.random(p.size) < p
    capacity = Capacity(share=0.1, value=np.full(p.size, 100.0), cost=1.0)
    found = compare(y=y, p_new=p, p_old=p[::-1].copy(), groups=np.arange(p.size), capacity=capacity)
    assert found.profit is not None
    assert found.profit.low > 0
    assert found.figures()["profit"] == found.profit.value
    same = compare(y=y, p_new=p, p_old=p, groups=np.arange(p.size), capacity=capacity)
    assert same.profit is not None
    assert same.profit.value == 0


def test_rows_without_a_value_are_left_out_of_the_profit() -> None:
    rng = np.random.default_rng(8)
    p = rng.random(3_000) * 0.2
    y = rng.random(p.size) < p
    value = np.where(np.arange(p.size) < 2_000, 80.0, np.nan)
    known = slice(0, 2_000)
    found = compare(
        y=y, p_new=p, p_old=p[::-1].copy(), groups=np.arange(p.size), capacity=Capacity(0.1, value, 1.0)
    ).profit
    alone = compare(
        y=y[known],
        p_new=p[known],
        p_old=p[::-1][known].copy(),
        groups=np.arange(2_000),
        capacity=Capacity(0.1, value[known], 1.0),
    ).profit
    assert found is not None
    assert found == alone
