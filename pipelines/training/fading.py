"""Whether a feature knows what came later: its power when it is read a day, a week or four weeks earlier."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import pyarrow as pa

from contracts.published import PublishedManifest, publish, published_dates, read_manifest, read_published
from models.features import FEATURES
from models.training.fingerprint import fingerprint
from pipelines.resources import Engine
from pipelines.training.frames import PanelRequest, has_panel, read_panel

DATASET: Final = "feature_fading"
LAGS: Final = (1, 7, 28)  # the panel is weekly; a lag without dates is left out
PEOPLE: Final = 2_000  # all their weekly rows; an AUC of 1,000 returns is known to about .01
CODE: Final = "1"  # part of the fingerprint: raise it when what is computed changes
SCHEMA: Final = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("feature", pa.string()),
        ("lag_days", pa.int64()),
        ("auc_alone", pa.float64()),
        ("is_suspected", pa.bool_()),
    ]
)


def fading_day(engine: Engine, *, as_of: date, panel: str) -> tuple[PublishedManifest, bool]:
    """Publish `feature_fading` of a date; returns its manifest and whether it was computed now.

    The panel changes once or twice a week, when a weekly date comes or goes; between, the rows are kept.

    Args:
        engine: the installation.
        as_of: the date.
        panel: fingerprint of the training panel.
    """
    published, seed = engine.settings.published_dir, engine.settings.seed
    name = fingerprint(panel=panel, people=PEOPLE, lags=LAGS, seed=seed, code=CODE)
    found = read_manifest(published, dataset=DATASET, as_of=as_of)
    if found is not None and found.facts["fingerprint"] == name:
        return found, False
    last = _of_the_week(engine, as_of, name)
    if last is not None:
        day, facts = last
        table = read_published(published, dataset=DATASET, as_of=day)
        dated = table.set_column(0, SCHEMA.field("as_of_date"), pa.array([as_of] * table.num_rows, pa.date32()))
        return publish(published, dataset=DATASET, as_of=as_of, table=dated, facts=facts), False
    rows, facts = _judged(engine, as_of)
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return publish(published, dataset=DATASET, as_of=as_of, table=table, facts={"fingerprint": name, **facts}), True


def _of_the_week(engine: Engine, as_of: date, name: str) -> tuple[date, dict[str, Any]] | None:
    published = engine.settings.published_dir
    earlier = [day for day in published_dates(published, DATASET) if day < as_of]
    manifest = read_manifest(published, dataset=DATASET, as_of=earlier[-1]) if earlier else None
    if manifest is None or manifest.facts["fingerprint"] != name:
        return None
    return earlier[-1], dict(manifest.facts)


def _judged(engine: Engine, as_of: date) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from models.leaks.lags import power_by_lag, suspects_of

    settings = engine.settings
    request = PanelRequest(as_of, settings.training_weeks, settings.horizon_days, FEATURES)
    with engine.warehouse.open() as connection:
        if not has_panel(engine.warehouse, connection):
            return [], {"suspects": {}, "people": 0, "lags": []}
        panel = read_panel(connection, request, people=PEOPLE)
    fadings = power_by_lag(panel, FEATURES, lags=LAGS, seed=settings.seed) if len(panel) else ()
    suspects = {fading.feature: fading.words for fading in suspects_of(fadings)}
    rows: list[dict[str, Any]] = [
        {
            "as_of_date": as_of,
            "feature": fading.feature,
            "lag_days": lag,
            "auc_alone": 0.5 + power,
            "is_suspected": fading.feature in suspects,
        }
        for fading in fadings
        for lag, power in fading.power.items()
    ]
    lags = sorted({lag for fading in fadings for lag in fading.power} - {0})
    return rows, {"suspects": suspects, "people": int(panel["person_id"].nunique()), "lags": lags}
