from __future__ import annotations

import json
import sqlite3
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from contracts.keys import MODELS, installation_key
from contracts.published import published_path, read_manifest, read_published
from contracts.words import ScoreKind
from models.scoring.published import read_model, read_pointer
from models.tracking.peek import champion_version
from models.tracking.registry import champion_before, promote
from models.tracking.store import Tracking
from pipelines.resources import Engine
from pipelines.training.fit import tracking_of
from pipelines.training.library import Library
from pipelines.training.rollback import rollback_champion
from pipelines.training.states import stored_state
from tests.models.marts import AS_OF, engine_at, fill, snapshots, weeks_before
from tests.pipelines.training.conftest import DAYS, OBJECTOR, Installation, run_day

FIRST = DAYS[0]
pytestmark = pytest.mark.xdist_group("lived")  # one worker builds the installation for all


def _checks(result) -> dict[str, bool]:
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def _state(engine: Engine, day: date):
    state = stored_state(engine.settings, day)
    assert state is not None
    return state


def test_the_first_day_with_evidence_promotes_a_model(lived: Installation) -> None:
    state = _state(lived.engine, FIRST)
    assert (state.decision, state.version, state.score_kind) == ("promoted", "1", ScoreKind.MODEL)
    assert state.log_loss_skill is not None
    assert state.log_loss_skill[1] > 0
    assert state.anchor == pytest.approx(state.base_rate)
    assert "version 1" in state.paragraph
    assert all(_checks(lived.results[FIRST]).values())


def test_later_days_keep_the_anchor_and_decide_with_a_reason(lived: Installation) -> None:
    for day in DAYS[1:]:
        state = _state(lived.engine, day)
        assert state.anchor == _state(lived.engine, FIRST).anchor
        assert state.decision in {"kept", "promoted"}
        assert "log-loss gain" in state.decision_reason


def test_the_backtest_waits_and_then_tells_what_happened(lived: Installation) -> None:
    published = lived.engine.settings.published_dir
    first, last = (read_manifest(published, dataset="matured_backtest", as_of=day) for day in (FIRST, AS_OF))
    assert first is not None
    assert last is not None
    assert "too early" in first.facts["verdict"]
    rows = read_published(published, dataset="matured_backtest", as_of=AS_OF).to_pylist()
    assert [row["scored_date"] for row in rows] == [FIRST]
    assert rows[0]["ratio_low"] < 1.0 < rows[0]["ratio_high"]


def test_scores_hold_everyone_but_who_objected(lived: Installation) -> None:
    published = lived.engine.settings.published_dir
    manifest = read_manifest(published, dataset="lead_scores", as_of=AS_OF)
    assert manifest is not None
    assert manifest.rows + sum(manifest.facts["unscored"].values()) == manifest.facts["dormant"] == 400
    assert manifest.facts["unscored"]["objected"] == 1
    rows = read_published(published, dataset="lead_scores", as_of=AS_OF).to_pylist()
    assert OBJECTOR not in {row["person_id"] for row in rows}
    assert {row["owner_id"] for row in rows} == {"owner-1"}
    assert all(len(row["reasons"]) == 5 for row in rows)
    with lived.engine.warehouse.open(read_only=True) as connection:
        found = connection.execute("select count(*) from scores.lead_scores where as_of_date = ?", [AS_OF]).fetchone()
    assert found == (399,)


def test_a_rerun_gives_the_same_bytes_no_new_run_and_no_new_version(lived: Installation) -> None:
    engine = lived.engine
    published = engine.settings.published_dir
    datasets = ("lead_scores", "model_state", "feature_drift", "matured_backtest")
    before = {name: (published / name / AS_OF.isoformat() / "manifest.json").read_bytes() for name in datasets}
    store = Path(engine.settings.tracking_uri.removeprefix("sqlite:///"))

    def counts() -> tuple[int, int]:
        with sqlite3.connect(store) as connection:
            runs = connection.execute("select count(*) from runs").fetchone()[0]
            return runs, connection.execute("select count(*) from model_versions").fetchone()[0]

    had = counts()
    run_day(engine, AS_OF)
    assert counts() == had
    assert before == {name: (published / name / AS_OF.isoformat() / "manifest.json").read_bytes() for name in datasets}


