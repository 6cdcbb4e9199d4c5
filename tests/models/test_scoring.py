from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInputError
from models.features import FEATURES, FeatureSpec
from models.scoring.files import load_model, save_model
from models.scoring.points import percentiles_of, points_of, ranking, tiers_of
from models.scoring.probe import load_fault, probe_rows
from models.scoring.reasons import phrase
from models.scoring.score import Scorer, score_people
from models.scoring.scorecard import Scorecard, calibrated_card, card_points, card_score, prior_card
from models.training.recipe import Outcome
from tests.models.world import LAST_DATE, SPECS

PROBABILITY = st.floats(1e-6, 1 - 1e-6)


def test_fifty_is_an_average_lead_and_ten_points_double_the_odds() -> None:
    anchor = 0.06
    odds = anchor / (1 - anchor) * np.array([0.25, 0.5, 1.0, 2.0, 4.0, 1e9])
    assert points_of(odds / (1 + odds), anchor=anchor).tolist() == [30, 40, 50, 60, 70, 100]


@given(PROBABILITY, PROBABILITY, PROBABILITY)
def test_points_never_fall_with_p_and_never_leave_the_scale(first: float, second: float, anchor: float) -> None:
    low, high = sorted((first, second))
    points = points_of(np.array([low, high]), anchor=anchor)
    assert 0 <= points[0] <= points[1] <= 100


def test_tiers_change_at_forty_and_sixty() -> None:
    assert tiers_of(np.array([0, 39, 40, 59, 60, 100])).tolist() == ["low", "low", "medium", "medium", "high", "high"]


def test_ties_in_p_are_broken_by_the_raw_score_then_the_person() -> None:
    p = np.array([0.1, 0.2, 0.1, 0.1])
    raw = np.array([1.0, 0.0, 2.0, 1.0])
    people = np.array(["b", "z", "c", "a"], dtype=object)
    assert people[ranking(p, raw, people)].tolist() == ["z", "c", "a", "b"]


def test_percentiles_are_shared_by_equal_people() -> None:
    assert percentiles_of(np.array([0.1, 0.1, 0.3, 0.9])).tolist() == [25.0, 25.0, 62.5, 87.5]
    assert percentiles_of(np.zeros(0)).size == 0


def test_the_card_adds_title_size_and_industry() -> None:
    rows = pd.DataFrame(
        {
            "title_level": ["c_level", "vp", "director", "manager", "individual", None],
            "employee_count": [5000.0, 1000.0, 500.0, 100.0, 50.0, np.nan],
            "industry_group": ["technology", "retail", "nonprofit", "healthcare", "other", None],
        }
    )
    assert card_points(rows).tolist() == [
        [40, 30, 30], [35, 25, 20], [25, 20, 15], [15, 15, 30], [5, 10, 0], [0, 0, 0],
    ]  # fmt: skip
    assert card_score(rows).tolist() == [100, 80, 60, 60, 15, 1]


def test_a_card_without_outcomes_says_that_its_rate_is_assumed() -> None:
    rows = pd.DataFrame({"title_level": ["vp", None], "employee_count": [10.0, 10.0], "industry_group": [None, None]})
    for card in (prior_card(rows), calibrated_card(rows, np.array([False, False]))):
        assert card.basis == "prior"
        assert card.p(np.array([card.average])) == pytest.approx([0.05])
    assert prior_card(rows.iloc[:0]).p(np.array([1.0, 100.0])).min() > 0


def test_a_card_survives_its_plain_form(frame: pd.DataFrame) -> None:
    card = calibrated_card(frame, frame["y"].to_numpy())
    assert card.basis == "outcomes"
    assert Scorecard.from_dict(card.to_dict()) == card


@pytest.mark.parametrize("rules", [True, False])
def test_scores_carry_five_signed_reasons_for_so_many_people(
    frame: pd.DataFrame, outcome: Outcome, rules: bool
) -> None:
    people = frame[frame["as_of_date"] == LAST_DATE].reset_index(drop=True)
    scorer = Scorer(None if rules else outcome.model, outcome.card, 0.07, SPECS)
    scores = score_people(scorer, people, reasons_limit=100)
    assert scores.table.num_rows == len(people)
    assert scores.reasons_for == 100
    reasons = scores.table["reasons"].to_pylist()
    assert all(reasons[row] is None for row in range(100, len(people)))
    codes = {spec.name for spec in SPECS}
    for one in reasons[:100]:
        assert len(one) == (3 if rules else 5)
        assert {reason["code"] for reason in one} <= codes
    told = [reason["points"] for one in reasons[:100] for reason in one]
    assert min(told) >= 0 if rules else min(told) < 0 < max(told)
    p = scores.table["p"].to_numpy()
    assert (np.diff(p) <= 0).all()


def test_every_declared_feature_can_be_put_into_words() -> None:
    for spec in FEATURES:
        values = ["vp"] if spec.kind == "category" else [0.0, 1.0] if spec.kind == "flag" else [0.0, 0.25, 94.0, -3.0]
        for value in values:
            words = phrase(spec, value).words
            assert words
            assert "{" not in words
        assert "unknown" in phrase(spec, None if spec.kind == "category" else float("nan")).words


def test_a_feature_with_broken_words_still_says_something() -> None:
    spec = FeatureSpec("replies_last_90d", "number", "frequency", "Replies.", "{count:.0f} replies")
    assert phrase(spec, 3.0).words == "replies last 90d: 3.0"


def test_a_model_file_answers_alike_and_a_mutated_one_is_refused(
    tmp_path, frame: pd.DataFrame, outcome: Outcome
) -> None:
    assert outcome.model is not None
    path = tmp_path / "model.bin"
    sha = save_model(outcome.model, path)
    rows = frame.iloc[:500]
    assert np.array_equal(load_model(path, sha256=sha).p(rows), outcome.model.p(rows))
    probe = tmp_path / "probe.json"
    few = rows.iloc[:8]
    probe.write_bytes(probe_rows(few, list(outcome.model.feature_names), outcome.model.p(few)))
    assert load_fault(path, sha256=sha, probe=probe) is None
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(BadInputError, match="changed after it was registered"):
        load_model(path, sha256=sha)
    fault = load_fault(path, sha256=sha, probe=probe)
    assert fault is not None
    assert "changed after it was registered" in fault


def test_a_missing_model_file_says_what_to_do(tmp_path) -> None:
    with pytest.raises(BadInputError, match="rollback"):
        load_model(tmp_path / "none.bin", sha256="0" * 64)
