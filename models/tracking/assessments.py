"""Assessments of flat tables in MLflow: one experiment, one run per assessment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from models.tracking.store import Tracking

EXPERIMENT: Final = "assessment"
_NOTE: Final = "mlflow.note.content"
_LONGEST: Final = 250  # characters of a parameter that every store accepts


def log_assessment(
    tracking: Tracking, *, digest: str, params: Mapping[str, object], values: Mapping[str, Any], files: Sequence[Path]
) -> str:
    """Keep an assessment as a finished run; returns its id. No row of the table and no file name goes along.

    Args:
        tracking: the store.
        digest: SHA-256 of the file assessed.
        params: columns by role, and the protocol.
        values: content of `assess.json`; its numbers become metrics.
        files: the report.
    """
    client = tracking.client
    experiment = tracking.experiment(EXPERIMENT)
    tags = {"file_sha256": digest, "mlflow.source.name": "recovery assess", "mlflow.source.type": "JOB"}
    leaks = ", ".join(values.get("suspected_leaks") or ()) or "none"
    tags[_NOTE] = f"{values.get('protocol', '')}. Suspected leaks: {leaks}."
    run = client.create_run(experiment, run_name=f"assessment {digest[:8]}", tags=tags)
    run_id = str(run.info.run_id)
    for name, value in params.items():
        client.log_param(run_id, name, str(value)[:_LONGEST])
    for name, number in numbers_of(values).items():
        client.log_metric(run_id, name, number)
    for path in files:
        client.log_artifact(run_id, str(path))
    client.set_terminated(run_id)
    return run_id


def numbers_of(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Numbers of nested values by dotted name; texts, lists and nulls are left out."""
    found: dict[str, float] = {}
    for key, value in values.items():
        name = f"{prefix}{_safe(str(key))}"
        if isinstance(value, Mapping):
            found |= numbers_of(value, f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = float(value)
    return found


def _safe(name: str) -> str:
    """A metric name that MLflow accepts."""
    return "".join(sign if sign.isalnum() or sign in "_-. /" else "_" for sign in name)[:120]
