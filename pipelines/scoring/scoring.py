"""Scores of a day: reads people and the model in use, scores, and shapes the published table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from contracts.published import PublishedManifest, publish, published_path, read_manifest
from contracts.words import ScoreKind, UnscoredReason
from models.features import FEATURES, FeatureSpec
from models.training.fingerprint import code_version, fingerprint
from models.training.record import ModelState
from pipelines.resources import Engine
from pipelines.scoring.frames import SNAPSHOTS, owners_of, people_fingerprint, unscored_people
from pipelines.training.library import MODEL_FILE, Library

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from models.scoring.score import Scorer

DATASET: Final = "lead_scores"
TABLE: Final = "scores.lead_scores"
_SHAPE: Final = 3  # part of the fingerprint: raise it when what is published changes


@dataclass(frozen=True)
class ScoredDay:
    """What a day's scoring ended with."""

    manifest: PublishedManifest
    scored_now: bool


def score_day(
    engine: Engine, *, as_of: date, state: ModelState, features: tuple[FeatureSpec, ...] = FEATURES
) -> ScoredDay:
    """Score everyone dormant on a date, publish, and fill the warehouse table.

    Raises:
        BadInputError: the model in use cannot be read, or was changed after it was registered.
    """
    settings = engine.settings
    columns = tuple(spec.name for spec in features)
    with engine.warehouse.open() as connection:
        barred = unscored_people(engine, connection, as_of=as_of)
        people = people_fingerprint(engine.warehouse, connection, as_of=as_of, columns=columns, barred=barred)
    name = fingerprint(
        people=people,
        model=state.model_fingerprint,
        version=state.version,
        card=state.card if state.score_kind is ScoreKind.RULES else None,
        anchor=state.anchor,
        reasons_limit=settings.reasons_limit,
        code=code_version(),
        shape=_SHAPE,
    )
    manifest = read_manifest(settings.published_dir, dataset=DATASET, as_of=as_of)
    if manifest is not None and manifest.facts.get("fingerprint") == name:
        fill_warehouse(engine, as_of=as_of)
        return ScoredDay(manifest, False)
    table, facts = _scored(engine, as_of=as_of, state=state, features=features, barred=barred)
    manifest = publish(
        settings.published_dir,
        dataset=DATASET,
        as_of=as_of,
        table=table,
        facts={"fingerprint": name, **facts},
    )
    fill_warehouse(engine, as_of=as_of, force=True)
    return ScoredDay(manifest, True)


def _scored(
    engine: Engine, *, as_of: date, state: ModelState, features: tuple[FeatureSpec, ...], barred: dict[str, str]
) -> tuple[pa.Table, dict[str, Any]]:
    from models.scoring.score import score_people
    from models.scoring.scorecard import FEATURE_NAMES, card_says_something
    from pipelines.training.frames import read_people

    with engine.warehouse.open() as connection:
        if engine.warehouse.exists(connection, SNAPSHOTS):
            frame = read_people(connection, as_of=as_of, features=features)
            owners = owners_of(engine.warehouse, connection)
        else:
            frame, owners = _nobody(features), {}
    dormant = len(frame)
    unscored = {
        reason.value: 0 for reason in (UnscoredReason.OBJECTED, UnscoredReason.RESTRICTED, UnscoredReason.NO_MODEL)
    }
    for reason in barred.values():
        unscored[reason] += 1
    frame = frame[~frame["person_id"].isin(list(barred))].reset_index(drop=True)
    missing: list[str] = []
    if state.model_fingerprint is None and len(frame) and not card_says_something(frame):
        # The card scores everybody alike, at the base rate; the columns that would tell them apart are named.
        missing = list(FEATURE_NAMES)
    scores = score_people(scorer_of(engine, state, features), frame, reasons_limit=engine.settings.reasons_limit)
    ordered = frame.iloc[scores.order]
    table = _shaped(ordered, scores.table, owners=owners, as_of=as_of, state=state)
    facts = {"dormant": dormant, "unscored": unscored, "reasons_for": scores.reasons_for, "missing": missing}
    if state.score_kind is ScoreKind.RULES:
        facts |= {"card": state.card, "anchor": state.anchor}
    return table, facts


def scorer_of(engine: Engine, state: ModelState, features: tuple[FeatureSpec, ...]) -> Scorer:
    """Model or scorecard of a state; a model's file is checked against its registered hash before it is read."""
    from models.scoring.files import load_model
    from models.scoring.score import Scorer
    from models.scoring.scorecard import Scorecard

    card = Scorecard.from_dict(state.card)
    if state.model_fingerprint is None or state.model_sha256 is None:
        return Scorer(None, card, state.anchor, features)
    folder = Library(engine.settings.var_dir / "models").folder(state.model_fingerprint)
    model = load_model(folder / MODEL_FILE, sha256=state.model_sha256)
    return Scorer(model, card, state.anchor, features)


def _nobody(features: tuple[FeatureSpec, ...]) -> pd.DataFrame:
    import pandas as pd

    names = ["person_id", "account_id", "crm", *(spec.name for spec in features)]
    return pd.DataFrame({name: pd.Series(dtype=object) for name in names})


def _shaped(
    ordered: pd.DataFrame,
    scores: pa.Table,
    *,
    owners: dict[str, tuple[str | None, str | None]],
    as_of: date,
    state: ModelState,
) -> pa.Table:
    """The published columns, rows in ranking order."""
    import pyarrow as pa

    people = ordered["person_id"].tolist()
    rows = len(people)

    def text(column: str) -> pa.Array:
        values = ordered[column].astype(object)
        return pa.array(values.where(values.notna(), None).tolist(), pa.string())

    held = [owners.get(person, (None, None)) for person in people]
    return pa.table(
        {
            "as_of_date": pa.array([as_of] * rows, pa.date32()),
            "person_id": pa.array(people, pa.string()),
            "account_id": text("account_id"),
            "owner_id": pa.array([owner for owner, _ in held], pa.string()),
            "team_id": pa.array([team for _, team in held], pa.string()),
            "crm": text("crm"),
            "p": scores["p"],
            "points": scores["points"],
            "percentile": scores["percentile"],
            "tier": scores["tier"],
            "score_kind": pa.array([state.score_kind.value] * rows, pa.string()),
            "model_name": pa.array([state.name] * rows, pa.string()),
            "model_version": pa.array([state.version] * rows, pa.string()),
            "anchor": pa.array([state.anchor] * rows, pa.float64()),
            "reasons": scores["reasons"],
            "raw": scores["raw"],
        }
    )


def fill_warehouse(engine: Engine, *, as_of: date, force: bool = False) -> None:
    """Copy a published partition into `scores.lead_scores`, which can always be rebuilt from it."""
    path = published_path(engine.settings.published_dir, dataset=DATASET, as_of=as_of)
    with engine.warehouse.open() as connection:
        if not force and engine.warehouse.exists(connection, TABLE):
            stored = connection.execute(f"select count(*) from {TABLE} where as_of_date = ?", [as_of]).fetchone()
            published = connection.execute("select count(*) from read_parquet(?)", [str(path)]).fetchone()
            if stored == published:
                return
        from contracts.published import read_published

        rows = read_published(engine.settings.published_dir, dataset=DATASET, as_of=as_of)
        engine.warehouse.replace_partition(connection, table=TABLE, rows=rows, as_of=as_of)
