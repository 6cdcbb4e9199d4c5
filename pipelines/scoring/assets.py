"""Scoring: has the population drifted, and everyone's score."""

from datetime import date
from typing import Any, Final

import dagster as dg

from contracts.errors import BadInputError
from contracts.published import published_path, read_published
from models.evaluation.markdown import embedded
from models.training.record import ModelState
from pipelines.failures import readable
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import Engine
from pipelines.scoring.drift import DATASET as DRIFT_DATASET
from pipelines.scoring.drift import drift_day
from pipelines.scoring.histories import ACCOUNTS, LEADS, publish_histories
from pipelines.scoring.scoring import DATASET, score_day
from pipelines.scoring.unscored import DATASET as UNSCORED_PEOPLE
from pipelines.scoring.unscored import publish_unscored
from pipelines.training.states import stored_state

_GROUP: Final = "scoring"
_OWNERS: Final = ["team:data"]
CHAMPION = dg.AssetKey(["training", "champion_model"])
SNAPSHOTS = dg.AssetKey(["marts", "lead_snapshots"])
PERMISSIONS = dg.AssetKey(["marts", "fct_permissions"])
IMPORTED = dg.AssetKey(["campaigns", "imported_permissions"])
DRIFT = dg.AssetKey(["scores", "feature_drift"])
SCORES = dg.AssetKey(["scores", "lead_scores"])
LEAD_HISTORIES = dg.AssetKey(["scores", LEADS])
ACCOUNT_HISTORIES = dg.AssetKey(["scores", ACCOUNTS])
UNSCORED = dg.AssetKey(["scores", UNSCORED_PEOPLE])
PEOPLE = dg.AssetKey(["marts", "dim_people"])


