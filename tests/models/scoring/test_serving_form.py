"""The plain model answers as the library that fitted it does: alone, in a batch, on threads, compiled or not."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info

from contracts.errors import BadInputError
from models.scoring import evaluator
from models.scoring.files import save_model
from models.scoring.model import ResurrectionModel
from tests.models.scoring.fitted import Fitted, odd_rows

ROOT = Path(__file__).resolve().parents[3]


def test_the_plain_model_equals_the_library_that_fitted_it(fitted: Fitted) -> None:
    for rows in (fitted.frame, odd_rows(fitted.frame)):
        assert np.abs(fitted.model.raw(rows) - fitted.own_raw(rows)).max() < 1e-12


def test_alone_in_the_batch_and_on_threads_the_answer_is_the_same(fitted: Fitted) -> None:
    rows = pd.concat([odd_rows(fitted.frame), fitted.frame.iloc[:2_500]], ignore_index=True)
    batch = fitted.model.p(rows)
    assert np.array_equal(fitted.model.p(rows, threads=3), batch)
    alone = np.array([fitted.model.p_one(row) for row in rows.iloc[:500].to_dict("records")])
    assert np.abs(alone - batch[:500]).max() < 1e-12
    assert len(set(batch.tolist())) > 20


def test_without_a_compiler_numpy_gives_the_same(fitted: Fitted) -> None:
    rows = odd_rows(fitted.frame)
    plain = replace(fitted.model, loops="numpy")
    assert replace(fitted.model, loops="compiled").evaluator.loops == "compiled"
    assert np.abs(plain.raw(rows) - fitted.model.raw(rows)).max() < 1e-12
    found, baseline, term = fitted.model.contributions(rows)
    same = plain.contributions(rows)
    assert np.abs(found - same[0]).max() < 1e-12
    assert abs(baseline - same[1]) < 1e-12
    assert np.abs(term - same[2]).max() < 1e-12


def test_a_compiler_that_fails_or_errs_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> bool:
        raise OSError("no space left on device")

    for agree, told in ((broken, "cannot compile"), (lambda: False, "disagree")):
        evaluator.working_loops.cache_clear()
        monkeypatch.setattr(evaluator, "_agree", agree)
        try:
            assert evaluator.working_loops() == "numpy"
        finally:
            evaluator.working_loops.cache_clear()
        assert told in caplog.text


def test_the_same_model_gives_the_same_bytes_and_comes_back_whole(fitted: Fitted) -> None:
    data = fitted.model.to_bytes()
    again = ResurrectionModel.from_bytes(data, where="here")
    assert again.to_bytes() == data == fitted.model.to_bytes()
    assert again.features == tuple(replace(spec, aggregate=None) for spec in fitted.model.features)
    rows = odd_rows(fitted.frame)
    assert np.array_equal(again.p(rows), fitted.model.p(rows))
    assert np.array_equal(again.contributions(rows)[0], fitted.model.contributions(rows)[0])


def test_a_described_lead_may_leave_features_out(fitted: Fitted) -> None:
    missing = pd.DataFrame([dict.fromkeys(fitted.model.feature_names)])
    assert fitted.model.p_one({}) == pytest.approx(fitted.model.p(missing)[0], abs=1e-12)
    assert fitted.model.p_one({"is_free_mail": True, "title_level": "vp"}) != fitted.model.p_one({})
    texts = {"days_since_last_inbound": "94", "employee_count": "many"}
    assert fitted.model.p_one(texts) == fitted.model.p_one({"days_since_last_inbound": 94})


def test_a_missing_column_is_named(fitted: Fitted) -> None:
    with pytest.raises(BadInputError, match="is_free_mail"):
        fitted.model.p(fitted.frame.drop(columns=["is_free_mail"]))


def test_nobody_gets_no_score_and_no_reason(fitted: Fitted) -> None:
    nobody = fitted.frame.iloc[:0]
    assert fitted.model.p(nobody).shape == (0,)
    assert fitted.model.contributions(nobody)[0].shape == (0, len(fitted.model.features))


def test_loading_brings_in_no_library_of_training_and_starts_no_threads(trees: Fitted, tmp_path: Path) -> None:
    sha = save_model(trees.model, tmp_path / "model.bin")
    code = (
        "import sys, threading; from pathlib import Path; from models.scoring.files import load_model;"
        f"m = load_model(Path(sys.argv[1]), sha256={sha!r}); p = m.p_one({{}}); assert 0 < p < 1;"
        "heavy = {'sklearn', 'pandas', 'mlflow', 'lightgbm', 'skops', 'dagster'} & set(sys.modules);"
        "assert not heavy, heavy; assert threading.active_count() == 1"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.bin")], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_evaluation_leaves_the_threads_of_other_libraries_alone(trees: Fitted) -> None:
    def pools() -> list[tuple[str, int]]:
        return sorted((one["filepath"], one["num_threads"]) for one in threadpool_info())

    trees.model.p(trees.frame)
    before = pools()
    trees.model.p(trees.frame, threads=2)
    trees.model.contributions(trees.frame, threads=2)
    assert pools() == before
