"""Table of contents: every asset, check, job and schedule of the day."""

from __future__ import annotations

import dagster as dg

from pipelines.campaigns import assets as campaign_assets
from pipelines.campaigns import checks as campaign_checks
from pipelines.campaigns import permission_assets
from pipelines.features import assets as feature_assets
from pipelines.features import checks as feature_checks
from pipelines.feedback import assets as feedback_assets
from pipelines.feedback import checks as feedback_checks
from pipelines.feedback import report_assets
from pipelines.ingest import assets as ingest_assets
from pipelines.ingest import checks as ingest_checks
from pipelines.jobs import JOBS, SCHEDULES, SENDING_JOBS
from pipelines.resources import Engine
from pipelines.rights import upkeep
from pipelines.scoring import assets as scoring_assets
from pipelines.scoring import checks as scoring_checks
from pipelines.scoring import timing_assets
from pipelines.training import assets as training_assets
from pipelines.training import checks as training_checks
from pipelines.training import fading_assets, uplift_assets

ASSETS = [
    *ingest_assets.ASSETS,
    *feature_assets.ASSETS,
    *training_assets.ASSETS,
    *fading_assets.ASSETS,
    *uplift_assets.ASSETS,
    *scoring_assets.ASSETS,
    *permission_assets.ASSETS,
    *timing_assets.ASSETS,
    *campaign_assets.ASSETS,
    *feedback_assets.ASSETS,
    *report_assets.ASSETS,
]
CHECKS = [
    *ingest_checks.CHECKS,
    *feature_checks.CHECKS,
    *training_checks.CHECKS,
    *fading_assets.CHECKS,
    *scoring_checks.CHECKS,
    *campaign_checks.CHECKS,
    *feedback_checks.CHECKS,
    *report_assets.CHECKS,
]


def build_definitions(engine: Engine) -> dg.Definitions:
    """The whole code location, working on one installation."""
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=CHECKS,
        jobs=[*JOBS, *upkeep.JOBS, *(SENDING_JOBS if engine.settings.sending_allowed else [])],
        schedules=[*SCHEDULES, *upkeep.SCHEDULES],
        resources={"engine": engine},
        executor=dg.in_process_executor,
    )


defs = build_definitions(Engine())
