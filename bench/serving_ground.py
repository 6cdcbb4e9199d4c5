"""An installation to serve: a fitted model over every feature, published people, and a key without a limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd

from contracts.keys import MODELS, installation_key
from contracts.published import publish_stream
from models.calibration.calibrator import fit_calibrator
from models.feature_algebra import Activity, LeadHistory
from models.feature_batch import evaluate_leads
from models.features import FEATURES
from models.scoring.flatten import flatten
from models.scoring.model import ResurrectionModel, raw_log_odds
from models.scoring.published import PublishedModel, publish_model
from models.training.candidates import Recipe, RecipeName
from models.training.fitting import fit_recipe
from models.training.matrix import clean_frame, usable_features
from recovery.access import KeyStore, Role
from recovery.ledger import open_ledger
from recovery.ledger.engine import make_engine

AS_OF: Final = date(2026, 6, 1)
ANCHOR: Final = 0.05
_ROWS: Final = 3_000
_TREES: Final = {
    "max_iter": 100, "max_leaf_nodes": 15, "learning_rate": 0.1, "max_bins": 127, "min_samples_leaf": 20,
    "max_features": 0.5,
}  # fmt: skip
_PEOPLE: Final = """
select
    date '2026-06-01' as as_of_date,
    format('00000000-0000-5000-8000-{:012d}', i) as person_id,
    'owner-' || i % 50 as owner_id,
    'team-' || i % 7 as team_id,
    0.01 + (i % 997) / 10000.0 as p,
    50 as points,
    50.0 as percentile,
    'medium' as tier,
    'model' as score_kind,
    'resurrection' as model_name,
    '1' as model_version,
    0.05 as anchor,
    [{'code': 'replies_last_90d', 'words': '0 replies in 90 days', 'points': -6.0, 'value': '0'},
     {'code': 'title_level', 'words': 'title: vp', 'points': 4.0, 'value': 'vp'},
     {'code': 'inbound_ever', 'words': '7 own acts in all', 'points': 3.0, 'value': '7'}] as reasons
from range(?) as r (i)
order by person_id
"""


@dataclass(frozen=True)
class Ground:
    """What is served.

    Attributes:
        var_dir: state of the installation.
        token: key without a limit.
        frame, y: features and outcomes that the model was fitted on.
        lead: body of one described lead with 20 activities and every attribute.
    """

    var_dir: Path
    token: str
    frame: pd.DataFrame
    y: np.ndarray[Any, Any]
    lead: dict[str, Any]


def make_ground(var_dir: Path, *, people: int) -> Ground:
    """Make the installation in an empty folder."""
    leads = random_leads(_ROWS, seed=3)
    frame = pd.DataFrame(evaluate_leads(leads, AS_OF).columns())
    rng = np.random.default_rng(3)
    pull = -2.0 + 0.2 * frame["inbound_last_365d"] - 0.004 * frame["days_since_last_inbound"]
    y = rng.random(len(frame)) < 1 / (1 + np.exp(-pull.to_numpy()))
    promote(var_dir, fit_model(frame, y), version="1")
    published = var_dir / "published"
    with duckdb.connect() as connection:
        rows = connection.execute(_PEOPLE, [people])
        publish_stream(published, dataset="lead_scores", as_of=AS_OF, batches=rows.to_arrow_reader(65_536))
    url = f"sqlite:///{var_dir / 'ledger' / 'ledger.sqlite'}"
    open_ledger(url).close()
    engine = make_engine(url)
    now = datetime.now(UTC).replace(tzinfo=None)
    _, token = KeyStore(engine).issue(name="bench", role=Role.ADMIN, now=now, per_minute=1_000_000_000)
    engine.dispose()
    return Ground(var_dir, token, frame, y, body_of(random_leads(1, seed=9, activities=20)[0]))


def promote(var_dir: Path, model: ResurrectionModel, *, version: str) -> None:
    """Publish a model as the champion in use."""
    pointer = PublishedModel(
        version=version, path="", sha256="", bytes=0, fingerprint="bench", recipe=model.recipe, anchor=ANCHOR,
        anchor_version=1, definition_version="1", horizon_days=30, live_since=AS_OF,
    )  # fmt: skip
    publish_model(var_dir / "published", model.to_bytes(), pointer, key=installation_key(var_dir / "secrets", MODELS))


def fit_model(frame: pd.DataFrame, y: np.ndarray[Any, Any]) -> ResurrectionModel:
    """Boosted trees on every feature, calibrated, as the plain model that is served."""
    specs, _ = usable_features(frame, [spec for spec in FEATURES if spec.name in frame.columns])
    cleaned = clean_frame(frame, specs)
    fitted = fit_recipe(Recipe(RecipeName.BOOSTING, _TREES), cleaned, y, specs, 7)
    calibrator = fit_calibrator(raw_log_odds(fitted, cleaned), y)
    return flatten(fitted, features=specs, calibrator=calibrator, background=frame)


def random_leads(count: int, *, seed: int, activities: int = 20) -> list[LeadHistory]:
    """Leads with random activities of the last two years and every attribute."""
    rng = np.random.default_rng(seed)
    midnight = datetime.combine(AS_OF, datetime.min.time())
    leads = []
    for number in range(count):
        moments = [midnight - timedelta(days=float(day)) for day in rng.uniform(31, 700, activities)]
        inbound = rng.random(activities) < 0.5
        kinds = rng.choice(["email", "form", "click", "page_view", "call"], activities)
        own = tuple(
            Activity(at, at, str(kind), *(("inbound", "person", 1) if is_own else ("outbound", "rep")))
            for at, kind, is_own in zip(moments, kinds, inbound, strict=True)
        )
        attributes = {
            "created_at": min(moments),
            "job_title": str(rng.choice(["VP Sales", "CTO", "Clerk"])),
            "industry": str(rng.choice(["Software", "Banking", "Retail"])),
            "employee_count": int(rng.integers(1, 5000)),
            "country": str(rng.choice(["US", "GB", "DE"])),
            "lead_source": "Web form",
            "is_free_mail": number % 3 == 0,
            "has_phone": number % 2 == 0,
            "has_account": True,
            "crm": "hubspot",
        }
        leads.append(LeadHistory(own, (), attributes))
    return leads


def body_of(lead: LeadHistory) -> dict[str, Any]:
    """A described lead as the API takes it."""

    def moment(value: Any) -> Any:
        return value.replace(tzinfo=UTC).isoformat() if isinstance(value, datetime) else value

    return {
        "attributes": {name: moment(value) for name, value in lead.attributes.items()},
        "activities": [
            {
                "occurred_at": moment(one.occurred_at), "kind": one.kind, "direction": one.direction,
                "actor": one.actor, "outcome_level": one.outcome_level,
            }
            for one in lead.activities
        ],
    }  # fmt: skip
