"""Small hand-made raw tables, as ingest writes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import yaml

from contracts.settings import Settings
from pipelines.features.build import FeatureStage
from pipelines.features.state import StepOutcome
from pipelines.resources import PROJECT_ROOT
from pipelines.warehouse import Warehouse

ALIASES = PROJECT_ROOT / "pipelines" / "ingest" / "aliases"
SQL_TYPES = {
    "timestamp": "timestamp",
    "bool": "boolean",
    "integer": "bigint",
    "number": "double",
    "money": "decimal(18,2)",
    "id_list": "varchar[]",
}
PEOPLE = {"hubspot__contacts", "salesforce__leads", "salesforce__contacts", "gohighlevel__contacts", "mapped__leads"}
DERIVED = (
    "time_zone varchar, time_zone_source varchar, time_zone_confidence varchar, country_code varchar, "
    "country_source varchar, country_confidence varchar, has_country_conflict boolean, email_domain varchar, "
    "is_free_mail boolean"
)
LINEAGE = "_source varchar, _landing_id varchar, _row_number bigint, _exported_at timestamp"
EXPORTED = datetime(2026, 5, 31, 23)


def make_raw(connection: duckdb.DuckDBPyConnection) -> None:
    """All raw tables, empty."""
    connection.execute("create schema raw")
    for name in ("hubspot", "salesforce", "gohighlevel", "mapped"):
        for spec in yaml.safe_load((ALIASES / f"{name}.yml").read_text())["objects"].values():
            columns = [f"{c} {SQL_TYPES.get(s['kind'], 'varchar')}" for c, s in spec["columns"].items()]
            columns += [DERIVED] if spec["table"] in PEOPLE else []
            connection.execute(f"create table raw.{spec['table']} ({', '.join([*columns, LINEAGE])})")
    connection.execute(
        """
        create table raw.landings (landing_id varchar, source varchar, crm varchar, object varchar,
            exported_at timestamp, mode varchar, is_history boolean, assumed_lag_hours int, supersedes varchar,
            is_superseded boolean, has_opt_out_column boolean, has_phone_opt_out_column boolean);
        create table raw.sources (source varchar, crm varchar, market varchar, sender_id varchar, owner_id varchar,
            team_id varchar, declared_at date, declaration_words varchar, declared_basis varchar,
            has_suppressions boolean);
        create table raw.column_types (source varchar, object varchar, column_name varchar, type varchar);
        """
    )


def add(connection: duckdb.DuckDBPyConnection, table: str, rows: pd.DataFrame) -> None:
    """Append rows by column name."""
    connection.register("incoming", rows)
    connection.execute(f"insert into raw.{table} by name select * from incoming")
    connection.unregister("incoming")


def landing(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    rows: pd.DataFrame,
    *,
    source: str = "hs",
    exported_at: datetime = EXPORTED,
    mode: str = "full",
    is_history: bool = True,
) -> None:
    """Land rows of one object: the rows and their entry in `raw.landings`."""
    crm, name = table.split("__")
    landing_id = f"{source}-{name}-{exported_at:%Y%m%d%H%M}-{mode}"
    add(
        connection,
        "landings",
        pd.DataFrame(
            [{"landing_id": landing_id, "source": source, "crm": crm, "object": name, "exported_at": exported_at,
              "mode": mode, "is_history": is_history, "assumed_lag_hours": 24, "is_superseded": False,
              "has_opt_out_column": name == "contacts", "has_phone_opt_out_column": False}]
        ),
    )  # fmt: skip
    lineage = {"_source": source, "_landing_id": landing_id, "_exported_at": exported_at}
    add(connection, table, rows.assign(_row_number=range(1, len(rows) + 1), **lineage))


def declare(connection: duckdb.DuckDBPyConnection, *sources: tuple[str, str]) -> None:
    """Declare sources as (name, crm)."""
    rows = [{"source": name, "crm": crm, "sender_id": "main", "has_suppressions": False} for name, crm in sources]
    add(connection, "sources", pd.DataFrame(rows))


def contacts(people: int, *, per_account: int = 3) -> pd.DataFrame:
    """HubSpot contacts, one person each."""
    number = np.arange(people)
    domain = [f"acme{i // per_account}.example" for i in number]
    return pd.DataFrame(
        {
            "record_id": [str(i) for i in number],
            "created_at": pd.Timestamp("2025-01-01") + pd.to_timedelta(number % 240, unit="h"),
            "first_name": "Ann",
            "last_name": [f"Person{i}" for i in number],
            "email": [f"p{i}@{name}" for i, name in zip(number, domain, strict=True)],
            "email_domain": domain,
            "is_free_mail": False,
            "job_title": [("CEO", "Sales Manager", None)[i % 3] for i in number],
            "lead_status": "New",
        }
    )


def activities(people: int, *, seed: int, per_person: int, days: int = 360) -> pd.DataFrame:
    """HubSpot activities at random moments that depend on nothing."""
    rng = np.random.default_rng(seed)
    count = people * per_person
    moment = pd.Timestamp("2025-06-05") + pd.to_timedelta(rng.integers(0, days * 86_400, count), unit="s")
    kind = rng.integers(0, 4, count)
    return pd.DataFrame(
        {
            "record_id": [f"a{i}" for i in range(count)],
            "contact_id": rng.integers(0, people, count).astype(str),
            "activity_type": np.array(["EMAIL", "FORM_SUBMISSION", "PAGE_VIEW", "EMAIL"])[kind],
            "direction": np.array(["INCOMING_EMAIL", None, None, "EMAIL"], dtype=object)[kind],
            "source": np.array(["CRM_UI", "FORMS", "PAGES", "AUTOMATION"])[kind],
            "body": "Please send me a quote.",
            "occurred_at": moment,
            "created_at": moment,
        }
    )


def stage(folder: Path, **overrides: Any) -> FeatureStage:
    """Feature stage of a temporary installation."""
    settings = Settings(_env_file=None, var_dir=folder, **{"training_weeks": 8, **overrides})
    return FeatureStage(
        settings=settings,
        project_root=PROJECT_ROOT,
        manifest_dir=PROJECT_ROOT / "var",
        warehouse=Warehouse(settings.warehouse_path, memory="1GB", threads=1),
    )


def run(feature_stage: FeatureStage, as_of: Any) -> None:
    """The whole feature stage of a day; every node must be good."""
    feature_stage.copy_assignments(as_of)
    feature_stage.copy_told_activities(as_of)
    feature_stage.copy_touches(as_of)
    feature_stage.copy_events(as_of)
    assert_good(feature_stage.build_people(as_of))
    feature_stage.link_people(as_of)
    assert_good(feature_stage.build_marts(as_of))


def assert_good(outcome: StepOutcome) -> None:
    """Fail with dbt's words when a node is not as it should be."""
    bad = [node for node in outcome.nodes if not node.is_good]
    assert not bad, bad[:3]


def rows_of(feature_stage: FeatureStage, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of a query on the warehouse."""
    with feature_stage.warehouse.open() as connection:
        return connection.execute(query, list(values)).fetchall()
