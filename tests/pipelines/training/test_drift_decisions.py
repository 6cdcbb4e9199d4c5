"""The written rule carried out on real stores, a branch at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from contracts.keys import MODELS, installation_key
from contracts.published import publish, read_manifest, read_published
from models.calibration.calibrator import Calibrator
from models.drift.decision import Evidence, moved
from models.scoring.published import read_model
from models.tracking import registry
from models.tracking.store import Tracking
from models.training.record import ModelState
from pipelines.resources import Engine
from pipelines.training.assets import publish_state
from pipelines.training.evidence import Known, known_of
from pipelines.training.fit import DayOfTraining, make_candidate, tracking_of
from pipelines.training.gathering import gather
from pipelines.training.inputs import Inputs
from pipelines.training.library import Library
from pipelines.training.promotion import model_in_use
from pipelines.training.recalibrating import recalibrated
from pipelines.training.rollback import rollback_champion
from tests.models.marts import AS_OF, engine_at, fill, weeks_before
from tests.pipelines.training.conftest import DAYS, Installation

FIRST = DAYS[0]
pytestmark = pytest.mark.xdist_group("lived")  # one worker builds the installation for all
TODAY = AS_OF + timedelta(days=1)


@dataclass
class House:
    """A copy of the lived-in installation in which version 1 has been the champion since the first day."""

    engine: Engine
    frame: pd.DataFrame

    @property
    def tracking(self) -> Tracking:
        return tracking_of(self.engine.settings)

    def today(self, as_of: date = TODAY, *, shift: float = 0.0) -> None:
        """Let people of the newest week be there on a date; `shift` moves all their numbers."""
        people = self.frame[self.frame["as_of_date"] == AS_OF].assign(as_of_date=as_of)
        numbers = people.select_dtypes("number").columns
        people[numbers] = people[numbers] + shift
        fill(self.engine, pd.concat([self.frame, people], ignore_index=True), as_of=as_of)

    def outcomes(self, came_back: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        """Replace what happened to those scored on the first day: from their raw log odds and p."""
        scores = read_published(self.engine.settings.published_dir, dataset="lead_scores", as_of=FIRST)
        y = came_back(scores["raw"].to_numpy(), scores["p"].to_numpy())
        happened = pd.DataFrame({"person_id": scores["person_id"].to_pylist(), "y": y})
        with self.engine.warehouse.open() as connection:
            connection.register("happened", happened)
            connection.execute(
                "update marts.lead_labels as l set is_reactivated = h.y from happened as h "
                "where h.person_id = l.person_id and l.as_of_date = ?",
                [FIRST],
            )

    def backtest(self, as_of: date, failing: str | None) -> None:
        """Publish the verdict of the backtest as the asset before would."""
        facts = {"fingerprint": f"{as_of} {failing}", "verdict": failing or "fine", "failing": failing}
        table = pa.table({"as_of_date": pa.array([], pa.date32())})
        publish(self.engine.settings.published_dir, dataset="matured_backtest", as_of=as_of, table=table, facts=facts)

    def inputs(self, as_of: date = TODAY) -> Inputs:
        """The candidate of the newest lived day, and what is known."""
        settings = self.engine.settings
        candidate = Library(settings.var_dir / "models").of_day(AS_OF)
        assert candidate is not None
        day = DayOfTraining(as_of, settings, "run", "commit")
        return Inputs(day, candidate, known_of(settings, as_of))

    def decide(self, as_of: date = TODAY) -> tuple[ModelState, Known]:
        """Gather, decide, publish."""
        gather(self.engine, as_of=as_of, newest=True)
        inputs = self.inputs(as_of)
        state, decided = model_in_use(inputs, self.engine.warehouse, newest=True)
        if decided:
            publish_state(self.engine, state, as_of=as_of)
        return state, inputs.known

    def poor_champion(self) -> str:
        """Give the champion a calibrator that says the same of everybody."""
        before = self.tracking.alias("champion")
        assert before is not None
        flat = Known("", Evidence(recalibration="flat"), "1", None, Calibrator("sigmoid", -2.0, 0.0, 400).to_dict())
        from models.evaluation.gate import Decision

        held, _ = recalibrated(replace(self.inputs(AS_OF), known=flat), self.tracking, before, Decision("kept", ""))
        assert held is not None
        return held.version


@pytest.fixture
def house(tmp_path: Path, lived: Installation) -> House:
    shutil.copytree(lived.engine.settings.var_dir, tmp_path / "var")
    engine = engine_at(tmp_path / "var", min_training_people=100, min_training_events=40)
    tracking = tracking_of(engine.settings)
    tracking.set_alias("champion", "1")
    tracking.tag_version("1", {"promoted_as_of": FIRST.isoformat(), "replaced_version": "none"})
    made = House(engine, lived.frame)
    made.today()
    return made


def _bytes(engine: Engine, as_of: date) -> dict[str, bytes]:
    root = engine.settings.published_dir
    return {
        name: (root / name / as_of.isoformat() / "manifest.json").read_bytes()
        for name in ("model_evidence", "model_state")
    }


def _versions(tracking: Tracking) -> set[str]:
    return {str(one.version) for one in tracking.client.search_model_versions("name = 'resurrection'")}


def _page(tracking: Tracking, as_of: date) -> Any:
    found = tracking.client.search_runs(
        [tracking.experiment_id], f"tags.part = 'decision' and tags.as_of_date = '{as_of}'"
    )
    assert len(found) == 1
    return found[0].data


def _many(raw: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Three times as many come back as promised, the better ones first."""
    return np.random.default_rng(1).random(p.size) < np.minimum(3.2 * p, 0.97)


