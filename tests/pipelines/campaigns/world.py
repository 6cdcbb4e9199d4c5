"""A small hand-made warehouse with exactly the columns that the campaigns stage reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from contracts.published import publish, read_manifest, read_published
from pipelines.campaigns.assets import ASSETS, publish_batch, publish_plan
from pipelines.campaigns.checks import CHECKS
from pipelines.feedback.assets import ASSETS as FEEDBACK_ASSETS
from pipelines.feedback.assets import publish_results
from pipelines.feedback.checks import CHECKS as FEEDBACK_CHECKS
from pipelines.resources import Engine

DAY = date(2026, 6, 1)
SENDER = {
    "sender_name": "Acme Recovery",
    "sender_postal_address": "1 Main Street, Springfield, IL 62701",
    "sender_from_address": "hello@acme.example",
    "unsubscribe_url": "https://acme.example/unsubscribe",
}


def person(number: int, **changes: Any) -> dict[str, Any]:
    """One dormant, contactable American; `changes` replace columns."""
    row: dict[str, Any] = {
        "person_id": f"person-{number:05d}",
        "as_of_date": DAY,
        "first_observed_at": datetime(2025, 1, 1),
        "lead_kind": "lead",
        "account_id": None if number % 3 else f"account-{number // 6:04d}",
        "owner_id": f"owner-{number % 4}",
        "team_id": None,
        "sender_id": "main",
        "market": "b2b" if number % 2 else "real_estate",
        "source": "hubspot_main",
        "crm": "hubspot",
        "record_object": "contacts",
        "record_id": f"{1000 + number}",
        "first_name": f"Name{chr(97 + number % 26)}",
        "last_name": "Doe",
        "job_title": "VP Sales",
        "company_name": "Acme Inc",
        "industry": "Software",
        "employee_count": 120,
        "lead_source": "web",
        "country": "US",
        "country_source": "explicit",
        "country_confidence": "high",
        "has_country_conflict": False,
        "state": "NY",
        "city": "Albany",
        "time_zone": "America/New_York",
        "time_zone_source": "state",
        "time_zone_confidence": "high",
        "email": f"lead{number}@company{number}.example",
        "is_free_mail": False,
        "phone_e164": f"+1212555{number:04d}",
        "first_inbound_at": datetime(2025, 3, 1),
        "last_inbound_at": datetime(2026, 3, 20),
        "last_outbound_at": None,
        "is_dormant": True,
        "not_dormant_reason": None,
        "dormant_days": 73,
        "has_email_opt_out_source": True,
        "has_phone_opt_out_source": True,
        "open_amount": None,
        "currency": None,
        "won_count": 0,
    }
    return row | changes


PEOPLE_SCHEMA = pa.schema(
    [
        (
            name,
            {
                "as_of_date": pa.date32(),
                "employee_count": pa.int64(),
                "dormant_days": pa.int64(),
                "won_count": pa.int64(),
                "open_amount": pa.decimal128(18, 2),
            }.get(
                name,
                pa.timestamp("us")
                if name.endswith("_at")
                else pa.bool_()
                if name.startswith(("is_", "has_"))
                else pa.string(),
            ),
        )
        for name in person(0)
    ]
)
PERMISSIONS_SCHEMA = pa.schema(
    [
        *((n, pa.string()) for n in ("person_id", "channel", "stance", "basis", "evidence", "source")),
        *((n, pa.timestamp("us")) for n in ("since", "expires_at", "observed_at")),
        ("collected_during", pa.string()),
        ("optout_offered_at_collection", pa.bool_()),
        ("has_full_record", pa.bool_()),
    ]
)
LABELS_SCHEMA = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("person_id", pa.string()),
        ("level", pa.int32()),
        ("is_reactivated", pa.bool_()),
        ("assignment_id", pa.string()),
        ("arm", pa.string()),
    ]
)


def refusal(person_id: str, basis: str = "opt_out", channel: str = "email") -> dict[str, Any]:
    """A recorded refusal."""
    moment = datetime(2026, 1, 1)
    return {
        "person_id": person_id, "channel": channel, "stance": "refused", "basis": basis, "evidence": "column",
        "source": "hubspot_main", "since": moment, "expires_at": None, "observed_at": moment,
        "collected_during": None, "optout_offered_at_collection": None,
    }  # fmt: skip


@dataclass
class World:
    """An installation on a temporary folder; change the lists, `write` them and `run` the day."""

    root: Path
    settings: dict[str, Any] = field(default_factory=dict)
    people: list[dict[str, Any]] = field(default_factory=lambda: [person(n) for n in range(60)])
    permissions: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    silent_days: int = 1
    scores: dict[str, float] | None = None

    def engine(self) -> Engine:
        overrides = SENDER | {"var_dir": "var", "capacity_email": 20, "capacity_call": 4} | self.settings
        return Engine(root=str(self.root), overrides=overrides, fixed_now="2026-06-01T05:00:00+00:00")

    def write(self, as_of: date = DAY) -> None:
        """Put people, permissions, snapshots, labels, scores of a day and a fixed key in place."""
        engine = self.engine()
        engine.settings.secrets_dir.mkdir(parents=True, exist_ok=True)
        (engine.settings.secrets_dir / "unsubscribe.key").write_text("5a" * 32)
        people = [row | {"as_of_date": as_of} for row in self.people]
        labels = [row for row in self.labels if row["as_of_date"] != as_of]
        tables = {
            "marts.dim_people": pa.Table.from_pylist(people, schema=PEOPLE_SCHEMA),
            "marts.fct_permissions": pa.Table.from_pylist(self.permissions, schema=PERMISSIONS_SCHEMA),
            "marts.lead_labels": pa.Table.from_pylist(self.labels, schema=LABELS_SCHEMA),
            "marts.lead_snapshots": pa.table(
                {
                    "as_of_date": pa.array([as_of] * len(people) + [row["as_of_date"] for row in labels], pa.date32()),
                    "person_id": pa.array([row["person_id"] for row in [*people, *labels]], pa.string()),
                    "spell": pa.array([1] * len([*people, *labels]), pa.int32()),
                    "is_training": pa.array([True] * len([*people, *labels])),
                }
            ),
            "marts.person_records": pa.table(
                {n: pa.array([row[n] for row in people], pa.string())
                 for n in ("person_id", "source", "crm", "record_object", "record_id", "owner_id")}
            ),
            "marts.source_health": pa.table(
                {
                    "source": ["hubspot_main"],
                    "last_activity_observed_at": pa.array([datetime(2026, 5, 31)], pa.timestamp("us")),
                    "silent_days": pa.array([self.silent_days], pa.int32()),
                }
            ),
        }  # fmt: skip
        with engine.warehouse.open() as connection:
            connection.execute("create schema if not exists marts; create schema if not exists raw")
            for name, table in tables.items():
                connection.register("incoming", table)
                connection.execute(f"create or replace table {name} as select * from incoming")
                connection.unregister("incoming")
        self._publish_scores(engine, as_of, [row for row in people if row["is_dormant"]])

    def _publish_scores(self, engine: Engine, as_of: date, people: list[dict[str, Any]]) -> None:
        rng = np.random.default_rng(5)
        default = {row["person_id"]: float(p) for row, p in zip(people, rng.beta(2, 30, len(people)), strict=True)}
        p = default if self.scores is None else self.scores
        known = [row for row in people if row["person_id"] in p]
        reason = [{"code": "c", "words": "asked for a price", "points": 1.5, "value": "1"}]
        table = pa.table(
            {
                "person_id": pa.array([row["person_id"] for row in known], pa.string()),
                "p": pa.array([p[row["person_id"]] for row in known], pa.float64()),
                "points": pa.array([50] * len(known), pa.int32()),
                "tier": pa.array(["medium"] * len(known), pa.string()),
                "reasons": pa.array(
                    [reason] * len(known),
                    pa.list_(
                        pa.struct([("code", pa.string()), ("words", pa.string()),
                                   ("points", pa.float64()), ("value", pa.string())])
                    ),
                ),
            }
        )  # fmt: skip
        root = engine.settings.published_dir
        publish(root, dataset="lead_scores", as_of=as_of, table=table, facts={"fingerprint": "f"})

    def run(self, as_of: date = DAY) -> dg.ExecuteInProcessResult:
        """Materialise plan, batch and results with their checks."""
        return dg.materialize(
            [*ASSETS, *FEEDBACK_ASSETS, *CHECKS, *FEEDBACK_CHECKS],
            partition_key=as_of.isoformat(),
            resources={"engine": self.engine()},
            raise_on_error=False,
        )

    def day(self, as_of: date = DAY) -> None:
        """The same work as `run` without Dagster and without the checks; quicker."""
        engine = self.engine()
        publish_plan(engine, as_of)
        publish_batch(engine, as_of)
        publish_results(engine, as_of)

    def plan(self, as_of: date = DAY) -> list[dict[str, Any]]:
        return read_published(self.published, dataset="campaign_plan", as_of=as_of).to_pylist()

    def facts(self, dataset: str = "campaign_plan", as_of: date = DAY) -> dict[str, Any]:
        manifest = read_manifest(self.published, dataset=dataset, as_of=as_of)
        assert manifest is not None
        return manifest.facts

    @property
    def published(self) -> Path:
        return self.root / "var" / "published"

    @property
    def outbox(self) -> Path:
        return self.root / "var" / "outbox"

    def outbox_bytes(self) -> dict[str, bytes]:
        """Every file of the outbox by relative path."""
        files = sorted(path for path in self.outbox.rglob("*") if path.is_file())
        return {str(path.relative_to(self.outbox)): path.read_bytes() for path in files}


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Outcome of each check by name."""
    return {evaluation.check_name: evaluation.passed for evaluation in result.get_asset_check_evaluations()}


def later(days: int) -> date:
    return DAY + timedelta(days=days)
