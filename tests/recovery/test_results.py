"""Held out against contacted: everybody counts in the drawn arm, and little is called little."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from recovery.results import empty_labels, measure, share_of, wilson

DAY = date(2026, 6, 1)


def assigned(count: int, *, as_of: date = DAY, account: bool = False) -> pd.DataFrame:
    number = np.arange(count)
    return pd.DataFrame(
        {
            "as_of_date": as_of,
            "person_id": [f"p{n}" for n in number],
            "account_id": [f"a{n // 10}" for n in number] if account else None,
            "playbook": "b2b_starter",
            "step": 1,
            "cycle": 1,
            "channel": np.where(number % 4 == 0, "call", "email"),
            "arm": np.where(number % 2 == 0, "contacted", "held_out"),
        }
    )


def labelled(frame: pd.DataFrame, back: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "as_of_date": frame["as_of_date"],
            "person_id": frame["person_id"],
            "is_reactivated": pd.array(back, dtype="boolean"),
        }
    )


def results(frame: pd.DataFrame, labels: pd.DataFrame, *, days: int = 40):
    return measure(frame, labels, as_of=DAY + timedelta(days=days), horizon_days=30, label_lag_days=2)


def test_nothing_yet() -> None:
    found = results(assigned(0), empty_labels())
    assert found.facts["verdict"] == "Too early: no batch has been released yet."
    assert found.table.num_rows == 0


@pytest.mark.parametrize(("days", "is_mature"), [(31, False), (32, True)])
def test_a_label_is_mature_after_horizon_and_lag(days: int, is_mature: bool) -> None:
    frame = assigned(200)
    found = results(frame, labelled(frame, np.arange(200) % 5 == 0), days=days)
    assert (found.facts["measured"] == 200) is is_mature
    assert found.facts["is_too_early"] is not is_mature
    if not is_mature:
        assert found.facts["ready_on"] == (DAY + timedelta(days=32)).isoformat()
        assert found.facts["ready_on"] in found.facts["verdict"]


def test_few_people_are_too_early_whatever_the_difference() -> None:
    frame = assigned(40)
    found = results(frame, labelled(frame, (frame["arm"] == "contacted").to_numpy()))
    assert found.facts["verdict"].startswith("Too early: 20 contacted and 20 held-out people")


@pytest.mark.parametrize(
    ("contacted", "held_out", "words"),
    [
        (4, 40, "Contact brought more people back"),
        (40, 4, "Contact kept people away"),
        (10, 10, "No effect can be told"),
    ],
)
def test_the_verdict_follows_the_interval(contacted: int, held_out: int, words: str) -> None:
    frame = assigned(2000)
    number = np.arange(2000) // 2
    back = np.where(frame["arm"] == "contacted", number % contacted == 0, number % held_out == 0)
    found = results(frame, labelled(frame, back))
    assert found.facts["verdict"].startswith(words)
    overall = found.facts["comparisons"][0]
    assert overall["low"] < overall["difference"] < overall["high"]
    assert {(row["playbook"], row["channel"]) for row in found.facts["comparisons"]} == {
        (None, None), ("b2b_starter", "call"), ("b2b_starter", "email")
    }  # fmt: skip


def test_censored_and_unlabelled_people_are_counted_and_left_out() -> None:
    frame = assigned(100)
    labels = labelled(frame, np.zeros(100, dtype=bool)).head(90)
    labels.loc[:9, "is_reactivated"] = pd.NA
    rows = [row for row in results(frame, labels).table.to_pylist() if row["scope"] == "all"]
    totals = {name: sum(row[name] for row in rows) for name in ("assigned", "people", "censored", "unlabelled")}
    assert totals == {"assigned": 100, "people": 80, "censored": 10, "unlabelled": 10}


def test_people_who_dropped_out_of_sight_bound_the_effect() -> None:
    """Contact makes some of those opt out who would not come back: left out, they flatter the contacted arm."""
    frame = assigned(2000)
    number, is_contacted = np.arange(2000) // 2, (frame["arm"] == "contacted").to_numpy()
    back = number % 10 == 0
    labels = labelled(frame, back)
    assert results(frame, labels).facts["verdict"].count("Nobody dropped out of sight.") == 1
    labels.loc[is_contacted & ~back & (number % 10 < 5), "is_reactivated"] = pd.NA
    found = results(frame, labels)
    overall = found.facts["comparisons"][0]
    assert overall["censored"] == {"contacted": 400, "held_out": 0}
    assert overall["low"] > 0  # the naive figure claims an effect that is none
    assert overall["censored_as_not_returned"]["difference"] == pytest.approx(0.0)
    assert "400 contacted and 0 held-out people who dropped out of sight" in found.facts["verdict"]
    assert "which changes the conclusion" in found.facts["verdict"]
    rows = {row["arm"]: row for row in found.table.to_pylist() if row["scope"] == "all"}
    assert rows["contacted"]["rate"] == pytest.approx(100 / 600, abs=1e-6)
    assert rows["contacted"]["rate_if_censored_stayed_away"] == pytest.approx(0.1)
    assert rows["held_out"]["rate_if_censored_stayed_away"] == rows["held_out"]["rate"]


def test_a_spell_counts_once_with_its_first_step() -> None:
    first = assigned(200)
    second = assigned(100, as_of=DAY + timedelta(days=15)).assign(step=2)
    frame = pd.concat([first, second], ignore_index=True)
    found = results(frame, labelled(frame, np.arange(300) % 4 == 0), days=80)
    rows = [row for row in found.table.to_pylist() if row["scope"] == "all"]
    assert {name: sum(row[name] for row in rows) for name in ("assigned", "people", "later_steps")} == {
        "assigned": 300, "people": 200, "later_steps": 100
    }  # fmt: skip
    assert sum(row["reactivated"] for row in rows) == 50
    anew = pd.concat([first, second.assign(step=1, cycle=2)], ignore_index=True)
    assert results(anew, labelled(anew, np.zeros(300)), days=80).facts["measured"] == 300


def test_people_of_one_account_widen_the_interval() -> None:
    alone, together = assigned(400), assigned(400, account=True)
    back = (np.arange(400) // 10) % 4 == 0
    wide = share_of(together.assign(is_reactivated=back))
    narrow = share_of(alone.assign(is_reactivated=back))
    assert wide.rate == narrow.rate
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_wilson_knows_its_textbook_values() -> None:
    assert wilson(0.1, 50) == pytest.approx((0.0435, 0.2136), abs=1e-3)
    assert wilson(0.0, 20)[0] == 0.0
    assert wilson(1.0, 20)[1] == 1.0


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    frame = assigned(1200)
    is_contacted = (frame["arm"] == "contacted").to_numpy()
    covered = 0
    for _ in range(40):
        back = rng.random(1200) < np.where(is_contacted, 0.08, 0.05)
        overall = results(frame, labelled(frame, back)).facts["comparisons"][0]
        covered += overall["low"] <= 0.03 <= overall["high"]
    assert 34 <= covered <= 40
