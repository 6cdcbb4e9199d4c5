"""Results of a dbt step as Dagster events: one materialisation per model, one check result per test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from datetime import date
from typing import Any

import dagster as dg
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from contracts.errors import PermanentError
from pipelines.features.project import NodeResult
from pipelines.features.state import StepOutcome
from pipelines.features.translator import TRANSLATOR

_BROKEN = ("error", "skipped", "runtime error")


def results_of(
    outcome: StepOutcome,
    *,
    manifest: Mapping[str, Any],
    as_of: date,
    selected: Set[dg.AssetKey],
    checks: Set[dg.AssetCheckKey],
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Yield what became of each node, then fail if one broke.

    Raises:
        PermanentError: a model failed or was skipped; the text names the first and dbt's words.
    """
    for node in outcome.nodes:
        if node.unique_id.startswith("model.") and node.is_good:
            props = manifest["nodes"][node.unique_id]
            key = TRANSLATOR.get_asset_key(props)
            if key in selected:
                yield dg.MaterializeResult(asset_key=key, metadata=_metadata(outcome, node, key, as_of))
    for node in outcome.nodes:
        if node.unique_id.startswith("test."):
            check = get_asset_check_key_for_test(manifest, TRANSLATOR, node.unique_id, None)
            if check in checks and check is not None and node.status not in _BROKEN:
                yield _check_result(check, node, manifest)
    broken = [node for node in outcome.nodes if node.status in _BROKEN]
    if broken:
        first = next((node for node in broken if node.status != "skipped"), broken[0])
        raise PermanentError(
            f"{len(broken)} dbt nodes did not finish; the first is {first.unique_id}: {first.message or first.status}",
            where=f"dbt/models ({first.unique_id.split('.')[-1]})",
            remedy="Mend the input or the model it names and run the day again; nothing downstream was changed.",
        )


def _metadata(outcome: StepOutcome, node: NodeResult, key: dg.AssetKey, as_of: date) -> dict[str, Any]:
    name = ".".join(key.path)
    metadata: dict[str, Any] = {
        "as_of_date": as_of.isoformat(),
        "seconds": node.seconds,
        "unchanged": outcome.is_reused,
    }
    if name in outcome.rows:
        metadata["dagster/row_count"] = outcome.rows[name]
    return metadata


def _check_result(check: dg.AssetCheckKey, node: NodeResult, manifest: Mapping[str, Any]) -> dg.AssetCheckResult:
    severity = str(manifest["nodes"][node.unique_id].get("config", {}).get("severity", "error")).lower()
    return dg.AssetCheckResult(
        asset_key=check.asset_key,
        check_name=check.name,
        passed=node.status == "pass",
        severity=dg.AssetCheckSeverity.WARN if severity == "warn" else dg.AssetCheckSeverity.ERROR,
        metadata={"rows_at_fault": node.failures, "words": node.message or "no row breaks the rule"},
    )
