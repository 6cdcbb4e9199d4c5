"""Telemetry and unsafe loaders are off in every library, whatever starts the process."""

from __future__ import annotations

import os
from typing import Final

SILENT: Final[dict[str, str]] = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_ENV_CREATION": "true",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "GX_ANALYTICS_ENABLED": "false",
}


def silence() -> None:
    """Set the switches in this process and its children; an explicit environment wins only by the same value."""
    os.environ.update(SILENT)
