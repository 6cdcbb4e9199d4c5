"""Gathers what is known on a day about the model in use: drift of people and scores, and matured promises."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from contracts.published import PublishedManifest, publish, published_dates, read_manifest, read_published
from models.drift.decision import Evidence
from models.features import FEATURES, FeatureSpec
from models.training.record import CandidateRecord
from pipelines.resources import Engine
from pipelines.training.evidence import DATASET, Known, campaign_changed, evidence_fingerprint, version_before
from pipelines.training.fit import tracking_of
from pipelines.training.frames import TABLES, people_digest, read_people
from pipelines.training.library import MODEL_FILE, RANGES_FILE, REFERENCE_FILE, Library
from pipelines.training.matured import Promises, read_promises
from pipelines.training.restoring import restored_record

if TYPE_CHECKING:
    import pandas as pd

    from models.calibration.recalibration import Recalibration
    from models.scoring.model import ResurrectionModel
    from models.tracking.store import Held, Tracking

SAMPLE_ROWS: Final = 5_000  # an index of 5,000 people is known to about .01
RECALIBRATE_EVERY_DAYS: Final = 28  # a calibrator rolls by the month
_SCHEMA: Final = pa.schema([("as_of_date", pa.date32()), ("name", pa.string()), ("value", pa.float64())])
Figures = dict[str, float]


@dataclass(frozen=True)
class _InUse:
    """The model in use with its files."""

    held: Held
    record: CandidateRecord
    model: ResurrectionModel
    versions: frozenset[str]


def gather(engine: Engine, *, as_of: date, newest: bool) -> tuple[PublishedManifest, bool]:
    """Publish `model_evidence` of a date; returns its manifest and whether it was gathered now.

    A past date decides nothing: it keeps what it has, or gets an empty page.
    """
    settings = engine.settings
    found = read_manifest(settings.published_dir, dataset=DATASET, as_of=as_of)
    if not newest:
        if found is not None:
            return found, False
        return _publish(engine, as_of, Known(told="a past date decides nothing"), before=None), True
    version = version_before(settings, as_of)
    with engine.warehouse.open() as connection:
        people = people_digest(engine.warehouse, connection, as_of=as_of, features=FEATURES)
    name = evidence_fingerprint(settings, as_of=as_of, people=people, version=version)
    if found is not None and found.facts["fingerprint"] == name:
        return found, False
    known = _gathered(engine, as_of, name) if version is not None else Known(name, told="no model is in use")
    return _publish(engine, as_of, known, before=version), True


def _publish(engine: Engine, as_of: date, known: Known, *, before: str | None) -> PublishedManifest:
    rows = [{"as_of_date": as_of, "name": name, "value": value} for name, value in sorted(known.figures.items())]
    table = pa.Table.from_pylist(rows, schema=_SCHEMA)
    facts = known.facts() | {"version_before": before}
    return publish(engine.settings.published_dir, dataset=DATASET, as_of=as_of, table=table, facts=facts)


def _gathered(engine: Engine, as_of: date, name: str) -> Known:
    from models.tracking import registry

    tracking = tracking_of(engine.settings)
    held = registry.champion_before(tracking, as_of)
    in_use = None if held is None else _opened(engine, tracking, held)
    if in_use is None:
        return Known(name, told="the files of the model in use cannot be found" if held else "no model is in use")
    moved, moved_figures = _moved(engine, as_of, in_use)
    promises = read_promises(
        engine.warehouse, published=engine.settings.published_dir, as_of=as_of, versions=in_use.versions
    )
    came_true, calibrator, told, promise_figures = _promised(engine, as_of, in_use, promises)
    back = registry.fallback(tracking, in_use.held)
    evidence = Evidence(
        **moved,
        **came_true,
        has_previous=back is not None,
        campaign_changed=campaign_changed(engine.settings, trained=in_use.record.trained_as_of, as_of=as_of),
    )
    return Known(
        fingerprint=name,
        evidence=evidence,
        version=in_use.held.version,
        fallback=back.version if back else None,
        calibrator=calibrator,
        figures=moved_figures | promise_figures,
        told=told,
    )


def _opened(engine: Engine, tracking: Tracking, held: Held) -> _InUse | None:
    from models.scoring.files import load_model

    library = Library(engine.settings.var_dir / "models")
    record = restored_record(library, tracking, held)
    if record is None:
        return None
    model = load_model(library.folder(held.fingerprint) / MODEL_FILE, sha256=held.model_sha256)
    return _InUse(held, record, model, tracking.lineage(held.root))


def _moved(engine: Engine, as_of: date, in_use: _InUse) -> tuple[dict[str, Any], Figures]:
    """What has moved among today's people: features, ranges, scores."""
    import pyarrow.parquet as pq

    from models.drift.ranges import out_of_range
    from models.drift.report import drift_figures, sample_rows
    from models.drift.scores import stability_index

    settings = engine.settings
    frame = _sample(engine, as_of)
    folder = Library(settings.var_dir / "models").folder(in_use.held.fingerprint)
    if not len(frame) or not (folder / REFERENCE_FILE).exists() or not (folder / RANGES_FILE).exists():
        return {}, {"people": float(len(frame))}
    reference = pq.read_table(folder / REFERENCE_FILE).to_pandas()
    drift = drift_figures(frame, reference.iloc[sample_rows(len(reference), SAMPLE_ROWS)], FEATURES)
    ranges = json.loads((folder / RANGES_FILE).read_text())
    outside, _ = out_of_range(frame, _ranged(ranges), ranges)
    index = stability_index(in_use.model.raw(frame), _first_scores(engine, as_of, in_use))
    share = drift.share
    moved = {
        "drifted_share": share,
        "drift_warns": share is not None and share >= settings.drift_warn_share,
        "drift_severe": share is not None and share >= settings.drift_hold_share,
        "out_of_range_share": outside / len(frame),
        "score_index": index,
    }
    shown = {"drifted_share": share, "out_of_range_share": outside / len(frame), "score_index": index}
    figures = {name: float(value) for name, value in shown.items() if value is not None}
    return moved, figures | {"people": float(len(frame)), "drifted_features": float(len(drift.drifted))}


