"""Training: which rows, which candidate, did the past come true, which model is live."""

import subprocess
from typing import Any, Final

import dagster as dg

from contracts.published import publish, read_manifest
from contracts.settings import Settings
from models.drift.decision import moved
from models.evaluation.markdown import embedded
from models.features import FEATURES
from models.training.record import CandidateRecord, ModelState
from pipelines.failures import readable
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import PROJECT_ROOT, Engine
from pipelines.training.evidence import known_of
from pipelines.training.evidence_assets import ASSETS as EVIDENCE_ASSETS
from pipelines.training.evidence_assets import EVIDENCE
from pipelines.training.fit import PICTURES, DayOfTraining, make_candidate
from pipelines.training.frames import PanelRequest, has_panel, panel_dates, panel_fingerprint
from pipelines.training.inputs import Inputs
from pipelines.training.promotion import model_in_use

_GROUP: Final = "training"
_OWNERS: Final = ["team:data"]
_EMPTY_PANEL: Final = "empty"
TRAINING_SET = dg.AssetKey(["training", "training_set"])
CANDIDATE = dg.AssetKey(["training", "candidate_model"])
BACKTEST = dg.AssetKey(["training", "matured_backtest"])
CHAMPION = dg.AssetKey(["training", "champion_model"])


@dg.asset(
    key=TRAINING_SET,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"duckdb"},
    tags={"stage": "training"},
    pool="warehouse_write",
    deps=[dg.AssetKey(["marts", "lead_snapshots"]), dg.AssetKey(["marts", "lead_labels"])],
)
@readable
def training_set(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """The weekly panel a model may learn from on this date.

    One row is one weekly as-of date with mature outcomes: its time slice, snapshots, people and returns, and the
    fingerprint of the whole panel. Written to `training.training_set`, the rows of this date replaced; the snapshots
    themselves stay in the marts. A rerun writes the same rows. Without snapshots or labels it writes none, and the
    scorecard is used.
    """
    as_of = as_of_date(context)
    settings = engine.settings
    request = PanelRequest(as_of, settings.training_weeks, settings.horizon_days, FEATURES)
    with engine.warehouse.open() as connection:
        if not has_panel(engine.warehouse, connection):
            return dg.MaterializeResult(metadata={"dagster/row_count": 0, "as_of_date": as_of.isoformat()})
        digest = panel_fingerprint(connection, request)
        table = panel_dates(connection, request, digest=digest)
        engine.warehouse.replace_partition(connection, table="training.training_set", rows=table, as_of=as_of)
    rows = table.to_pylist()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "as_of_date": as_of.isoformat(),
            "snapshots": sum(row["snapshots"] for row in rows),
            "returns": sum(row["reactivated"] for row in rows),
            "first_date": str(rows[0]["snapshot_date"]) if rows else "none",
            "last_date": str(rows[-1]["snapshot_date"]) if rows else "none",
            "fingerprint": digest,
            "dates": dg.MetadataValue.md(_dates_table(rows)),
        }
    )


@dg.asset(
    key=CANDIDATE,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"scikitlearn", "mlflow"},
    tags={"stage": "training"},
    pool="warehouse_write",
    deps=[TRAINING_SET, EVIDENCE],
)
@readable
def candidate_model(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """The best of scorecard, logistic regression and gradient boosting on today's panel.

    One training is one MLflow run with nested candidates, and one version of the registered model `resurrection`;
    files are kept under `var/models`. It is named by the fingerprint of data, code, parameters and seed: a rerun, or
    a day whose panel is the same, reuses it; what has drifted asks for a fit ahead of time. With too few people or
    reactivations no model is trained and the reason is kept.
    """
    as_of = as_of_date(context)
    day = day_of_training(engine, context)
    digest = panel_digest(engine, as_of=day.as_of)
    asked = moved(known_of(engine.settings, as_of).evidence)
    record, trained = make_candidate(
        day, engine.warehouse, data=digest, has_rows=digest != _EMPTY_PANEL, afresh=bool(asked)
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": record.mature_rows,
            "as_of_date": as_of.isoformat(),
            "people_learned_from": record.mature_people,
            "reactivations_learned_from": record.mature_events,
            "trained_now": trained,
            "fit_asked_for": "; ".join(asked) or "no",
            "recipe": record.name,
            "refused": record.refused or "no",
            "fingerprint": record.fingerprint,
            **_figures_metadata(day, record),
            **_mlflow_metadata(engine.settings, record),
        }
    )