def test_a_wrong_level_gives_the_same_model_another_calibrator(house: House) -> None:
    house.outcomes(_many)
    house.backtest(TODAY, "three times as many happened")
    had, anchor = _versions(house.tracking), house.tracking.anchor()
    state, known = house.decide()
    assert (state.action, state.decision) == ("recalibrate", "recalibrated")
    assert known.evidence.failing_backtest is not None  # the calibrator of then fails, the new one is the remedy
    assert _versions(house.tracking) - had == {state.version}
    champion, previous = house.tracking.alias("champion"), house.tracking.alias("previous")
    assert champion is not None
    assert previous is not None
    assert (champion.version, previous.version) == (state.version, "1")
    assert champion.root == previous.root == previous.fingerprint != champion.fingerprint
    assert house.tracking.anchor() == anchor

    settings = house.engine.settings
    found = read_model(settings.published_dir, key=installation_key(settings.secrets_dir, MODELS, make=False))
    assert found is not None
    pointer, model = found
    assert (pointer.version, pointer.sha256) == (state.version, state.model_sha256)
    rows = house.frame[house.frame["as_of_date"] == FIRST]
    from models.scoring.files import load_model

    old = load_model(
        Library(settings.var_dir / "models").folder(previous.fingerprint) / "model.bin", sha256=previous.model_sha256
    )
    assert (model.raw(rows) == old.raw(rows)).all()
    happened = known.figures["matured_happened"]
    assert abs(model.p(rows).sum() - happened) < 0.1 * happened < abs(old.p(rows).sum() - happened)

    page = _page(house.tracking, TODAY)
    assert page.tags["rule_says"] == "recalibrate"
    assert page.metrics["matured_promised"] < page.metrics["matured_happened"] / 2
    assert "log odds become" in page.tags["mlflow.note.content"]
    assert "calibrator was renewed" in state.paragraph


def test_a_recalibrated_day_run_again_gives_the_same_bytes_and_no_new_version(house: House) -> None:
    house.outcomes(_many)
    house.backtest(TODAY, "three times as many happened")
    first, _ = house.decide()
    assert first.decision == "recalibrated"
    had, bytes_then = _versions(house.tracking), _bytes(house.engine, TODAY)
    assert house.decide()[0] == first
    assert (_versions(house.tracking), _bytes(house.engine, TODAY)) == (had, bytes_then)
    # Also when all of it is decided once more, as after a kill before the day was published.
    for dataset in ("model_state", "model_evidence"):
        shutil.rmtree(house.engine.settings.published_dir / dataset / TODAY.isoformat())
    assert house.decide()[0].model_sha256 == first.model_sha256
    assert _versions(house.tracking) == had


def test_a_mended_level_holds_nothing_and_is_not_mended_twice(house: House) -> None:
    house.outcomes(_many)
    house.backtest(TODAY, "three times as many happened")
    first, _ = house.decide()
    tomorrow = TODAY + timedelta(days=1)
    house.today(tomorrow)
    house.outcomes(_many)
    house.backtest(tomorrow, "three times as many happened")
    state, known = house.decide(tomorrow)
    assert (known.version, known.evidence.failing_backtest, known.evidence.recalibration) == (first.version, None, None)
    assert state.action not in {"hold", "recalibrate"}


def test_a_calibrator_that_a_person_took_off_stays_off(house: House) -> None:
    house.outcomes(_many)
    house.backtest(TODAY, "three times as many happened")
    house.decide()
    assert "Version 1 is the champion again" in rollback_champion(house.engine)
    tomorrow = TODAY + timedelta(days=1)
    house.today(tomorrow)
    house.outcomes(_many)
    house.backtest(tomorrow, "three times as many happened")
    state, known = house.decide(tomorrow)
    assert (state.version, state.action, known.evidence.recalibration) == ("1", "hold", None)
    assert "a person took a later calibrator off" in known.told