@dg.asset(
    key=DRIFT,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"evidently", "parquet"},
    tags={"stage": "scoring"},
    pool="warehouse_write",
    deps=[CHAMPION, SNAPSHOTS],
)
@readable
def feature_drift(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """Do today's dormant people still look like those the champion learned from.

    One row is one feature: its population stability index against the champion's training reference, and values
    outside the training range. Published as `feature_drift`, with Evidently's page under `var/report/drift` and with
    the champion's MLflow run. A rerun with the same people and model reuses it. Without a model nothing is compared.
    """
    as_of = as_of_date(context)
    state = state_of(engine, as_of)
    manifest, computed = drift_day(engine, as_of=as_of, state=state)
    facts = manifest.facts
    shown: dict[str, Any] = {
        "dagster/row_count": manifest.rows,
        "as_of_date": as_of.isoformat(),
        "people": facts["people"],
        "drifted_features": len(facts["drifted"]),
        "share_drifted": facts["share_drifted"] if facts["share_drifted"] is not None else "not compared",
        "out_of_range_rows": facts["out_of_range_rows"],
        "severe": facts["severe"],
        "drifted": ", ".join(facts["drifted"]) or "none",
    }
    if facts["report"]:
        shown["report"] = dg.MetadataValue.path(engine.settings.var_dir / facts["report"])
    if computed and manifest.rows:
        shown["drift"] = dg.MetadataValue.md(_drift_picture(engine, as_of))
    return dg.MaterializeResult(metadata=shown)


@dg.asset(
    key=LEAD_HISTORIES,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"duckdb", "parquet"},
    tags={"stage": "scoring"},
    pool="warehouse_write",
    deps=[SNAPSHOTS, PERMISSIONS, IMPORTED],
)
@readable
def lead_histories(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """What the features of everyone dormant are computed from, for scores between two days.

    One row is one person: account, stable attributes, and the activities observed before the date. Published as
    `lead_histories` before the scores of the date; only the newest two dates are kept, because the warehouse makes
    them again. A rerun gives the same bytes. Without snapshots nothing is published.
    """
    return _histories(context, engine, LEADS)


@dg.asset(
    key=ACCOUNT_HISTORIES,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"duckdb", "parquet"},
    tags={"stage": "scoring"},
    pool="warehouse_write",
    deps=[SNAPSHOTS, PERMISSIONS],
)
@readable
def account_histories(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """Own acts of the last 90 days in the accounts of everyone dormant, for scores between two days.

    One row is one act: account, person and the activity. Published as `account_histories` beside `lead_histories`,
    and kept and rerun like it. Without snapshots nothing is published.
    """
    return _histories(context, engine, ACCOUNTS)


@dg.asset(
    key=UNSCORED,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"duckdb", "parquet"},
    tags={"stage": "scoring"},
    pool="warehouse_write",
    deps=[PEOPLE, PERMISSIONS, IMPORTED],
)
@readable
def unscored_people(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """Everyone known who has no score on the date: not dormant, or one who may not be scored.

    One row is one person: owner, team and the reason. Published as `unscored_people` before the scores of the date, so
    that the API takes events of them; only the newest two dates are kept. A rerun gives the same bytes. An older date
    than the newest publishes nothing.
    """
    as_of = as_of_date(context)
    manifest = publish_unscored(engine, as_of=as_of)
    rows = manifest.rows if manifest else 0
    return dg.MaterializeResult(metadata={"dagster/row_count": rows, "as_of_date": as_of.isoformat(), "rows": rows})


def _histories(context: dg.AssetExecutionContext, engine: Engine, dataset: str) -> dg.MaterializeResult[None]:
    as_of = as_of_date(context)
    manifest = publish_histories(engine, as_of=as_of, dataset=dataset)
    rows = manifest.rows if manifest else 0
    size = published_path(engine.settings.published_dir, dataset=dataset, as_of=as_of).stat().st_size if manifest else 0
    return dg.MaterializeResult(
        metadata={"dagster/row_count": rows, "as_of_date": as_of.isoformat(), "rows": rows, "bytes": size}
    )


@dg.asset(
    key=SCORES,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"scikitlearn", "parquet"},
    tags={"stage": "scoring"},
    pool="warehouse_write",
    deps=[
        DRIFT,
        CHAMPION,
        SNAPSHOTS,
        PERMISSIONS,
        LEAD_HISTORIES,
        ACCOUNT_HISTORIES,
        UNSCORED,
        PEOPLE,
        IMPORTED,
    ],
)
@readable
def lead_scores(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """The resurrection score of everyone dormant.

    One row is one person: p, points, percentile of the day, tier, five signed reasons, score kind and model version,
    best first. Published as `lead_scores` and copied to `scores.lead_scores`. A rerun gives the same bytes; nothing
    changed means nothing is computed. Who objected, complained or restricted the use of their data, in an export or to
    the ledger, is not scored but counted; without a model the rule scorecard scores.
    """
    as_of = as_of_date(context)
    state = state_of(engine, as_of)
    day = score_day(engine, as_of=as_of, state=state)
    facts = day.manifest.facts
    tiers = _tiers(engine, as_of)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": day.manifest.rows,
            "as_of_date": as_of.isoformat(),
            "high_tier_people": tiers.get("high", 0),
            "expected_returns": tiers["expected"],
            "dormant": facts["dormant"],
            "unscored": facts["unscored"],
            "people_with_reasons": facts["reasons_for"],
            "score_kind": state.score_kind.value,
            "model": f"{state.name} {state.version or ''}".strip(),
            "scored_now": day.scored_now,
        }
    )


def state_of(engine: Engine, as_of: date) -> ModelState:
    """The model in use of a date.

    Raises:
        BadInputError: the date has no decision yet.
    """
    state = stored_state(engine.settings, as_of)
    if state is None:
        raise BadInputError(
            f"No model was decided for {as_of}.",
            where="training/champion_model",
            remedy=f"Materialise training/champion_model for {as_of} first.",
        )
    return state


def _tiers(engine: Engine, as_of: date) -> dict[str, Any]:
    rows = read_published(engine.settings.published_dir, dataset=DATASET, as_of=as_of, columns=["tier", "p"])
    counts = {item["values"]: item["counts"] for item in rows["tier"].value_counts().to_pylist()}
    return {**counts, "expected": round(sum(rows["p"].to_pylist()), 1)}


def _drift_picture(engine: Engine, as_of: date) -> str:
    from models.drift.report import THRESHOLD
    from models.evaluation.plots import bars_png

    rows = read_published(engine.settings.published_dir, dataset=DRIFT_DATASET, as_of=as_of).to_pylist()
    values = {row["feature"]: row["psi"] for row in rows if row["psi"] is not None}
    if not values:
        return "nothing was compared"
    picture = bars_png(values, title="Shift since training (stability index)", threshold=THRESHOLD)
    return embedded(picture, alt="drift")


ASSETS: Final = [feature_drift, lead_histories, account_histories, unscored_people, lead_scores]