@dg.asset(
    key=BACKTEST,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"duckdb", "parquet"},
    tags={"stage": "training"},
    pool="warehouse_write",
    deps=[dg.AssetKey(["marts", "lead_labels"])],
)
@readable
def matured_backtest(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """Did past scores come true.

    One row is one past published day whose outcomes have matured: returns promised and happened, their ratio with an
    interval, log loss and AUC. Published as `matured_backtest`. It reads published scores only, so a rerun gives the
    same rows. Before any day has matured it says "too early"; a clear failure holds promotion.
    """
    from models.evaluation.backtest import failing
    from pipelines.training.matured import (
        DATASET,
        backtest_table,
        inputs_fingerprint,
        judge_past_days,
        verdict_words,
    )

    as_of = as_of_date(context)
    published = engine.settings.published_dir
    digest = inputs_fingerprint(engine.warehouse, published=published, as_of=as_of)
    manifest = read_manifest(published, dataset=DATASET, as_of=as_of)
    if manifest is None or manifest.facts.get("fingerprint") != digest:
        days = judge_past_days(engine.warehouse, published=published, as_of=as_of, seed=engine.settings.seed)
        facts = {"fingerprint": digest, "verdict": verdict_words(days), "failing": failing(days)}
        manifest = publish(
            published, dataset=DATASET, as_of=as_of, table=backtest_table(days, as_of=as_of), facts=facts
        )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": manifest.rows,
            "as_of_date": as_of.isoformat(),
            "matured_days": manifest.rows,
            "verdict": manifest.facts["verdict"],
        }
    )


@dg.asset(
    key=CHAMPION,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"mlflow", "parquet"},
    tags={"stage": "training"},
    pool="warehouse_write",
    deps=[CANDIDATE, EVIDENCE],
)
@readable
def champion_model(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[None]:
    """The model in use on this date, and why.

    One row, published as `model_state`; its facts hold figures, decision and a paragraph for people. Only the newest
    date decides, by the written rule of docs/science.md: roll back, hold, promote (on evidence, at most every
    `promote_every_days`), recalibrate, retrain or keep. Only what loads in a fresh interpreter comes into use. It moves
    the aliases champion, challenger and previous. An older date keeps the model it used. A rerun decides the same.
    Without a model the rule scorecard is in use.
    """
    as_of = as_of_date(context)
    day = day_of_training(engine, context)
    candidate = candidate_of(day)
    inputs = Inputs(day, candidate, known_of(engine.settings, as_of))
    state, decided = model_in_use(inputs, engine.warehouse, newest=engine.is_newest(as_of))
    if decided:
        publish_state(engine, state, as_of=day.as_of)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": 1,
            "as_of_date": as_of.isoformat(),
            "people_learned_from": state.train_people,
            "lift_at_10": state.lift_at_10 if state.lift_at_10 is not None else 0.0,
            "decision": state.decision,
            "reason": state.decision_reason,
            "rule_says": state.action,
            "because": "; ".join(state.action_reasons) or "nothing is known",
            "model": f"{state.name} {state.version or ''}".strip(),
            "score_kind": state.score_kind.value,
            "paragraph": dg.MetadataValue.md(state.paragraph),
            **_mlflow_metadata(engine.settings, candidate),
        }
    )


def day_of_training(engine: Engine, context: dg.AssetExecutionContext) -> DayOfTraining:
    """The date, settings and origins of a training."""
    run_id = context.run.run_id if context.has_partition_key else ""
    return DayOfTraining(as_of_date(context), engine.settings, run_id, git_commit())


