"""The checks of training and scoring, each with a planted fault."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from contracts.files import sha256_bytes
from contracts.words import ScoreKind
from models.training.record import ModelState
from pipelines.scoring.checks import evaluate_conservation, evaluate_drift, evaluate_range
from pipelines.scoring.drift import purge_reports
from pipelines.training.checks import evaluate_calibration, evaluate_file, evaluate_skill, evaluate_slices
from pipelines.training.library import Library

_NOTHING = dict.fromkeys(ModelState.model_fields)
STATE = ModelState.model_construct(
    **_NOTHING
    | {
        "score_kind": ScoreKind.MODEL,
        "log_loss_skill": (0.05, 0.01, 0.09),
        "calibration": {"intercept": (0.02, -0.1, 0.1), "slope": (1.0, 0.9, 1.1), "top_decile": (1.0, 0.9, 1.1)},
        "model_fingerprint": "f" * 64,
    }
)
RULES = STATE.model_copy(update={"score_kind": ScoreKind.RULES, "model_fingerprint": None})


@pytest.mark.parametrize(("rows", "dormant", "passed"), [(7, 10, True), (8, 10, False), (0, 3, True)])
def test_scored_and_unscored_add_up(rows: int, dormant: int, passed: bool) -> None:
    assert evaluate_conservation(rows=rows, unscored={"objected": 2, "no_model": 1}, dormant=dormant)[0] is passed


def test_drift_warns_and_says_when_the_batch_is_held() -> None:
    calm = {"share_drifted": 0.1, "drifted": ["a"], "warns": False, "severe": False}
    assert evaluate_drift(calm)[0]
    passed, told = evaluate_drift(calm | {"share_drifted": 0.6, "warns": True, "severe": True})
    assert not passed
    assert "held" in told
    assert evaluate_drift(calm | {"share_drifted": None})[0]


def test_what_ages_by_nature_is_told() -> None:
    facts = {"share_drifted": 0.02, "drifted": ["a", "days_since_created"], "warns": False, "severe": False}
    assert "days_since_created grow by a day" in evaluate_drift(facts | {"ageing": ["days_since_created"]})[1]
    assert "grow" not in evaluate_drift(facts | {"ageing": []})[1]


def test_only_the_newest_drift_pages_are_kept(tmp_path: Path) -> None:
    for day in range(1, 32):
        (tmp_path / f"2026-05-{day:02d}.html").write_text("x")
    (tmp_path / "notes.html").write_text("x")
    assert purge_reports(tmp_path) == 1
    assert not (tmp_path / "2026-05-01.html").exists()
    assert len(list(tmp_path.iterdir())) == 31


def test_rows_outside_the_range_warn_above_one_in_twenty() -> None:
    assert evaluate_range({"people": 100, "out_of_range_rows": 5})[0]
    assert not evaluate_range({"people": 100, "out_of_range_rows": 6})[0]
    assert evaluate_range({"people": 0, "out_of_range_rows": 0})[0]


def test_slices_nearer_than_a_horizon_are_found() -> None:
    rows = [(date(2026, 1, 5), "train"), (date(2026, 2, 9), "calibrate"), (date(2026, 3, 16), "test")]
    assert evaluate_slices(rows, 30)[0]
    assert not evaluate_slices([*rows, (date(2026, 1, 19), "train")], 30)[0]
    assert evaluate_slices(rows[:1], 30)[0]


def test_a_champion_without_sure_skill_is_found() -> None:
    assert evaluate_skill(STATE)[0]
    assert not evaluate_skill(STATE.model_copy(update={"log_loss_skill": (0.01, -0.01, 0.03)}))[0]
    assert not evaluate_skill(STATE.model_copy(update={"log_loss_skill": None}))[0]
    assert evaluate_skill(RULES)[0]


def test_a_slope_outside_its_band_is_named_unless_chance_explains_it() -> None:
    assert evaluate_calibration(STATE)[0]
    steep = {**(STATE.calibration or {}), "slope": (0.6, 0.5, 0.7)}
    passed, told = evaluate_calibration(STATE.model_copy(update={"calibration": steep}))
    assert not passed
    assert "slope" in told
    unsure = {**(STATE.calibration or {}), "slope": (0.6, 0.1, 1.1)}
    assert evaluate_calibration(STATE.model_copy(update={"calibration": unsure}))[0]


def test_a_missing_or_changed_model_file_is_found(tmp_path: Path) -> None:
    library = Library(tmp_path)
    assert not evaluate_file(STATE, library)[0]
    folder = library.folder("f" * 64)
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"model")
    assert evaluate_file(STATE.model_copy(update={"model_sha256": sha256_bytes(b"model")}), library)[0]
    assert not evaluate_file(STATE.model_copy(update={"model_sha256": sha256_bytes(b"other")}), library)[0]
    assert evaluate_file(RULES, library)[0]
