"""What the notebooks read: published files, the warehouse read-only, and MLflow. Nothing here writes."""

from __future__ import annotations

import warnings
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from contracts.published import latest_date, published_dates, read_manifest, read_published
from contracts.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = Settings()
VAR = ROOT / SETTINGS.var_dir
PUBLISHED = VAR / "published"


def newest(dataset: str = "lead_scores") -> date:
    """Newest published as-of date of a dataset.

    Raises:
        FileNotFoundError: nothing is published yet.
    """
    found = latest_date(PUBLISHED, dataset)
    if found is None:
        raise FileNotFoundError(f"{dataset} is not published below {PUBLISHED}; run `recovery run` first")
    return found


def rows(dataset: str, as_of: date | None = None) -> pd.DataFrame:
    """A published dataset of a date, the newest by default; empty when it was never published."""
    as_of = as_of or latest_date(PUBLISHED, dataset)
    if as_of is None or as_of not in published_dates(PUBLISHED, dataset):
        return pd.DataFrame()
    table: pd.DataFrame = read_published(PUBLISHED, dataset=dataset, as_of=as_of).to_pandas()
    return table


def facts(dataset: str, as_of: date | None = None) -> dict[str, Any]:
    """Facts of its manifest; empty when it was never published."""
    as_of = as_of or latest_date(PUBLISHED, dataset)
    manifest = read_manifest(PUBLISHED, dataset=dataset, as_of=as_of) if as_of else None
    return dict(manifest.facts) if manifest else {}


def query(sql: str, parameters: list[Any] | None = None) -> pd.DataFrame:
    """Result of a query on the warehouse; it is closed again at once, so that a run never waits for a notebook."""
    path = VAR / "warehouse" / "recovery.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql, parameters or []).df()


def has_table(name: str) -> bool:
    """Whether the warehouse holds a table, as schema.table."""
    schema, table = name.split(".")
    found = query(
        "select count(*) as n from information_schema.tables where table_schema = ? and table_name = ?", [schema, table]
    )
    return bool(found["n"].iloc[0])


def decisions() -> pd.DataFrame:
    """Every decision about the model in use, as MLflow keeps it: one row a page, oldest first."""
    with warnings.catch_warnings():
        # A progress bar of MLflow asks for a widget that is not needed.
        warnings.simplefilter("ignore")
        import mlflow

    uri = SETTINGS.mlflow_tracking_uri or f"sqlite:///{(VAR / 'mlflow' / 'mlflow.sqlite').absolute()}"
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name("resurrection")
    pages = client.search_runs([experiment.experiment_id], "tags.part = 'decision'") if experiment else []
    found = [
        {name: page.data.tags.get(name) for name in ("as_of_date", "verdict", "rule_says", "champion_before", "live")}
        | dict(page.data.metrics)
        for page in pages
    ]
    return pd.DataFrame(found).sort_values("as_of_date") if found else pd.DataFrame()