def candidate_of(day: DayOfTraining) -> CandidateRecord:
    """The training that this date made or reused.

    Raises:
        BadInputError: the date has none.
    """
    from contracts.errors import BadInputError

    record = day.library.of_day(day.as_of)
    if record is None:
        raise BadInputError(
            f"No candidate was made for {day.as_of}.",
            where=str(day.library.root),
            remedy=f"Materialise training/candidate_model for {day.as_of} first.",
        )
    return record


def panel_digest(engine: Engine, *, as_of: Any) -> str:
    """Fingerprint of the date's panel as `training.training_set` holds it; `empty` without rows."""
    with engine.warehouse.open() as connection:
        if not engine.warehouse.exists(connection, "training.training_set"):
            return _EMPTY_PANEL
        row = connection.execute(
            "select max(fingerprint) from training.training_set where as_of_date = ?", [as_of]
        ).fetchone()
    return str(row[0]) if row and row[0] is not None else _EMPTY_PANEL


def publish_state(engine: Engine, state: ModelState, *, as_of: Any) -> None:
    """Publish the model in use of a date: one row, and all facts in the manifest."""
    import pyarrow as pa

    facts = state.model_dump(mode="json")
    plain = ("name", "recipe", "version", "score_kind", "roc_auc", "pr_auc", "brier", "log_loss", "ece", "base_rate",
             "lift_at_10", "anchor", "train_people", "train_events", "decision", "decision_reason")  # fmt: skip
    table = pa.Table.from_pylist(
        [{"as_of_date": as_of, **{name: facts[name] for name in plain}}], schema=_STATE_SCHEMA()
    )
    publish(engine.settings.published_dir, dataset="model_state", as_of=as_of, table=table, facts=facts)


def _STATE_SCHEMA() -> Any:  # noqa: N802 - a constant that needs pyarrow only when something is published
    import pyarrow as pa

    text, number, count = pa.string(), pa.float64(), pa.int64()
    return pa.schema(
        [
            ("as_of_date", pa.date32()),
            *((name, text) for name in ("name", "recipe", "version", "score_kind")),
            *((name, number) for name in ("roc_auc", "pr_auc", "brier", "log_loss", "ece", "base_rate", "lift_at_10")),
            ("anchor", number),
            *((name, count) for name in ("train_people", "train_events")),
            *((name, text) for name in ("decision", "decision_reason")),
        ]
    )


def git_commit() -> str:
    """Commit of the code, or `unknown` outside a repository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - git is found on PATH
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


def _figures_metadata(day: DayOfTraining, record: CandidateRecord) -> dict[str, Any]:
    """Figures of the twin, and its pictures as they were drawn at training."""
    names = ("skill", "skill_low", "roc_auc", "pr_auc", "lift_at_10", "ece", "ece_expected")
    shown: dict[str, Any] = {name: record.figures[name] for name in names if name in record.figures}
    for name in PICTURES:
        path = day.library.folder(record.fingerprint) / name
        if path.exists():
            shown[path.stem] = dg.MetadataValue.md(embedded(path.read_bytes(), alt=path.stem))
    return shown


def _mlflow_metadata(settings: Settings, record: CandidateRecord) -> dict[str, Any]:
    if record.run_id is None:
        return {}
    page = f"http://127.0.0.1:{settings.mlflow_port}/#/experiments/{record.experiment_id}/runs/{record.run_id}"
    return {"mlflow_run": dg.MetadataValue.url(page), "mlflow_run_id": record.run_id}


def _dates_table(rows: list[dict[str, Any]]) -> str:
    lines = ["| date | slice | snapshots | people | returns |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['snapshot_date']} | {row['slice']} | {row['snapshots']:,} | {row['people']:,} "
        f"| {row['reactivated']:,} |"
        for row in rows
    ]
    return "\n".join(lines)


ASSETS: Final = [training_set, matured_backtest, *EVIDENCE_ASSETS, candidate_model, champion_model]
