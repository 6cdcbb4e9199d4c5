"""What must be true of the training panel and of the model in use."""

from datetime import date, timedelta
from typing import Final

import dagster as dg

from contracts.files import sha256_file
from contracts.published import read_manifest
from contracts.words import ScoreKind
from models.training.record import Bounds, ModelState
from pipelines.partitions import as_of_date
from pipelines.resources import Engine
from pipelines.training.assets import BACKTEST, CHAMPION, TRAINING_SET
from pipelines.training.library import MODEL_FILE, Library
from pipelines.training.states import stored_state

# What "calibrated" means: the ideal value and the band in which an estimate counts as good.
_GOOD: Final = {"intercept": (0.0, -0.1, 0.1), "slope": (1.0, 0.9, 1.1), "top_decile": (1.0, 0.85, 1.15)}
_NO_MODEL: Final = "No model is live; the rule scorecard is in use."


def evaluate_slices(rows: list[tuple[date, str]], horizon_days: int) -> tuple[bool, str]:
    """Whether training, calibration and test dates lie in that order with a horizon between them."""
    by_slice = {name: [day for day, found in rows if found == name] for name in ("train", "calibrate", "test")}
    if not all(by_slice.values()):
        return True, "The panel is too short for slices; no model is trained on it."
    gap = timedelta(days=horizon_days)
    first = min(by_slice["calibrate"]) - max(by_slice["train"])
    second = min(by_slice["test"]) - max(by_slice["calibrate"])
    return min(first, second) >= gap, f"Gaps of {first.days} and {second.days} days; the horizon is {horizon_days}."


def evaluate_skill(state: ModelState) -> tuple[bool, str]:
    """Whether the model in use beat the base rate for sure on rows that its twin had not seen."""
    if state.score_kind is ScoreKind.RULES:
        return True, _NO_MODEL
    if state.log_loss_skill is None:
        return False, "The model in use has no measured skill."
    value, low, high = state.log_loss_skill
    return low > 0, f"Log-loss skill {100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)."


def evaluate_calibration(state: ModelState) -> tuple[bool, str]:
    """Whether each measure lies in its band, or cannot be told from its ideal value."""
    if state.score_kind is ScoreKind.RULES or not state.calibration:
        return True, _NO_MODEL
    bad = [name for name, found in state.calibration.items() if not _good(name, found)]
    shown = ", ".join(f"{name} {found[0]:.2f}" for name, found in state.calibration.items())
    ece = "" if state.ece is None or state.ece_expected is None else (
        f"; calibration error {100 * state.ece:.2f} %, a perfect model would show {100 * state.ece_expected:.2f} %"
    )  # fmt: skip
    return not bad, f"{shown}{ece}." + (f" Outside its band: {', '.join(bad)}." if bad else "")


def _good(name: str, found: Bounds) -> bool:
    ideal, low, high = _GOOD[name]
    return low <= found[0] <= high or found[1] <= ideal <= found[2]


def evaluate_file(state: ModelState, library: Library) -> tuple[bool, str]:
    """Whether the model's file is the one that was registered."""
    if state.model_fingerprint is None:
        return True, _NO_MODEL
    path = library.folder(state.model_fingerprint) / MODEL_FILE
    if not path.exists():
        return False, "The model's file is missing; run the day again or restore var/mlflow."
    same = sha256_file(path) == state.model_sha256
    return same, "The file is the registered one." if same else "The file differs from the registered one."


def _state(context: dg.AssetCheckExecutionContext, engine: Engine) -> ModelState:
    state = stored_state(engine.settings, as_of_date(context))
    if state is None:
        raise dg.Failure(description="No model was decided for this date.", allow_retries=False)
    return state


@dg.asset_check(
    asset=TRAINING_SET,
    blocking=True,
    pool="warehouse_write",
    description="Training, calibration and test dates follow each other, a horizon apart.",
)
def training_slices_are_a_horizon_apart(context: dg.AssetCheckExecutionContext, engine: Engine) -> dg.AssetCheckResult:
    """Reads the dates of the panel as they were written."""
    rows: list[tuple[date, str]] = []
    with engine.warehouse.open() as connection:
        if engine.warehouse.exists(connection, "training.training_set"):
            rows = connection.execute(
                "select snapshot_date, slice from training.training_set where as_of_date = ? order by 1",
                [as_of_date(context)],
            ).fetchall()
    passed, told = evaluate_slices(rows, engine.settings.horizon_days)
    return dg.AssetCheckResult(passed=passed, description=told, metadata={"dates": len(rows)})


@dg.asset_check(asset=CHAMPION, blocking=True, description="The model in use is surely better than the base rate.")
def champion_beats_the_base_rate(context: dg.AssetCheckExecutionContext, engine: Engine) -> dg.AssetCheckResult:
    """Lower bound of the twin's log-loss skill is above 0."""
    passed, told = evaluate_skill(_state(context, engine))
    return dg.AssetCheckResult(passed=passed, description=told)


@dg.asset_check(
    asset=CHAMPION, blocking=True, description="The file of the model in use is the one that was registered."
)
def champion_file_is_the_registered_one(context: dg.AssetCheckExecutionContext, engine: Engine) -> dg.AssetCheckResult:
    """Hash of the file against the registry's; nothing is loaded."""
    library = Library(engine.settings.var_dir / "models")
    passed, told = evaluate_file(_state(context, engine), library)
    return dg.AssetCheckResult(passed=passed, description=told)


@dg.asset_check(asset=CHAMPION, description="What the model promises is what happens, on average and in the top tenth.")
def scores_are_calibrated(context: dg.AssetCheckExecutionContext, engine: Engine) -> dg.AssetCheckResult:
    """Intercept, slope and observed / expected of the twin on the test slice."""
    passed, told = evaluate_calibration(_state(context, engine))
    return dg.AssetCheckResult(passed=passed, description=told, severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=BACKTEST, description="What was promised on past days has happened.")
def past_scores_have_come_true(context: dg.AssetCheckExecutionContext, engine: Engine) -> dg.AssetCheckResult:
    """The verdict of the newest matured day; too early counts as true."""
    manifest = read_manifest(engine.settings.published_dir, dataset="matured_backtest", as_of=as_of_date(context))
    facts = manifest.facts if manifest else {"failing": None, "verdict": "not run"}
    return dg.AssetCheckResult(
        passed=facts["failing"] is None, description=str(facts["verdict"]), severity=dg.AssetCheckSeverity.WARN
    )


CHECKS: Final = [
    training_slices_are_a_horizon_apart,
    champion_beats_the_base_rate,
    champion_file_is_the_registered_one,
    scores_are_calibrated,
    past_scores_have_come_true,
]
