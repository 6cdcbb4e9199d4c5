"""Published histories: features follow from them alone, today and tomorrow, told activities included."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from bench.serving_same import compare
from contracts.files import sha256_bytes
from contracts.keys import MODELS, installation_key
from contracts.published import publish, published_dates, read_manifest, read_published
from contracts.words import ScoreKind
from models.feature_algebra import Activity, LeadHistory
from models.feature_attributes import RAW_ATTRIBUTES
from models.feature_batch import Column, evaluate_leads
from models.scoring.published import PublishedModel, publish_model
from models.scoring.scorecard import prior_card
from models.training.record import ModelState
from pipelines.features.build import FeatureStage
from pipelines.resources import Engine
from pipelines.scoring.histories import ACCOUNTS, LEADS, publish_histories
from pipelines.scoring.scoring import score_day
from pipelines.training.library import MODEL_FILE, Library
from recovery.access import KeyStore, Role
from recovery.access.activities import ToldActivity, store_activities
from recovery.ledger import open_ledger
from serving.api.app import create_app
from serving.api.main import build_state
from tests.pipelines.features import raw_world as raw
from tests.serving.api.small_model import small_model

AS_OF = date(2026, 6, 1)
NEXT = AS_OF + timedelta(days=1)
PEOPLE = 150
_COLUMNS = (
    "occurred_at", "observed_at", "kind", "direction", "actor", "outcome_level", "reply_class", "is_machine",
)  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> FeatureStage:
    made = raw.stage(tmp_path_factory.mktemp("histories"), training_weeks=4)
    acts = raw.activities(PEOPLE, seed=3, per_person=6, days=355)
    # A call that is known long before it takes place counts from the day after.
    acts.loc[acts.index[:40], ["occurred_at", "activity_type"]] = [pd.Timestamp("2026-06-01 15:00"), "EMAIL"]
    with made.warehouse.open() as connection:
        raw.make_raw(connection)
        raw.declare(connection, ("hs", "hubspot"))
        raw.landing(connection, "hubspot__contacts", raw.contacts(PEOPLE))
        raw.landing(connection, "hubspot__activities", acts)
    raw.run(made, AS_OF)
    return made


@pytest.fixture(scope="module")
def engine(stage: FeatureStage) -> Engine:
    made = Engine(overrides={"var_dir": str(stage.settings.var_dir), "duckdb_memory": "1GB"})
    old = pa.table({"person_id": ["a"]})
    publish(made.settings.published_dir, dataset=LEADS, as_of=AS_OF - timedelta(days=1), table=old)
    for dataset in (LEADS, ACCOUNTS):
        assert publish_histories(made, as_of=AS_OF, dataset=dataset) is not None
    return made


def read_leads(folder: Path, as_of: date) -> dict[str, tuple[dict[str, Any], LeadHistory]]:
    """Everyone published: the row, and the lead that it describes."""
    acts: dict[str, list[tuple[str, Activity]]] = {}
    for row in read_published(folder, dataset=ACCOUNTS, as_of=as_of).to_pylist():
        one = Activity(**{name: row[name] for name in _COLUMNS})
        acts.setdefault(row["account_id"], []).append((row["person_id"], one))
    found = {}
    for row in read_published(folder, dataset=LEADS, as_of=as_of).to_pylist():
        others = (one for person, one in acts.get(row["account_id"], []) if person != row["person_id"])
        own = tuple(Activity(**one) for one in row["activities"])
        attributes = {name: row[name] for name in RAW_ATTRIBUTES}
        found[row["person_id"]] = (row, LeadHistory(own, tuple(others), attributes, row["dormant_after_days"]))
    return found


def assert_same(stage: FeatureStage, people: list[str], columns: dict[str, Column], as_of: date) -> None:
    with stage.warehouse.open() as connection:
        frame = connection.execute(
            "select * from marts.lead_snapshots where as_of_date = ? order by person_id", [as_of]
        ).df()
    frame = frame.set_index("person_id").loc[people]
    for name, values in columns.items():
        if values.dtype == object:
            held = frame[name].astype(object)
            assert held.where(held.notna(), None).tolist() == values.tolist(), name
        else:
            np.testing.assert_allclose(frame[name].to_numpy(float, na_value=np.nan), values, atol=1e-9, err_msg=name)


def test_online_features_are_those_of_the_warehouse(stage: FeatureStage, engine: Engine) -> None:
    leads = read_leads(stage.settings.published_dir, AS_OF)
    assert len(leads) > 60
    columns = evaluate_leads([lead for _, lead in leads.values()], AS_OF).columns()
    assert_same(stage, list(leads), columns, AS_OF)
    assert columns["account_inbound_last_90d"].any()


def test_a_rerun_gives_the_same_bytes_and_reads_nothing(engine: Engine) -> None:
    folder = engine.settings.published_dir
    for dataset in (LEADS, ACCOUNTS):
        first = read_manifest(folder, dataset=dataset, as_of=AS_OF)
        assert publish_histories(engine, as_of=AS_OF, dataset=dataset) == first
        (folder / dataset / AS_OF.isoformat() / "manifest.json").unlink()
        assert publish_histories(engine, as_of=AS_OF, dataset=dataset) == first


def test_the_api_gives_the_number_of_the_daily_job(stage: FeatureStage, engine: Engine) -> None:
    settings = stage.settings
    model = small_model()
    data = model.to_bytes()
    file = Library(settings.var_dir / "models").folder("f1") / MODEL_FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    state = ModelState.model_construct(
        name="resurrection", version="1", score_kind=ScoreKind.MODEL, anchor=0.05, model_fingerprint="f1",
        model_sha256=sha256_bytes(data), card=prior_card(pd.DataFrame()).to_dict(),
    )  # fmt: skip
    scored = score_day(engine, as_of=AS_OF, state=state).manifest.rows
    pointer = PublishedModel(
        version="1", path="", sha256="", bytes=0, fingerprint="f1", recipe=model.recipe, anchor=0.05, anchor_version=1,
        definition_version="1", horizon_days=30, live_since=AS_OF,
    )  # fmt: skip
    publish_model(settings.published_dir, data, pointer, key=installation_key(settings.secrets_dir, MODELS))
    api = build_state(settings)
    _, token = KeyStore(api.ledger).issue(name="a", role=Role.VIEWER, now=datetime.now(UTC).replace(tzinfo=None))
    with TestClient(create_app(api)) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        compared = compare(client, settings.published_dir, AS_OF)
    api.ledger.dispose()
    assert compared.people == scored > 60
    assert compared.known == 0.0
    assert compared.described < 1e-9
    assert compared.other_answers == 0


def told(person: str, number: int, kind: str, direction: str, actor: str, at: datetime) -> ToldActivity:
    return ToldActivity(f"t{number}", person, "k", at, AT, kind, direction, actor, 0, None, actor == "machine")


AT = datetime(2026, 6, 1, 12)


def test_what_was_told_counts_the_next_day_as_it_did_at_once(stage: FeatureStage, engine: Engine) -> None:
    leads = read_leads(stage.settings.published_dir, AS_OF)
    people = list(leads)
    news = [told(person, n, "open", "inbound", "person", AT - timedelta(hours=n)) for n, person in enumerate(people)]
    news += [told(people[0], 900, "email", "outbound", "other_automation", AT - timedelta(days=2))]
    news += [
        told(people[1], 901, "form", "inbound", "person", AT),
        told("nobody", 902, "form", "inbound", "person", AT),
    ]
    with open_ledger(stage.settings.ledger_sqlalchemy_url) as ledger:
        assert store_activities(ledger.engine, news).new == len(news)
    assert stage.copy_told_activities(AS_OF) == 0
    raw.run(stage, NEXT)
    kinds = "select kind, count(*) from marts.fct_activities where source = 'api' group by 1 order by 1"
    assert raw.rows_of(stage, kinds) == [("email", 1), ("form", 1), ("open", len(people))]
    snapshots = "select person_id from marts.lead_snapshots where as_of_date = ?"
    dormant = {row[0] for row in raw.rows_of(stage, snapshots, [NEXT])}
    assert people[1] not in dormant
    both = [person for person in people if person in dormant]
    assert len(both) > 40
    described = []
    for person in both:
        given = leads[person][1]
        own = [Activity(*(getattr(one, name) for name in _COLUMNS)) for one in news if one.person_id == person]
        described.append(replace(given, activities=(*given.activities, *own)))
    columns = evaluate_leads(described, NEXT).columns()
    # The form of a colleague was told as well; only the account's own counts know of it.
    others = {name: values for name, values in columns.items() if not name.startswith("account_")}
    assert columns["opens_last_90d"].all()
    assert_same(stage, both, others, NEXT)


def test_only_the_newest_dates_are_kept(stage: FeatureStage, engine: Engine) -> None:
    assert publish_histories(engine, as_of=NEXT, dataset=LEADS) is not None
    assert published_dates(engine.settings.published_dir, LEADS) == (AS_OF, NEXT)