def _sample(engine: Engine, as_of: date) -> pd.DataFrame:
    import pandas as pd

    with engine.warehouse.open() as connection:
        if not all(engine.warehouse.exists(connection, table) for table in TABLES):
            return pd.DataFrame()
        return read_people(connection, as_of=as_of, features=FEATURES, most=SAMPLE_ROWS)


def _ranged(ranges: dict[str, Any]) -> list[FeatureSpec]:
    return [spec for spec in FEATURES if spec.name in ranges]


def _first_scores(engine: Engine, as_of: date, in_use: _InUse) -> Any:
    """Raw log odds of the first day that this model scored, at most the sample's size; empty when there is none."""
    import numpy as np

    from models.drift.report import sample_rows

    published = engine.settings.published_dir
    tags = in_use.held.tags
    since = date.fromisoformat(tags.get("in_use_since", tags.get("promoted_as_of", as_of.isoformat())))
    for day in (one for one in published_dates(published, "lead_scores") if since <= one < as_of):
        table = read_published(published, dataset="lead_scores", as_of=day, columns=["raw", "model_version"])
        if not table.num_rows:
            continue
        if table["model_version"][0].as_py() in in_use.versions:
            raw = table["raw"].to_numpy()
            return raw[sample_rows(raw.size, SAMPLE_ROWS)]
        break
    return np.zeros(0)


def _promised(
    engine: Engine, as_of: date, in_use: _InUse, promises: Promises | None
) -> tuple[dict[str, Any], dict[str, Any] | None, str, Figures]:
    """What matured outcomes say of this model's promises: evidence, the calibrator called for, words, figures."""
    backtest = read_manifest(engine.settings.published_dir, dataset="matured_backtest", as_of=as_of)
    failing = backtest.facts.get("failing") if backtest else None
    if promises is None:
        return {"failing_backtest": failing}, None, "no promise of this model has matured yet", {}
    found = _recalibration(in_use, promises, as_of=as_of, seed=engine.settings.seed)
    day = promises.newest(in_use.model.calibrator, seed=engine.settings.seed)
    auc = day.roc_auc
    called = found.called_for and not (auc is not None and auc.high < 0.5)
    evidence = {
        "matured_auc": auc,
        "failing_backtest": _still_failing(failing, promises, in_use, engine.settings.seed),
        "recalibration": found.reason if called else None,
    }
    promised, happened = float(in_use.model.calibrate(promises.raw).sum()), int(promises.y.sum())
    figures = {
        "matured_rows": float(promises.y.size),
        "matured_promised": promised,
        "matured_happened": float(happened),
        "matured_base_rate": happened / promises.y.size,
        "recalibration_gain": found.gain,
    }
    if in_use.record.base_rate is not None:
        figures["trained_base_rate"] = in_use.record.base_rate
    if auc is not None:
        figures |= {"matured_auc": auc.value, "matured_auc_low": auc.low, "matured_auc_high": auc.high}
    return evidence, found.calibrator.to_dict() if called else None, found.reason, figures


def _still_failing(failing: str | None, promises: Promises, in_use: _InUse, seed: int) -> str | None:
    """A failure of the newest matured day, unless a later calibrator of the same model has mended it."""
    from models.evaluation.backtest import failing as judged

    if failing is None or not promises.is_newest_of_all:
        return failing
    return judged([promises.newest(in_use.model.calibrator, seed=seed)])


def _recalibration(in_use: _InUse, promises: Promises, *, as_of: date, seed: int) -> Recalibration:
    from dataclasses import replace

    from models.calibration.recalibration import recalibrate

    found = recalibrate(
        in_use.model.calibrator, raw=promises.raw, y=promises.y, month=promises.month, groups=promises.groups, seed=seed
    )
    since = in_use.record.recalibrated_as_of
    if found.called_for and "keeps_its_calibrator_since" in in_use.held.tags:
        told = "a person took a later calibrator off this model, so none is put on by itself"
        return replace(found, called_for=False, reason=f"{found.reason}; {told}")
    if found.called_for and since is not None and (as_of - since).days < RECALIBRATE_EVERY_DAYS:
        told = f"the calibrator of {since} is kept for {RECALIBRATE_EVERY_DAYS} days"
        return replace(found, called_for=False, reason=f"{found.reason}; {told}")
    return found