def test_a_wrong_order_brings_the_earlier_model_back_and_keeps_it(house: House) -> None:
    tracking, published = house.tracking, house.engine.settings.published_dir
    registry.promote(tracking, "2", before=tracking.version("1"), as_of=FIRST)
    scores = read_published(published, dataset="lead_scores", as_of=FIRST)
    place = scores.schema.get_field_index("model_version")
    of_two = scores.set_column(place, "model_version", pa.array(["2"] * scores.num_rows))
    publish(published, dataset="lead_scores", as_of=FIRST, table=of_two, facts={})
    house.outcomes(lambda raw, _: raw < np.quantile(raw, 0.25))
    state, known = house.decide()
    assert (state.action, state.decision, state.version) == ("roll back", "rolled_back", "1")
    assert known.fallback == "1"
    out = tracking.version("2")
    assert out is not None
    assert registry.is_barred(out)
    assert _page(tracking, TODAY).metrics["matured_auc_high"] < 0.5
    had = _bytes(house.engine, TODAY)
    assert house.decide()[0] == state
    assert _bytes(house.engine, TODAY) == had
    shutil.rmtree(published / "model_state" / TODAY.isoformat())
    shutil.rmtree(published / "model_evidence" / TODAY.isoformat())
    assert house.decide()[0].version == "1"
    # The next day starts from the model that is back, and there is nothing further to go back to.
    tomorrow = TODAY + timedelta(days=1)
    house.today(tomorrow)
    assert house.decide(tomorrow)[1].fallback is None


def test_a_challenger_that_passes_the_gate_is_promoted_and_severe_drift_holds_it(house: House) -> None:
    poor = house.poor_champion()
    house.today(shift=500.0)
    state, known = house.decide()
    assert (state.action, state.decision, state.version) == ("hold", "held", poor)
    assert known.evidence.drift_severe
    assert state.gain is not None  # the gate had compared them
    assert "waits for a person" in state.decision_reason
    house.today()
    state, known = house.decide()
    assert not known.evidence.drift_severe
    assert (state.action, state.decision) == ("promote", "promoted")
    assert state.version not in {poor, "1"}
    assert house.tracking.alias("previous").version == poor  # type: ignore[union-attr]


def test_another_campaign_asks_for_a_fit_ahead_of_time(house: House, tmp_path: Path) -> None:
    published = house.engine.settings.published_dir
    table = pa.table({"as_of_date": pa.array([], pa.date32())})
    for day, version in ((FIRST, "spring"), (weeks_before(TODAY, 1), "summer")):
        publish(published, dataset="campaign_plan", as_of=day, table=table, facts={"policy_version": version})
    _, known = house.decide()
    assert known.evidence.campaign_changed
    assert any("campaign changed" in told for told in moved(known.evidence))
    deaf = engine_at(house.engine.settings.var_dir, retrain_on_campaign_change=False)
    gather(deaf, as_of=TODAY, newest=True)
    assert not known_of(deaf.settings, TODAY).evidence.campaign_changed

    engine = engine_at(tmp_path / "other", retrain_every_days=30)
    days = [DayOfTraining(AS_OF + timedelta(days=back), engine.settings, "", "commit") for back in (0, 1, 2)]
    first, made = make_candidate(days[0], engine.warehouse, data="one", has_rows=False)
    assert made
    kept, made = make_candidate(days[1], engine.warehouse, data="two", has_rows=False)
    assert (kept.fingerprint, made) == (first.fingerprint, False)
    fresh, made = make_candidate(days[2], engine.warehouse, data="two", has_rows=False, afresh=True)
    assert made
    assert fresh.fingerprint != first.fingerprint


def test_a_calm_day_keeps_the_model_and_a_past_one_gathers_nothing(house: House) -> None:
    house.outcomes(lambda _, p: np.random.default_rng(3).random(p.size) < p)
    gather(house.engine, as_of=TODAY, newest=True)
    known = known_of(house.engine.settings, TODAY)
    assert known.evidence.recalibration is None
    assert not known.evidence.drift_severe
    assert known.version == "1"
    assert {"drifted_share", "score_index", "matured_auc", "matured_base_rate"} <= set(known.figures)
    past = weeks_before(AS_OF, 3)
    manifest, gathered = gather(house.engine, as_of=past, newest=False)
    assert gathered
    assert Known.from_facts(manifest.facts).told == "a past date decides nothing"
    assert read_manifest(house.engine.settings.published_dir, dataset="model_evidence", as_of=past) == manifest
    assert gather(house.engine, as_of=past, newest=False)[1] is False