def test_an_older_day_run_again_keeps_its_model_and_its_bytes(lived: Installation) -> None:
    engine = lived.engine
    path = published_path(engine.settings.published_dir, dataset="lead_scores", as_of=FIRST)
    champion = champion_version(engine.settings.tracking_uri)
    fill(engine, lived.frame, as_of=FIRST, objectors=(OBJECTOR,))
    try:
        run_day(engine, FIRST)
    finally:
        fill(engine, lived.frame, as_of=AS_OF, objectors=(OBJECTOR,))
    assert published_path(engine.settings.published_dir, dataset="lead_scores", as_of=FIRST) == path
    assert champion_version(engine.settings.tracking_uri) == champion
    assert _state(engine, FIRST).version == "1"


def test_mlflow_says_which_model_is_live_and_why_and_names_nobody(lived: Installation) -> None:
    tracking = tracking_of(lived.engine.settings)
    champion = tracking.alias("champion")
    assert champion is not None
    model = tracking.client.get_registered_model("resurrection")
    assert "The live model is version" in model.description
    experiment = tracking.client.get_experiment(tracking.experiment_id)
    assert "The live model is version" in experiment.tags["mlflow.note.content"]
    versions = tracking.client.search_model_versions("name = 'resurrection'")
    told = {str(one.version): one.description for one in versions}
    assert [name for name, text in told.items() if text.startswith(f"LIVE on {AS_OF}")] == [champion.version]
    assert all("# Resurrection model" in text for text in told.values())
    runs = tracking.client.search_runs([tracking.experiment_id], "tags.part = 'day'")
    assert len(runs) == len(DAYS)
    for run in runs:
        assert run.data.tags["verdict"].split(":")[0] in run.info.run_name
        assert run.data.tags["dagster_run_id"]
        assert run.data.tags["git_commit"]
        assert run.data.tags["mlflow.source.name"] == "training/candidate_model"
        assert [one.dataset.name for one in run.inputs.dataset_inputs] == ["weekly_panel"]
        assert {"skill", "roc_auc", "lift_at_10", "ece", "ece_expected"} <= set(run.data.metrics)
        assert "part.tier.medium.promised" in run.data.metrics
        assert any(name.startswith("part.CRM.") for name in run.data.metrics)
        assert "### By part of the people" in run.data.tags["mlflow.note.content"]
        nested = tracking.client.search_runs([tracking.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
        assert {one.info.run_name for one in nested} == {
            "rule_scorecard", "logistic_regression", "hist_gradient_boosting", "lightgbm", "average",
        }  # fmt: skip
    store = Path(lived.engine.settings.tracking_uri.removeprefix("sqlite:///"))
    people = [b"p000001", b"p000200", b"p000399"]
    for path in [store, *(store.parent / "artifacts").rglob("*")]:
        if path.is_file():
            content = path.read_bytes()
            assert not any(person in content for person in people), path


def test_every_decision_is_a_page_with_its_numbers(lived: Installation) -> None:
    tracking = tracking_of(lived.engine.settings)
    pages = tracking.client.search_runs([tracking.experiment_id], "tags.part = 'decision'")
    assert {page.data.tags["as_of_date"] for page in pages} == {day.isoformat() for day in DAYS}
    for page in pages:
        state = _state(lived.engine, date.fromisoformat(page.data.tags["as_of_date"]))
        assert page.data.tags["verdict"] == state.decision
        assert state.decision_reason in page.data.tags["mlflow.note.content"]
        compared = "gain_surely" in page.data.metrics
        assert compared is ("log-loss gain" in state.decision_reason)
    assert any("gain_surely" in page.data.metrics for page in pages)


def test_no_pickle_is_written(lived: Installation) -> None:
    names = [path.suffix for path in lived.engine.settings.var_dir.rglob("*") if path.is_file()]
    assert not {".pkl", ".pickle", ".joblib", ".cloudpickle"} & set(names)


def test_a_changed_model_file_stops_the_scores(lived: Installation) -> None:
    engine = lived.engine
    state = _state(engine, AS_OF)
    path = engine.settings.var_dir / "models" / "by_fingerprint" / str(state.model_fingerprint)[:32] / "model.bin"
    content = path.read_bytes()
    scores = engine.settings.published_dir / "lead_scores" / AS_OF.isoformat() / "manifest.json"
    kept = scores.read_bytes()
    try:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        scores.write_text(json.dumps(json.loads(kept) | {"facts": {}}))
        result = run_day(engine, AS_OF, raise_on_error=False)
        assert not result.success
        failed = {one.check_name for one in result.get_asset_check_evaluations() if not one.passed}
        assert failed == {"champion_file_is_the_registered_one"}
    finally:
        path.write_bytes(content)
        scores.write_bytes(kept)


def test_the_model_is_found_again_when_the_shelf_is_lost(lived: Installation) -> None:
    import shutil

    engine = lived.engine
    scores = published_path(engine.settings.published_dir, dataset="lead_scores", as_of=AS_OF)
    shutil.rmtree(engine.settings.var_dir / "models")
    run_day(engine, AS_OF)
    assert published_path(engine.settings.published_dir, dataset="lead_scores", as_of=AS_OF) == scores


def test_rollback_swaps_champion_and_previous_and_bars_the_one_taken_out(tmp_path: Path, lived: Installation) -> None:
    import shutil

    shutil.copytree(lived.engine.settings.var_dir, tmp_path / "var")
    engine = engine_at(tmp_path / "var", min_training_people=100, min_training_events=40)
    tracking = tracking_of(engine.settings)
    first = tracking.alias("champion")
    assert first is not None
    other = next(one for one in ("1", "2", "3") if one != first.version)
    promote(tracking, other, before=first, as_of=AS_OF)
    assert champion_before(tracking, AS_OF) == tracking.version(first.version)
    told = rollback_champion(engine)
    assert f"Version {first.version} is the champion again" in told
    now, out = (Tracking(engine.settings.tracking_uri, None).alias(name) for name in ("champion", "previous"))
    assert now is not None
    assert out is not None
    assert (now.version, out.version) == (first.version, other)
    assert "rolled_back_as_of" in out.tags
    pointer = read_pointer(engine.settings.published_dir, key=installation_key(engine.settings.secrets_dir, MODELS))
    assert pointer is not None
    assert pointer.version == now.version


def test_a_serving_process_finds_the_champion_without_mlflow(lived: Installation) -> None:
    settings = lived.engine.settings
    found = read_model(settings.published_dir, key=installation_key(settings.secrets_dir, MODELS, make=False))
    assert found is not None
    pointer, model = found
    state = _state(lived.engine, AS_OF)
    told = (pointer.version, pointer.sha256, pointer.fingerprint, pointer.anchor)
    assert told == (state.version, state.model_sha256, state.model_fingerprint, state.anchor)
    scores = read_published(settings.published_dir, dataset="lead_scores", as_of=AS_OF).to_pylist()
    today = lived.frame[lived.frame["as_of_date"] == AS_OF].set_index("person_id")
    for row in scores[:20]:
        assert model.p_one(today.loc[row["person_id"]].to_dict()) == pytest.approx(row["p"], abs=1e-12)


def test_a_registered_model_answers_through_mlflow_alike_and_holds_no_pickle(lived: Installation) -> None:
    import mlflow

    tracking = tracking_of(lived.engine.settings)
    champion = tracking.alias("champion")
    assert champion is not None
    with tracking._active():
        loaded = mlflow.pyfunc.load_model(f"models:/resurrection/{champion.version}")
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/resurrection/{champion.version}"))
        names = list(loaded.metadata.get_input_schema().input_names())
        rows = lived.frame[lived.frame["as_of_date"] == AS_OF][names].head(50)
        found = loaded.predict(rows)
    key = installation_key(lived.engine.settings.secrets_dir, MODELS)
    published = read_model(lived.engine.settings.published_dir, key=key)
    assert published is not None
    assert np.abs(found - published[1].p(rows)).max() < 1e-12
    assert (folder / "data" / "model.bin").read_bytes() == published[1].to_bytes()
    assert not any(b"pickle" in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_past_date_run_late_uses_the_model_of_then_and_moves_no_alias(tmp_path: Path, lived: Installation) -> None:
    import shutil

    shutil.copytree(lived.engine.settings.var_dir, tmp_path / "var")
    engine = engine_at(tmp_path / "var", min_training_people=100, min_training_events=40)
    tracking = tracking_of(engine.settings)

    def aliases() -> dict[str, str]:
        return dict(tracking.client.get_registered_model("resurrection").aliases)

    had = aliases()
    between, before = weeks_before(AS_OF, 3), weeks_before(AS_OF, 8)
    # A newer day may have been decided and killed before its scores: the model's own dates count too.
    shutil.rmtree(engine.settings.published_dir / "lead_scores")
    for day in (between, before):
        fill(engine, lived.frame, as_of=day)
        run_day(engine, day)
    assert aliases() == had
    late, first = _state(engine, between), _state(engine, FIRST)
    assert (late.version, late.model_sha256, late.decision) == (first.version, first.model_sha256, "kept")
    assert f"in use on {FIRST}" in late.decision_reason
    assert late.decision_reason in late.paragraph
    early = _state(engine, before)
    assert (early.version, early.score_kind, early.decision) == (None, ScoreKind.RULES, "refused")
    rows = read_published(engine.settings.published_dir, dataset="lead_scores", as_of=between).to_pylist()
    assert {row["model_version"] for row in rows} == {first.version}


def test_rollback_without_a_previous_model_is_a_readable_error(tmp_path: Path) -> None:
    from contracts.errors import BadInputError

    with pytest.raises(BadInputError, match="no previous model"):
        rollback_champion(engine_at(tmp_path))


@pytest.mark.parametrize("empty", [True, False])
def test_a_day_without_labels_uses_the_rules_and_says_so(tmp_path: Path, empty: bool) -> None:
    engine = engine_at(tmp_path)
    frame = snapshots(people=60, weeks=2)
    fill(engine, frame.iloc[:0] if empty else frame, as_of=AS_OF)
    result = run_day(engine, AS_OF)
    state = _state(engine, AS_OF)
    assert (state.score_kind, state.version, state.decision) == (ScoreKind.RULES, None, "refused")
    assert "No model is live" in state.paragraph
    manifest = read_manifest(engine.settings.published_dir, dataset="lead_scores", as_of=AS_OF)
    assert manifest is not None
    assert manifest.rows == (0 if empty else 60)
    assert champion_version(engine.settings.tracking_uri) is None
    assert all(_checks(result).values())


def test_a_day_without_any_table_ends_well(tmp_path: Path) -> None:
    engine = engine_at(tmp_path)
    assert run_day(engine, AS_OF).success
    manifest = read_manifest(engine.settings.published_dir, dataset="lead_scores", as_of=AS_OF)
    assert manifest is not None
    assert manifest.rows == 0


def test_without_anything_for_the_card_everybody_scores_alike_and_the_columns_are_named(tmp_path: Path) -> None:
    engine = engine_at(tmp_path)
    frame = snapshots(people=40, weeks=1).assign(title_level=None, employee_count=np.nan, industry_group=None)
    fill(engine, frame, as_of=AS_OF, objectors=(OBJECTOR,))
    result = run_day(engine, AS_OF)
    manifest = read_manifest(engine.settings.published_dir, dataset="lead_scores", as_of=AS_OF)
    assert manifest is not None
    assert manifest.rows == 39
    assert manifest.facts["unscored"] == {"objected": 1, "restricted": 0, "no_model": 0}
    scores = read_published(engine.settings.published_dir, dataset="lead_scores", as_of=AS_OF)
    assert len(set(scores.column("points").to_pylist())) == 1
    assert manifest.facts["missing"] == ["title_level", "employee_count", "industry_group"]
    assert all(_checks(result).values())


def test_a_candidate_is_fitted_again_only_after_so_many_days(tmp_path: Path, lived: Installation) -> None:
    library = Library(tmp_path)
    record = Library(lived.engine.settings.var_dir / "models").of_day(AS_OF)
    assert record is not None
    record = record.model_copy(update={"trained_as_of": AS_OF})
    library.save_record(record)
    library.save_day(AS_OF, record.fingerprint)
    for days, found in ((1, True), (6, True), (7, False)):
        assert (library.recent(AS_OF + timedelta(days=days), within_days=7) is not None) is found
    assert library.recent(AS_OF + timedelta(days=1), within_days=1) is None
