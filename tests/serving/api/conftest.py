"""An API over a small published world: a real model, a real signature, a real ledger; the clock stands still."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from contracts.keys import MODELS, installation_key
from contracts.published import publish
from contracts.words import DEFINITION_VERSION
from models.feature_algebra import Activity, LeadHistory
from models.feature_attributes import RAW_ATTRIBUTES
from models.scoring.model import ResurrectionModel
from models.scoring.published import PublishedModel, publish_model
from models.scoring.reasons import REASON_TYPE
from recovery.access import KeyStore, Role, add_usage
from recovery.access.activities import told_since
from recovery.access.answers import forget_answers
from recovery.ledger import open_ledger
from recovery.ledger.engine import make_engine
from serving.api.app import create_app
from serving.api.auth import Authenticator
from serving.api.housekeeping import Housekeeper
from serving.api.limits import MemoryLimiter
from serving.api.live import Source
from serving.api.metering import Figures, UsageMeter
from serving.api.rescoring import ACCOUNTS, LEADS, Rescorer
from serving.api.state import ApiState
from serving.api.told import Told
from tests.serving.api.small_model import small_model

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
AS_OF = date(2026, 6, 1)
ANCHOR = 0.05
PEOPLE = [f"00000000-0000-5000-8000-{n:012d}" for n in range(40)]


def scores_table(as_of: date = AS_OF) -> pa.Table:
    rows = len(PEOPLE)
    reason = [{"code": "replies_last_90d", "words": "0 replies in 90 days", "points": -6.0, "value": "0"}]
    chances = [0.01 + 0.002 * n for n in range(rows)]
    return pa.table(
        {
            "as_of_date": pa.array([as_of] * rows, pa.date32()),
            "person_id": pa.array(list(reversed(PEOPLE))),
            "account_id": pa.nulls(rows, pa.string()),
            "owner_id": pa.array(["anna" if n % 2 else "ben" for n in range(rows)]),
            "team_id": pa.array(["north" if n % 4 else None for n in range(rows)]),
            "crm": pa.array(["hubspot"] * rows),
            "p": pa.array(chances),
            "points": pa.array([50] * rows, pa.int64()),
            "percentile": pa.array([50.0] * rows),
            "tier": pa.array(["medium"] * rows),
            "score_kind": pa.array(["model"] * rows),
            "model_name": pa.array(["resurrection"] * rows),
            "model_version": pa.array(["1"] * rows),
            "anchor": pa.array([ANCHOR] * rows),
            "reasons": pa.array([reason] * (rows - 1) + [None], REASON_TYPE),
            "raw": pa.array([0.0] * rows),
        }
    )


class Site:
    """A folder of published things, and the API over it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.published = root / "published"
        self.secrets = root / "secrets"
        self.url = f"sqlite:///{root}/ledger.sqlite"
        open_ledger(self.url).close()
        self.engine = make_engine(self.url)
        self.keys = KeyStore(self.engine)
        self.moment = NOW

    def publish_model(self, model: ResurrectionModel, version: str = "1", **facts: Any) -> None:
        known: dict[str, Any] = {"definition_version": DEFINITION_VERSION, "anchor_version": 1, "horizon_days": 30}
        pointer = PublishedModel(
            version=version, path="", sha256="", bytes=0, fingerprint=f"f{version}", recipe=model.recipe, anchor=ANCHOR,
            live_since=AS_OF, **(known | facts),
        )  # fmt: skip
        publish_model(self.published, model.to_bytes(), pointer, key=installation_key(self.secrets, MODELS))

    def publish_scores(self, as_of: date = AS_OF, *, facts: dict[str, Any] | None = None) -> None:
        publish(
            self.published,
            dataset="lead_scores",
            as_of=as_of,
            table=scores_table(as_of),
            facts={"dormant": len(PEOPLE), **(facts or {})},
        )

    def publish_unscored(self, rows: dict[str, tuple[str | None, str | None, str]], as_of: date = AS_OF) -> None:
        """People without a score: id -> owner, team and reason."""
        columns = ("person_id", "owner_id", "team_id", "reason")
        table = pa.table(
            {name: pa.array([(one, *rest)[at] for one, rest in sorted(rows.items())], pa.string())
             for at, name in enumerate(columns)}
        )  # fmt: skip
        publish(self.published, dataset="unscored_people", as_of=as_of, table=table)

    def publish_histories(self, leads: Sequence[LeadHistory], as_of: date = AS_OF) -> None:
        """Histories of `PEOPLE`, in their order; three and three share an account."""
        rows, acts = [], []
        for at, (person, lead) in enumerate(zip(PEOPLE, leads, strict=True)):
            own = [{name: getattr(one, name) for name in Activity.__slots__} for one in lead.activities]
            attributes = {name: lead.attributes.get(name) for name in RAW_ATTRIBUTES}
            account = f"account-{at // 3}"
            row = {"person_id": person, "account_id": account, "dormant_after_days": lead.dormant_after_days}
            rows.append({**row, **attributes, "activities": own})
            acts += [{"account_id": account, "person_id": person, **one} for one in own]
        for dataset, content in ((LEADS, rows), (ACCOUNTS, acts)):
            publish(self.published, dataset=dataset, as_of=as_of, table=pa.Table.from_pylist(content))

    def state(self) -> ApiState:
        source = Source(self.published, secrets=self.secrets, cache=self.root / "cache", now=lambda: self.moment)
        return ApiState(
            source=source,
            told=Told(partial(told_since, self.engine), self.root / "cache" / "told", lambda: source.live.as_of),
            rescorer=Rescorer(self.published),
            housekeeper=Housekeeper(lambda: forget_answers(self.engine, now=self.moment.replace(tzinfo=None))),
            authenticator=Authenticator(self.keys),
            limiter=MemoryLimiter(),
            failures=MemoryLimiter(),
            ledger=self.engine,
            published=self.published,
            figures=Figures(),
            usage=UsageMeter(lambda counts: add_usage(self.engine, counts), lambda: self.moment.date()),
            now=lambda: self.moment,
        )

    def token(self, role: Role = Role.OPERATOR, **scope: Any) -> str:
        _, token = self.keys.issue(name=role.value, role=role, now=NOW.replace(tzinfo=None), valid_days=None, **scope)
        return token


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    made.publish_model(small_model())
    made.publish_scores()
    yield made
    made.engine.dispose()


@pytest.fixture
def app_state(site: Site) -> ApiState:
    return site.state()


@pytest.fixture
def client(site: Site, app_state: ApiState) -> Iterator[TestClient]:
    """A client with an operator's key."""
    with TestClient(create_app(app_state), raise_server_exceptions=False) as opened:
        opened.headers["Authorization"] = f"Bearer {site.token()}"
        yield opened


@pytest.fixture
def ledger_engine(site: Site) -> sa.Engine:
    return site.engine
